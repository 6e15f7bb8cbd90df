import type { Duration } from '../../domain/time.ts';
import type {
	BatchHandler,
	Carrier,
	CarrierMessage,
	Delivery,
	Failure,
	Subscription,
} from '../../mixins/brokers/carrier.ts';

/** What the carrier holds: messages are delivered when the trace says so, again and again, in any order, or never. */
export class Held {
	readonly #messages = new Map<string, CarrierMessage>();
	#shifted: Duration = 0;

	get ids(): readonly string[] {
		return [...this.#messages.keys()];
	}

	/** How far moments have gone back so far; whoever holds a message for a while says what this was before. */
	get shifted(): Duration {
		return this.#shifted;
	}

	take(messages: readonly CarrierMessage[], shiftedBefore = this.#shifted): void {
		for (const message of messages) this.#messages.set(message.id, earlier(message, this.#shifted - shiftedBefore));
	}

	drop(id: string): void {
		this.#messages.delete(id);
	}

	/** All moments go back, as those in the database do when the clock goes on. */
	shift(by: Duration): void {
		this.#shifted += by;
		for (const [id, message] of this.#messages) this.#messages.set(id, earlier(message, by));
	}

	delivery(id: string): Delivery {
		const message = this.#messages.get(id);
		if (message === undefined) throw new Error(`the carrier does not hold ${id}`);
		const { type, key, body, deliverAt } = message;
		return { id, type, key, body, deliverAt, attempt: 1 };
	}
}

const earlier = (message: CarrierMessage, by: Duration): CarrierMessage => ({
	...message,
	deliverAt: message.deliverAt === null ? null : message.deliverAt - by,
});

/** A carrier as one process has it; what it subscribes is for the replay to call. */
export class HeldCarrier implements Carrier {
	readonly early = 0;
	readonly handlers = new Map<string, BatchHandler>();
	readonly #publish: (messages: readonly CarrierMessage[]) => Promise<readonly Failure[]>;

	constructor(publish: (messages: readonly CarrierMessage[]) => Promise<readonly Failure[]>) {
		this.#publish = publish;
	}

	publish(messages: readonly CarrierMessage[]): Promise<readonly Failure[]> {
		return this.#publish(messages);
	}

	subscribe(group: string, handle: BatchHandler): Subscription {
		this.handlers.set(group, handle);
		return { sinceLastBeat: 0, close: async () => {} };
	}

	async close(): Promise<void> {}
}
