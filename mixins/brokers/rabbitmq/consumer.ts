import { performance } from 'node:perf_hooks';
import type { Channel, ConsumeMessage } from 'amqplib';
import { type Duration, SECOND } from '../../../domain/time.ts';
import type { Clock } from '../../database/index.ts';
import { abortable, endedWithin, type Log, Loop } from '../../runtime/index.ts';
import { type BatchHandler, type Delivery, type Failure, retryDelay } from '../carrier.ts';
import type { Refusals } from '../refusals.ts';
import { CLOSE_TIMEOUT, type Connection, closeQuietly } from './connection.ts';
import { type Arrived, toRetry, understand } from './message.ts';
import type { Outgoing, Publisher } from './publisher.ts';
import type { Names } from './topology.ts';

/** How often a consumer without messages looks at its queue itself. */
const SLOW_POLL: Duration = SECOND;
/** The same for all: each consumer has a channel of its own. */
const CONSUMER_TAG = 'batches';
/** A message that is due so soon is handled at once. */
const SOON: Duration = 1;

/** What all consumers of a carrier share. */
export interface ConsumerSurroundings {
	readonly connection: Connection;
	readonly publisher: Publisher;
	readonly names: Names;
	/** the database's clock */
	readonly clock: Clock;
	/** how much before its moment by that clock a message may be delivered */
	readonly early: Duration;
	readonly log: Log;
	readonly refusals: Refusals;
}

export interface ConsumerOptions extends ConsumerSurroundings {
	readonly group: string;
	readonly types: readonly string[];
	readonly batch: number;
	readonly linger: Duration;
	readonly handle: BatchHandler;
}

/** A message that the broker has given us and that is not acknowledged yet. */
interface InFlight {
	readonly message: ConsumeMessage;
	readonly delivery: Delivery;
}

/**
 * Takes one group's messages, one batch at a time, on a channel of its own. What it holds and has not acknowledged
 * comes again from the broker if the channel ends.
 */
export class Consumer {
	readonly #options: ConsumerOptions;
	readonly #loop: Loop;
	#channel: Channel | undefined;
	#suspect = false;
	#stopping: Promise<void> | undefined;
	/** due, in the order in which they are to be handled */
	#ready: InFlight[] = [];
	/** what is not due yet, with its timer */
	readonly #early = new Map<InFlight, NodeJS.Timeout>();
	/** aborted by `stop`, which ends a wait for a broker that does not answer */
	readonly #ending = new AbortController();
	#lookedAt = Number.NEGATIVE_INFINITY;
	/** messages that came since the last look */
	#received = 0;
	/** how many looks in a row found that the broker has forgotten this consumer */
	#forgotten = 0;

	constructor(options: ConsumerOptions) {
		this.#options = options;
		this.#loop = new Loop(`consumer ${options.group}`, options.log, () => this.#step(), options.linger);
		this.#loop.start();
	}

	get sinceLastBeat(): Duration {
		return this.#loop.sinceLastBeat;
	}

	/** Finishes the batch in hand; all else that it holds goes back to the broker. */
	stop(): Promise<void> {
		this.#stopping ??= this.#stop();
		return this.#stopping;
	}

	async #stop(): Promise<void> {
		this.#ending.abort();
		await this.#loop.stop();
		const channel = this.#channel;
		this.#letGo();
		if (channel === undefined) return;
		// Answered when the queue has all acknowledgements; a channel that closes forgets those that it has not passed on.
		const cancelled = channel.cancel(CONSUMER_TAG).then(() => channel.close());
		await endedWithin(cancelled, CLOSE_TIMEOUT);
	}

	async #step(): Promise<Duration> {
		const { group, refusals } = this.#options;
		const { signal } = this.#ending;
		const opening = (): Promise<Channel> => abortable(this.#open(), signal);
		const channel = this.#channel ?? (await refusals.watch(`consumer ${group}`, opening));
		const batch = this.#ready.slice(0, this.#options.batch);
		if (batch.length > 0) {
			await this.#deliver(channel, batch);
			this.#loop.found(batch.length);
			return 0;
		}
		const sinceLook = performance.now() - this.#lookedAt;
		if (sinceLook < SLOW_POLL) return SLOW_POLL - sinceLook;
		await abortable(this.#look(channel), signal);
		return this.#ready.length > 0 ? 0 : SLOW_POLL;
	}

	/**
	 * A broker can forget a consumer silently. It has done so if the queue knows of none, or if messages wait there and
	 * none has come since the last look. Two such looks in a row, and the channel is opened anew.
	 */
	async #look(channel: Channel): Promise<void> {
		const { names, group, batch } = this.#options;
		const { messageCount, consumerCount } = await channel.checkQueue(names.group(group));
		const full = this.#early.size >= 2 * batch;
		const forgotten = consumerCount === 0 || (messageCount > 0 && this.#received === 0 && !full);
		this.#forgotten = forgotten ? this.#forgotten + 1 : 0;
		this.#received = 0;
		this.#lookedAt = performance.now();
		if (this.#forgotten < 2 || this.#channel !== channel) return;
		this.#forgotten = 0;
		this.#suspect = true;
		this.#lost();
		await closeQuietly(channel);
		throw new Error('the broker has forgotten this consumer');
	}

	async #deliver(channel: Channel, batch: readonly InFlight[]): Promise<void> {
		const failures = await this.#options.handle(batch.map(({ delivery }) => delivery));
		// They are acknowledged only when their retries are stored: a message may come twice, but never not at all.
		if (failures.length > 0) await this.#requeue(batch, failures);
		if (this.#channel !== channel) return; // the broker delivers them again
		this.#ready.splice(0, batch.length);
		this.#acknowledge(channel, batch);
	}

	/** Publishes what has failed again, with a delay. */
	async #requeue(batch: readonly InFlight[], failures: readonly Failure[]): Promise<void> {
		const { group, publisher, refusals } = this.#options;
		const failed = new Set(failures.map(({ id }) => id));
		const retries = batch.flatMap(({ delivery }) => (failed.has(delivery.id) ? [this.#retry(delivery)] : []));
		await refusals.watch(`consumer ${group}: requeue`, async () => {
			const [refused] = await publisher.send(retries);
			if (refused !== undefined) throw new Error(`a failed message could not be put back: ${refused.error}`);
		});
	}

	#retry(delivery: Delivery): Outgoing {
		const { group, names } = this.#options;
		const { exchange, routingKey, rest } = names.toGroup(group, retryDelay(delivery.attempt));
		const { content, options } = toRetry(delivery, rest);
		return { id: delivery.id, exchange, routingKey, content, options: { ...options, mandatory: true } };
	}

	/** One acknowledgement for all up to the first that is still held, one each for those beyond it. */
	#acknowledge(channel: Channel, batch: readonly InFlight[]): void {
		const held = [...this.#ready, ...this.#early.keys()];
		const first = held.reduce((least, { message }) => Math.min(least, tagOf(message)), Number.POSITIVE_INFINITY);
		const messages = batch.map(({ message }) => message).sort((a, b) => tagOf(a) - tagOf(b));
		const upTo = messages.findLast((message) => tagOf(message) < first);
		if (upTo !== undefined) channel.ack(upTo, true);
		for (const message of messages) if (tagOf(message) > first) channel.ack(message);
	}

	async #open(): Promise<Channel> {
		const { names, group, batch } = this.#options;
		if (this.#suspect) await this.#options.connection.restore();
		this.#suspect = true; // until all went well
		const connection = await this.#options.connection.opened();
		const channel = await connection.createChannel();
		channel.on('error', () => {}); // 'close' follows, and the next step says what is wrong
		channel.on('close', () => {
			if (this.#channel === channel) this.#lost();
		});
		await channel.prefetch(2 * batch); // room for the batch in progress and for the next one
		this.#channel = channel;
		await channel.consume(names.group(group), (message) => this.#receive(channel, message), {
			consumerTag: CONSUMER_TAG,
		});
		this.#suspect = false;
		return channel;
	}

	#receive(channel: Channel, message: ConsumeMessage | null): void {
		if (channel !== this.#channel) return;
		if (message === null) {
			this.#suspect = true; // the broker has cancelled us: the queue was deleted or moved
			this.#lost();
			void closeQuietly(channel);
			return;
		}
		this.#received += 1;
		const arrived = understand(message, this.#options.types);
		const inFlight: InFlight = { message, delivery: arrived.delivery };
		const wait = holdFor(arrived, this.#options.clock, this.#options.early);
		if (wait <= SOON) this.#makeReady(inFlight);
		else
			this.#early.set(
				inFlight,
				setTimeout(() => this.#makeReady(inFlight), Math.ceil(wait)),
			);
	}

	#makeReady(inFlight: InFlight): void {
		this.#early.delete(inFlight);
		this.#ready.push(inFlight);
		// If messages were ready already, a step is in progress or waits after a failure.
		if (this.#ready.length === 1) this.#loop.wake();
	}

	#lost(): void {
		this.#letGo();
		this.#loop.wake();
	}

	#letGo(): void {
		this.#channel = undefined;
		this.#ready = [];
		for (const timer of this.#early.values()) clearTimeout(timer);
		this.#early.clear();
	}
}

const tagOf = (message: ConsumeMessage): number => message.fields.deliveryTag;

/**
 * How long a consumer holds a message back: until its moment by the database's clock, as the way here may have taken
 * long. No longer than the message itself says, and shorter by no more than it may be early: clocks may be set. A retry
 * has no moment.
 */
export function holdFor({ delivery: { deliverAt, attempt }, rest }: Arrived, clock: Clock, early: Duration): Duration {
	if (deliverAt === null || attempt > 1 || !clock.isRead) return rest;
	return Math.max(0, Math.min(rest, Math.max(deliverAt - clock.now(), rest - early)));
}
