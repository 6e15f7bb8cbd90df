import type { ServiceSchema } from 'moleculer';
import type { HandOverCall } from '../domain/commands.ts';
import type { HandOverOutcome } from '../domain/shipment.ts';
import type { Subscription } from '../mixins/brokers/index.ts';
import { Calls, type Done, intentHandler, STOP_PATIENCE } from '../mixins/calls/index.ts';
import { isTransient } from '../mixins/database/index.ts';
import { Inbox } from '../mixins/inbox/index.ts';
import { UnitOfWork } from '../mixins/outbox/index.ts';
import type { Platform } from '../mixins/platform.ts';
import { bisect, crashPoint, tell } from '../mixins/runtime/index.ts';
import { LINGER } from './topology.ts';

/** The most calls to the parcel service at once in one process. */
const SLOTS = 500;

/** Hands over what was paid: by intent and key, like the money. */
export function shippingService(platform: Platform): ServiceSchema {
	const { carrier, database, deadLetters, health, metrics, parcels, settings, stored } = platform;
	const log = platform.log('shipping');
	const inbox = new Inbox(database, stored, log);
	let subscription: Subscription | undefined;

	const calls = new Calls<HandOverCall, HandOverOutcome>({
		slots: SLOTS,
		timeout: settings.providerTimeout,
		perform: async ({ orderId }, _isInTime, signal) => {
			crashPoint('before:parcel.call');
			const outcome = await parcels.handOver({ orderId, idempotencyKey: `${orderId}:hand-over` }, signal);
			crashPoint('after:parcel.call');
			return outcome;
		},
		unknown: (reason) => ({ kind: 'unknown', reason }),
		store: async (done) => {
			await bisect(
				done,
				store,
				({ call }, error) => tell(log, 'error', `the hand-over of ${call.orderId} was not stored`, error),
				isTransient,
			);
			return done.map(() => null);
		},
		log,
	});

	function store(group: readonly Done<HandOverCall, HandOverOutcome>[]): Promise<void> {
		let tries = 0;
		return database.transaction('shipping.outcome', async (tx) => {
			const work = new UnitOfWork(tx, stored);
			tries += 1;
			const ids = group.map(({ call }) => call.orderId);
			const { orders, busy } = await work.lockSoon(ids, tries === 1);
			for (const id of busy) log.warn(`an outcome of order ${id} is forgotten, and asked for again: somebody holds it`);
			for (const { call, outcome } of group)
				orders.get(call.orderId)?.applyHandOverOutcome(call.attempt, outcome, work.moment);
			work.save();
		});
	}

	const handle = intentHandler(calls, {
		inbox,
		transaction: 'shipping.handle',
		consumer: 'shipping',
		decide: (order, _delivery, moment) => order.beginHandOver(moment, settings.providerTimeout),
	});

	return {
		name: 'shipping',
		async started() {
			const handler = deadLetters.catching('shipping', metrics.counting('shipping', handle));
			subscription = carrier.subscribe('shipping', handler, { linger: LINGER });
			health.watch('consumer shipping', subscription, 'broker');
		},
		async stopped() {
			await subscription?.close();
			await calls.idle(STOP_PATIENCE);
		},
	};
}
