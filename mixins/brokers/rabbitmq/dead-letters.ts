import { setTimeout as pause } from 'node:timers/promises';
import type { Channel, ConsumeMessage } from 'amqplib';
import { backOff, type Duration, SECOND } from '../../../domain/time.ts';
import type { DeadLetter } from '../carrier.ts';
import { closeQuietly, type Link } from './link.ts';
import { toDeadLetter, toReplay } from './message.ts';
import type { Outgoing, Publisher } from './publisher.ts';
import type { Names } from './topology.ts';

/** The most that a channel can have in hand: 16 bits. Behind so many dead letters, newer ones are not seen. */
const MOST_IN_HAND = 65_535;
/** How long one look waits for the end of another one. */
const TURN_PATIENCE: Duration = 10 * SECOND;
const FIRST_PAUSE: Duration = 20;
/** Nothing more is under way when the queue is empty and nothing came for so long. */
const QUIET: Duration = 50;

/**
 * The queue of dead letters. A queue can only be looked at by taking all that is in it; what is not acknowledged is
 * there again when the channel closes, and also when this process dies. One at a time looks, in all processes.
 */
export class DeadLetters {
	readonly #link: Link;
	readonly #publisher: Publisher;
	readonly #names: Names;

	constructor(link: Link, publisher: Publisher, names: Names) {
		this.#link = link;
		this.#publisher = publisher;
		this.#names = names;
	}

	/** The newest first, `limit` of them. */
	async list(limit: number): Promise<readonly DeadLetter[]> {
		let newest: DeadLetter[] = [];
		const cut = (): void => {
			newest = newest.sort((a, b) => a.failedAt - b.failedAt).slice(-limit);
		};
		if (limit <= 0) return newest;
		await this.#look(async (_channel, messages) => {
			newest.push(...messages.map((message) => toDeadLetter(message, this.#names)));
			cut();
		});
		return newest.reverse();
	}

	/** Publishes dead letters again, all or those with these ids, each to the group that it failed for; answers how many. */
	async replay(ids?: readonly string[]): Promise<number> {
		const wanted = ids === undefined ? undefined : new Set(ids);
		// One that fails at once is back while we still look.
		const done = new Set<string>();
		let replayed = 0;
		if (wanted?.size === 0) return replayed;
		await this.#look(async (channel, messages) => {
			const letters = messages
				.map((message) => ({ message, outgoing: this.#again(message) }))
				.filter(({ outgoing: { id } }) => (wanted === undefined || wanted.has(id)) && !done.has(id));
			const failures = await this.#publisher.send(letters.map(({ outgoing }) => outgoing));
			const failed = new Set(failures.map(({ id }) => id));
			for (const { message, outgoing } of letters) {
				if (failed.has(outgoing.id)) continue;
				channel.ack(message);
				replayed += 1;
			}
			for (const { outgoing } of letters) done.add(outgoing.id);
		});
		return replayed;
	}

	#again(message: ConsumeMessage): Outgoing {
		const { id, consumer, type } = toDeadLetter(message, this.#names);
		const { exchange, routingKey } = consumer === '' ? this.#names.toType(type, 0) : this.#names.toGroup(consumer, 0);
		const { content, options } = toReplay(message);
		return { id, exchange, routingKey, content, options: { ...options, mandatory: true } };
	}

	/** Gives all that is in the queue to `each`, in portions. */
	async #look(each: (channel: Channel, messages: readonly ConsumeMessage[]) => Promise<void>): Promise<void> {
		const { dead } = this.#names;
		const arrived: ConsumeMessage[] = [];
		const { channel, count } = await this.#takeTurn((message) => arrived.push(message));
		try {
			let seen = 0;
			for (;;) {
				const portion = arrived.splice(0);
				seen += portion.length;
				if (portion.length > 0) await each(channel, portion);
				else await pause(QUIET);
				if (arrived.length > 0) continue;
				// Throws if the channel was closed meanwhile.
				const { messageCount } = await channel.checkQueue(dead);
				const all = seen >= count && messageCount === 0;
				if (arrived.length === 0 && portion.length === 0 && (all || seen >= MOST_IN_HAND)) return;
			}
		} finally {
			await closeQuietly(channel);
		}
	}

	/** A channel that alone consumes the dead letters, and how many there were at least. */
	async #takeTurn(
		receive: (message: ConsumeMessage) => void,
	): Promise<{ readonly channel: Channel; readonly count: number }> {
		const { dead } = this.#names;
		const deadline = performance.now() + TURN_PATIENCE;
		for (let attempt = 1; ; attempt += 1) {
			const channel = await (await this.#link.connection()).createChannel();
			channel.on('error', () => {}); // whatever is under way on it throws
			try {
				await channel.prefetch(MOST_IN_HAND);
				const { messageCount: count } = await channel.checkQueue(dead);
				await channel.consume(dead, (message) => message !== null && receive(message), { exclusive: true });
				return { channel, count };
			} catch (error) {
				await closeQuietly(channel);
				if (performance.now() > deadline) throw error;
				if (codeOf(error) === NOT_FOUND) await this.#link.prepare();
				else if (codeOf(error) !== ACCESS_REFUSED) throw error;
				await pause(backOff(attempt, FIRST_PAUSE, SECOND));
			}
		}
	}
}

const NOT_FOUND = 404;
/** Somebody else looks. */
const ACCESS_REFUSED = 403;

const codeOf = (error: unknown): unknown => (error as { readonly code?: unknown }).code;
