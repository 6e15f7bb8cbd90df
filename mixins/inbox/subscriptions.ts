import type { BatchHandler, SubscribeOptions, Subscription } from '../brokers/index.ts';
import type { Platform } from '../platform.ts';
import { type Log, tell } from '../runtime/index.ts';
import { deadLettersOf } from './dead-letters.ts';
import { type Pauses, pausesOf, toldOf } from './pauses.ts';

/** A group that the service is a member of; without a subscription while it is paused. */
interface Member {
	readonly group: string;
	readonly join: () => Subscription;
	subscription: Subscription | undefined;
}

/** The subscriptions of one service. */
export class Subscriptions {
	readonly #platform: Platform;
	readonly #pauses: Pauses;
	readonly #log: Log;
	#members: Member[] = [];
	#following = Promise.resolve();
	#unwatch: (() => Promise<void>) | undefined;

	constructor(platform: Platform) {
		this.#platform = platform;
		this.#pauses = pausesOf(platform);
		this.#log = platform.log('inbox');
	}

	/**
	 * A message that cannot be handled becomes a dead letter. The health check watches the consumer. While the group is
	 * paused, its messages stay with the broker.
	 */
	open(group: string, handle: BatchHandler, options: SubscribeOptions): void {
		const { carrier, metrics, health } = this.#platform;
		const pauses = this.#pauses;
		const handler = deadLettersOf(this.#platform).catching(group, metrics.counting(group, handle));
		const unlessPaused: BatchHandler = async (deliveries, within) => {
			await pauses.known();
			if (pauses.of(group) !== undefined) throw new Error(`the consumer group ${group} is paused`);
			return handler(deliveries, within);
		};
		const join = (): Subscription => carrier.subscribe(group, unlessPaused, options);
		const member: Member = { group, join, subscription: pauses.of(group) === undefined ? join() : undefined };
		this.#members.push(member);
		this.#unwatch ??= pauses.watch(() => this.#follow());
		health.watch(
			`consumer ${group}`,
			{
				get sinceLastBeat() {
					return member.subscription?.sinceLastBeat ?? 0;
				},
			},
			'broker',
		);
		health.register(
			`pause of ${group}`,
			() => {
				const paused = pauses.of(group);
				return paused && toldOf(paused);
			},
			'note',
		);
	}

	/** Takes no more messages; resolves when the batches in hand are handled. */
	async close(): Promise<void> {
		const members = this.#members;
		this.#members = [];
		await this.#unwatch?.();
		await this.#following;
		await Promise.all(members.map(({ subscription }) => subscription?.close()));
	}

	/** Leaves the groups that are paused now, and joins those that are no longer; one change after the other. */
	#follow(): void {
		this.#following = this.#following
			.then(() => Promise.all(this.#members.map((member) => this.#adapt(member))))
			.then(
				() => {},
				(error: unknown) => tell(this.#log, 'error', 'a consumer group could not be paused or resumed', error),
			);
	}

	async #adapt(member: Member): Promise<void> {
		const isPaused = this.#pauses.of(member.group) !== undefined;
		const { subscription } = member;
		if (isPaused && subscription !== undefined) {
			member.subscription = undefined;
			await subscription.close();
		} else if (!isPaused && subscription === undefined) member.subscription = member.join();
	}
}
