import { performance } from 'node:perf_hooks';
import type { Channel, ConsumeMessage } from 'amqplib';
import { type Duration, SECOND } from '../../../domain/time.ts';
import { abortable, type Log, Loop } from '../../runtime/index.ts';
import { type BatchHandler, type Delivery, type Failure, nextTry } from '../carrier.ts';
import type { Refusals } from '../refusals.ts';
import type { SetAside } from '../set-aside.ts';
import type { DueClock } from './due-clock.ts';
import { CLOSE_PATIENCE, closeQuietly, type Link, within } from './link.ts';
import { idOf, toDeadPacket, toForeignPacket, toRetry, type Understood, understand } from './message.ts';
import type { Outgoing, Publisher } from './publisher.ts';
import type { Names } from './topology.ts';

/** Without messages the queue is looked for this often, whatever the broker pushes. */
const SLOW_POLL: Duration = SECOND;
/** On a channel of its own it need not differ from that of others. */
const CONSUMER_TAG = 'batches';
/** A timer shorter than this is not worth its while. */
const NO_TIME: Duration = 1;

export interface ConsumerOptions {
	readonly group: string;
	readonly types: readonly string[];
	readonly batch: number;
	readonly linger: Duration;
	readonly handle: BatchHandler;
	readonly link: Link;
	readonly publisher: Publisher;
	readonly names: Names;
	readonly dueClock: DueClock;
	readonly log: Log;
	readonly refusals: Refusals;
	readonly setAside: SetAside;
}

/** A message that the broker has given us and that is not acknowledged yet. */
interface Held {
	readonly message: ConsumeMessage;
	readonly understood: Understood;
}

/** What comes of a message that was not handled: a retry, or a dead letter with what the operator is told. */
interface SetBack {
	readonly outgoing: Outgoing;
	readonly dead?: { readonly what: string; readonly error: string };
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
	#closing: Promise<void> | undefined;
	/** in the order in which they are to be handled */
	#ready: Held[] = [];
	/** what has to wait a moment more, with its timer */
	readonly #resting = new Map<Held, NodeJS.Timeout>();
	/** aborted when it closes, which ends a wait for a broker that does not answer */
	readonly #ending = new AbortController();
	#lookedAt = Number.NEGATIVE_INFINITY;
	/** messages that came since the last look */
	#received = 0;
	/** looks one after the other that found us forgotten */
	#neglected = 0;

	constructor(options: ConsumerOptions) {
		this.#options = options;
		this.#loop = new Loop(`consumer ${options.group}`, options.log, () => this.#step(), options.linger);
		this.#loop.start();
	}

	get sinceLastBeat(): Duration {
		return this.#loop.sinceLastBeat;
	}

	/** Finishes the batch in hand; all else that it holds goes back to the broker. */
	close(): Promise<void> {
		this.#closing ??= this.#close();
		return this.#closing;
	}

	async #close(): Promise<void> {
		this.#ending.abort();
		await this.#loop.stop();
		const channel = this.#channel;
		this.#letGo();
		if (channel === undefined) return;
		// Answered when the queue has all acknowledgements; a channel that closes forgets those that it has not passed on.
		const cancelled = channel.cancel(CONSUMER_TAG).then(() => channel.close());
		await within(CLOSE_PATIENCE, cancelled);
	}

	async #step(): Promise<Duration> {
		const { group, refusals } = this.#options;
		const { signal } = this.#ending;
		const opening = (): Promise<Channel> => abortable(this.#open(), signal);
		const channel = this.#channel ?? (await refusals.watch(`consumer ${group}`, opening));
		const batch = this.#ready.slice(0, this.#options.batch);
		if (batch.length > 0) {
			await this.#deliver(channel, batch);
			return 0;
		}
		const sinceLook = performance.now() - this.#lookedAt;
		if (sinceLook < SLOW_POLL) return SLOW_POLL - sinceLook;
		await abortable(this.#look(channel), signal);
		return this.#ready.length > 0 ? 0 : SLOW_POLL;
	}

	/**
	 * That the broker pushes is believed only as long as it does: where messages wait and none came since the last look,
	 * or where the queue knows of no consumer, it has forgotten us.
	 */
	async #look(channel: Channel): Promise<void> {
		const { names, group, batch } = this.#options;
		const { messageCount, consumerCount } = await channel.checkQueue(names.group(group));
		const full = this.#resting.size >= 2 * batch;
		const forgotten = consumerCount === 0 || (messageCount > 0 && this.#received === 0 && !full);
		this.#neglected = forgotten ? this.#neglected + 1 : 0;
		this.#received = 0;
		this.#lookedAt = performance.now();
		if (this.#neglected < 2 || this.#channel !== channel) return;
		this.#neglected = 0;
		this.#suspect = true;
		this.#lost();
		await closeQuietly(channel);
		throw new Error('the broker has forgotten this consumer');
	}

	async #deliver(channel: Channel, batch: readonly Held[]): Promise<void> {
		const { group, handle, publisher, refusals, setAside } = this.#options;
		const deliveries = batch.flatMap(({ understood }) => (understood.ok ? [understood.delivery] : []));
		const failures = deliveries.length > 0 ? await handle(deliveries) : [];
		const setBack = this.#setBack(batch, failures);
		// They are acknowledged only when what follows from them is stored: a message may come twice, but never not at all.
		if (setBack.length > 0) {
			await refusals.watch(`consumer ${group}: set back`, async () => {
				const [refused] = await publisher.send(setBack.map(({ outgoing }) => outgoing));
				if (refused !== undefined) throw new Error(`a failed message could not be set back: ${refused.error}`);
			});
		}
		for (const { dead } of setBack) if (dead !== undefined) setAside(group, dead.what, dead.error);
		if (this.#channel !== channel) return; // the broker gives them to somebody again
		this.#ready.splice(0, batch.length);
		this.#acknowledge(channel, batch);
	}

	/** The retries and dead letters that come of a batch. */
	#setBack(batch: readonly Held[], failures: readonly Failure[]): SetBack[] {
		const errors = new Map(failures.map(({ id, error }) => [id, error]));
		return batch.flatMap(({ message, understood }) => {
			if (!understood.ok) return [this.#dead(understood.error, message, understood.delivery)];
			const error = errors.get(understood.delivery.id);
			if (error === undefined) return [];
			const { delivery } = understood;
			const delay = nextTry(delivery.attempt);
			return [delay === undefined ? this.#dead(error, message, delivery) : this.#retry(delivery, delay)];
		});
	}

	#retry(delivery: Delivery, delay: Duration): SetBack {
		const { group, names } = this.#options;
		const { exchange, routingKey, rest } = names.toGroup(group, delay);
		const { content, options } = toRetry(delivery, rest);
		return { outgoing: { id: delivery.id, exchange, routingKey, content, options: { ...options, mandatory: true } } };
	}

	#dead(error: string, message: ConsumeMessage, delivery?: Delivery): SetBack {
		const { group, names } = this.#options;
		const at = Date.now();
		const { content, options } =
			delivery === undefined ? toForeignPacket(message, group, error, at) : toDeadPacket(delivery, group, error, at);
		const id = idOf(message);
		const outgoing = { id, exchange: names.dead, routingKey: '', content, options: { ...options, mandatory: true } };
		return { outgoing, dead: { what: `${delivery?.type ?? 'a foreign message'} ${id}`, error } };
	}

	/** One acknowledgement for all up to the first that is still held, one each for those beyond it. */
	#acknowledge(channel: Channel, batch: readonly Held[]): void {
		const held = [...this.#ready, ...this.#resting.keys()];
		const first = held.reduce((least, { message }) => Math.min(least, tagOf(message)), Number.POSITIVE_INFINITY);
		const messages = batch.map(({ message }) => message).sort((a, b) => tagOf(a) - tagOf(b));
		const upTo = messages.findLast((message) => tagOf(message) < first);
		if (upTo !== undefined) channel.ack(upTo, true);
		for (const message of messages) if (tagOf(message) > first) channel.ack(message);
	}

	async #open(): Promise<Channel> {
		const { link, names, group, batch } = this.#options;
		if (this.#suspect) await link.restore();
		this.#suspect = true; // until all went well
		const connection = await link.connection();
		const channel = await connection.createChannel();
		channel.on('error', () => {}); // 'close' follows, and the next step says what is wrong
		channel.on('close', () => {
			if (this.#channel === channel) this.#lost();
		});
		await channel.prefetch(2 * batch); // one batch in hand, the next one at hand
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
		const understood = understand(message, this.#options.types);
		const held: Held = { message, understood };
		const rest = understood.ok ? this.#restOf(understood) : 0;
		if (rest <= NO_TIME) this.#makeReady(held);
		else
			this.#resting.set(
				held,
				setTimeout(() => this.#makeReady(held), Math.ceil(rest)),
			);
	}

	/** Less than was planned if the way here took longer; a retry waits for no moment of the database's. */
	#restOf({ delivery: { deliverAt, attempt }, rest }: Extract<Understood, { ok: true }>): Duration {
		return deliverAt === null || attempt > 1 ? rest : this.#options.dueClock.wait({ deliverAt, rest });
	}

	#makeReady(held: Held): void {
		this.#resting.delete(held);
		this.#ready.push(held);
		// Where others were ready before, a step is under way or waits after a failure.
		if (this.#ready.length === 1) this.#loop.wake();
	}

	#lost(): void {
		this.#letGo();
		this.#loop.wake();
	}

	#letGo(): void {
		this.#channel = undefined;
		this.#ready = [];
		for (const timer of this.#resting.values()) clearTimeout(timer);
		this.#resting.clear();
	}
}

const tagOf = (message: ConsumeMessage): number => message.fields.deliveryTag;
