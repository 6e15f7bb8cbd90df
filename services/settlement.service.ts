import { performance } from 'node:perf_hooks';
import type { ServiceSchema } from 'moleculer';
import { type Duration, SECOND } from '../domain/time.ts';
import type { BatchHandler, SubscribeOptions, Subscription } from '../mixins/brokers/index.ts';
import { intentHandler, STOP_PATIENCE } from '../mixins/calls/index.ts';
import { notBefore } from '../mixins/delay/index.ts';
import { Inbox } from '../mixins/inbox/index.ts';
import type { Platform } from '../mixins/platform.ts';
import { Loop, nowAndThen } from '../mixins/runtime/index.ts';
import { paymentCalls } from './settlement/payment-calls.ts';
import { SWEEP_EVERY, Sweeper } from './settlement/sweeper.ts';
import { LINGER } from './topology.ts';

/** A wake-up that comes later than this tells that the carrier is working off a backlog. */
const BEHIND: Duration = SECOND;
/** How long that is believed after the last such wake-up. */
const BEHIND_FOR: Duration = 2 * SECOND;

/** Authorises, confirms when due, captures or voids, and sweeps up what nobody woke. */
export function settlementService(platform: Platform): ServiceSchema {
	const { carrier, clock, database, deadLetters, health, metrics, settings, stored } = platform;
	const log = platform.log('settlement');
	const inbox = new Inbox(database, stored, log);
	const calls = paymentCalls(platform, log);
	let lastBehind = Number.NEGATIVE_INFINITY;
	const sweeper = new Sweeper(platform, calls, log, () => performance.now() - lastBehind < BEHIND_FOR);
	const lookBack = nowAndThen(() => sweeper.lookBack());
	const sweeping = new Loop('sweeper', log, async () => {
		const { found } = await sweeper.sweep();
		await lookBack();
		return found > 0 ? 0 : SWEEP_EVERY;
	});
	const subscriptions: Subscription[] = [];

	const handleDeadlines: BatchHandler = async (deliveries) => {
		const handled = await inbox.handle('deadlines.handle', 'deadlines', deliveries, (order, delivery, moment) => {
			const { type, deliverAt } = delivery;
			if (deliverAt === null) throw new Error('a wake-up without its moment');
			const lateness = moment.now - deliverAt;
			if (lateness > BEHIND) lastBehind = performance.now();
			if (type === 'OrderDue') order.wakeAtDue(deliverAt, moment);
			else order.wakeAtHoldLimit(deliverAt, moment);
			return { type, lateness };
		});
		for (const { type, lateness } of handled.results) metrics.wakeUpHandled(type, lateness);
		return handled.failures;
	};

	const deadlines = notBefore(carrier.early, clock, handleDeadlines);

	const handlePayments = intentHandler(calls, {
		inbox,
		transaction: 'settlement.handle',
		consumer: 'settlement',
		decide: (order, _delivery, moment) => order.beginPayment(moment, settings.providerTimeout),
	});

	return {
		name: 'settlement',
		actions: {
			sweep: { visibility: 'public', handler: () => sweeper.sweep() },
		},
		async started() {
			const consume = (group: string, handle: BatchHandler, options: SubscribeOptions): void => {
				const handler = deadLetters.catching(group, metrics.counting(group, handle));
				const subscription = carrier.subscribe(group, handler, options);
				subscriptions.push(subscription);
				health.watch(`consumer ${group}`, subscription, 'broker');
			};
			consume('deadlines', deadlines, { concurrency: 3 });
			consume('settlement', handlePayments, { linger: LINGER });
			sweeping.start();
			health.watch('sweeper', sweeping);
		},
		async stopped() {
			await Promise.all([sweeping.stop(), ...subscriptions.map((subscription) => subscription.close())]);
			await calls.idle(STOP_PATIENCE);
		},
	};
}
