import { performance } from 'node:perf_hooks';
import type { Moment } from '../../domain/commands.ts';
import type { MessageType } from '../../domain/events.ts';
import type { Order } from '../../domain/order.ts';
import { type Duration, type Instant, SECOND } from '../../domain/time.ts';
import type { BatchHandler, Delivery, SubscribeOptions } from '../brokers/index.ts';
import { Inbox, methodOf, Subscriptions, type WithInbox } from '../inbox/index.ts';
import { defineMixin, type Mixin } from '../service.ts';
import { notBefore } from './not-before.ts';

/** If a wake-up comes later than this, the carrier is working off a backlog. */
const BEHIND: Duration = SECOND;
/** How long that is assumed after the last such wake-up. */
const BEHIND_FOR: Duration = 2 * SECOND;

/** A message with the moment that it was due at. */
export type WakeUp = Delivery & { readonly deliverAt: Instant };

/** How late wake-ups come. */
export class Lateness {
	#lastBehind = Number.NEGATIVE_INFINITY;

	/** True while the carrier works off a backlog. */
	get isBehind(): boolean {
		return performance.now() - this.#lastBehind < BEHIND_FOR;
	}

	note(lateness: Duration): void {
		if (lateness > BEHIND) this.#lastBehind = performance.now();
	}
}

export interface WithDelay extends WithInbox {
	lateness: Lateness;
}

export interface DelayOptions<D extends string> extends SubscribeOptions {
	/** what the group gets */
	readonly takes: readonly MessageType[];
	/** the method that wakes an order up */
	readonly decide: D;
}

/**
 * Consumes messages at their moment and not before, each once for the group. The broker holds them until their moment;
 * the last part of the wait is by the database's clock.
 */
export const delay = <const D extends string>(
	group: string,
	{ takes, decide, ...options }: DelayOptions<D>,
): Mixin<WithDelay, Record<D, (order: Order, wakeUp: WakeUp, moment: Moment) => void>> =>
	defineMixin<WithDelay, Record<string, unknown>>({
		created() {
			const { database, groups, outgoing, tracing } = this.platform;
			groups.declare(group, takes);
			this.inbox ??= new Inbox(database, outgoing, this.logger, tracing);
			this.subscriptions ??= new Subscriptions(this.platform);
			this.lateness = new Lateness();
			methodOf(this, decide);
		},
		started() {
			const { carrier, clock, metrics } = this.platform;
			const wake = methodOf(this, decide);
			const handle: BatchHandler = async (deliveries, within) => {
				const handled = await this.inbox.handle(
					`${group}.handle`,
					group,
					deliveries,
					(order, delivery, moment, cause) => {
						const { type, deliverAt } = delivery;
						if (deliverAt === null) throw new Error('a wake-up without its moment');
						const lateness = moment.now - deliverAt;
						this.lateness.note(lateness);
						wake(order, delivery, moment, cause);
						return { type, lateness };
					},
					within,
				);
				const count = (): void => {
					for (const { type, lateness } of handled.results) metrics.wakeUpHandled(type, lateness);
				};
				if (handled.within === undefined) count();
				else handled.within.afterCommit(count);
				return handled.failures;
			};
			this.subscriptions.open(group, notBefore(carrier.early, clock, handle), options);
		},
		async stopped() {
			await this.subscriptions.close();
		},
	});
