import type { BatchHandler, SubscribeOptions, Subscription } from '../brokers/index.ts';
import type { Platform } from '../platform.ts';
import { deadLettersOf } from './dead-letters.ts';

/** The subscriptions of one service. */
export class Subscriptions {
	readonly #platform: Platform;
	#open: Subscription[] = [];

	constructor(platform: Platform) {
		this.#platform = platform;
	}

	/** A message that cannot be handled becomes a dead letter. The health check watches the consumer. */
	open(group: string, handle: BatchHandler, options: SubscribeOptions): void {
		const { carrier, metrics, health } = this.#platform;
		const handler = deadLettersOf(this.#platform).catching(group, metrics.counting(group, handle));
		const subscription = carrier.subscribe(group, handler, options);
		this.#open.push(subscription);
		health.watch(`consumer ${group}`, subscription, 'broker');
	}

	/** Takes no more messages; resolves when the batches in hand are handled. */
	async close(): Promise<void> {
		const open = this.#open;
		this.#open = [];
		await Promise.all(open.map((subscription) => subscription.close()));
	}
}
