/** Tells endpoints of events, as a member of the group `webhooks`. */
import { EVENT_TYPES } from '../../domain/events.ts';
import { type Duration, SECOND } from '../../domain/time.ts';
import type { SubscribeOptions } from '../../mixins/brokers/index.ts';
import { notBefore } from '../../mixins/delay/index.ts';
import { pausesOf, Subscriptions } from '../../mixins/inbox/index.ts';
import { byRelay, Outbox, type WithOutbox } from '../../mixins/outbox/index.ts';
import { Loop } from '../../mixins/runtime/index.ts';
import { defineMixin, type Mixin } from '../../mixins/service.ts';
import { type Claimed, claimDeliveries, overdueEndpoints } from './deliveries-store.ts';
import { Dispatcher } from './dispatcher.ts';
import { keptFor, lookForLost, takingIn } from './intake.ts';
import { type DeliveryMetrics, deliveryMetrics } from './metrics.ts';
import { settling } from './outcomes.ts';
import type { Poster } from './posting.ts';
import { purgeDeliveries } from './purging.ts';
import { signedHeaders } from './signing.ts';

export const GROUP = 'webhooks';

/** What was due for so long, and nobody has taken up, has lost its wake-up. */
const OVERDUE: Duration = 2 * SECOND;
const SWEEP_EVERY: Duration = 2 * SECOND;

export interface WithDeliveries {
	/** there from the first attempt on */
	poster: Promise<Poster> | undefined;
	dispatcher: Dispatcher;
	subscriptions: Subscriptions;
	/** loops beside the dispatcher: for what was lost, and for what is old */
	tending: readonly Loop[];
	deliveryMetrics: DeliveryMetrics;
}

/** `this.dispatcher` makes the attempts; events and wake-ups tell it where there is something to do. */
export const delivering = (options: SubscribeOptions): Mixin<WithDeliveries> =>
	defineMixin<WithDeliveries, object, WithOutbox>({
		created() {
			const { database, groups, settings } = this.platform;
			groups.declare(GROUP, [...EVENT_TYPES, 'WebhookDue']);
			const pauses = pausesOf(this.platform);
			this.subscriptions = new Subscriptions(this.platform);
			this.deliveryMetrics = deliveryMetrics(this.platform);
			this.dispatcher = new Dispatcher(
				{
					claim: (places, lease) =>
						this.outbox.transaction('webhooks.claim', (_work, tx) => {
							tx.commitLazily(); // what is lost with the server is taken up again
							return tx.query<Claimed>(claimDeliveries(places, lease));
						}),
					attempt: async ({ id, now: at, url, secrets }, body, stopping) => {
						this.poster ??= openPoster(settings.webhookAllowPrivate);
						const poster = await this.poster;
						return poster.post({ url, body, headers: signedHeaders({ id, body, at }, secrets) }, stopping);
					},
					store: async (ended) => {
						const { counted, disabled } = await this.outbox.transaction(
							'webhooks.outcome',
							settling(ended, Math.random),
						);
						for (const outcome of counted) this.deliveryMetrics.ended(outcome);
						for (const { id, why } of disabled) {
							this.deliveryMetrics.disabled(why);
							this.logger.warn(`the webhook endpoint ${id} is disabled: ${WHY[why]}`);
						}
					},
					isPaused: () => pauses.of(GROUP) !== undefined,
				},
				this.logger,
			);
			const wake = (ids: Iterable<string>): void => this.dispatcher.wake(ids);
			/** a step that leaves everything alone while the group is paused */
			const unlessPaused = (step: () => Promise<Duration>) => async (): Promise<Duration> => {
				await pauses.known();
				return pauses.of(GROUP) === undefined ? step() : SECOND;
			};
			this.tending = [
				new Loop(
					'webhooks sweeper',
					this.logger,
					unlessPaused(async () => {
						const overdue = await database.query<{ id: string }>(overdueEndpoints(OVERDUE));
						if (overdue.length > 0) wake(overdue.map(({ id }) => id));
						return SWEEP_EVERY;
					}),
				),
				new Loop(
					'webhooks, looking for lost events',
					this.logger,
					unlessPaused(() => lookForLost(this.outbox, wake)),
				),
				new Loop('webhooks purge', this.logger, () => purgeDeliveries(database, keptFor(settings.retention))),
			];
		},
		started() {
			const { carrier, clock, database, health, settings } = this.platform;
			const outbox = new Outbox(database, byRelay(this.platform.outgoing));
			const handle = takingIn(outbox, database, keptFor(settings.retention), (ids) => this.dispatcher.wake(ids));
			this.subscriptions.open(GROUP, notBefore(carrier.early, clock, handle), options);
			this.dispatcher.loop.start();
			for (const loop of this.tending) loop.start();
			health.watch('webhooks', this.dispatcher.loop);
		},
		async stopped() {
			await this.subscriptions.close();
			await Promise.all(this.tending.map((loop) => loop.stop()));
			await this.dispatcher.stop();
			await (await this.poster)?.close();
		},
	});

/** Loads the client for HTTP, which would take a twentieth of a start, and which most systems never use. */
const openPoster = async (allowPrivate: boolean): Promise<Poster> =>
	new (await import('./posting.ts')).Poster(allowPrivate);

const WHY = {
	gone: 'it answered 410',
	failing: 'five days without one success',
} as const;
