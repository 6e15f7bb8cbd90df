import { Buffer } from 'node:buffer';
import { performance } from 'node:perf_hooks';
import { setTimeout as pause } from 'node:timers/promises';
import type { Channel, ConfirmChannel, ConsumeMessage } from 'amqplib';
import { type Duration, SECOND } from '../../../domain/time.ts';
import { newId } from '../../runtime/index.ts';
import type { DeadLetter } from '../carrier.ts';
import { closeQuietly, type Link } from './link.ts';
import { toDeadLetter, toReplay } from './message.ts';
import type { Outgoing, Publisher } from './publisher.ts';
import type { Names } from './topology.ts';

/** The most that a channel can have in hand: 16 bits. Behind so many dead letters, newer ones are not seen. */
const MOST_IN_HAND = 65_535;
/** How long a look takes at most, with the time until it is its turn. */
const PATIENCE: Duration = 20 * SECOND;
const POLL: Duration = 10;
/** The type of the message that tells where the queue ended when a look began. */
const END_MARK = 'end of the dead letters';
const PUT_AT = 'put-at';

interface Look {
	readonly channel: ConfirmChannel;
	/** nothing more will come */
	readonly lost: boolean;
}

/**
 * The queue of dead letters. A queue can only be looked at by taking all that is in it; what is not acknowledged is
 * there again when the channel closes, also when this process dies. Of several who look, in whatever process, one gets
 * all at a time: the queue has a single active consumer.
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
		let replayed = 0;
		if (wanted?.size === 0) return replayed;
		await this.#look(async (channel, messages) => {
			const letters = messages
				.map((message) => ({ message, outgoing: this.#again(message) }))
				.filter(({ outgoing: { id } }) => wanted === undefined || wanted.has(id));
			const failures = await this.#publisher.send(letters.map(({ outgoing }) => outgoing));
			const failed = new Set(failures.map(({ id }) => id));
			for (const { message, outgoing } of letters) {
				if (failed.has(outgoing.id)) continue;
				channel.ack(message);
				replayed += 1;
			}
		});
		return replayed;
	}

	#again(message: ConsumeMessage): Outgoing {
		const { id, consumer, type } = toDeadLetter(message, this.#names);
		const { exchange, routingKey } = consumer === '' ? this.#names.toType(type, 0) : this.#names.toGroup(consumer, 0);
		const { content, options } = toReplay(message);
		return { id, exchange, routingKey, content, options: { ...options, mandatory: true } };
	}

	/** Gives all that is in the queue to `each`, in portions, and gives back what was not acknowledged. */
	async #look(each: (channel: Channel, messages: readonly ConsumeMessage[]) => Promise<void>): Promise<void> {
		const arrived: ConsumeMessage[] = [];
		const look = await this.#begin((message) => arrived.push(message));
		try {
			// What came before the end mark was there when we began; what fails meanwhile comes behind it.
			const end = await this.#putEndMark();
			const deadline = performance.now() + PATIENCE;
			for (let seen = 0, ended = false; !ended && seen < MOST_IN_HAND; ) {
				if (look.lost) throw new Error('the connection was lost while the dead letters were looked at');
				if (arrived.length === 0) {
					if (performance.now() > deadline) throw new Error('somebody else looks at the dead letters');
					await pause(POLL);
					continue;
				}
				const portion = arrived.splice(0);
				seen += portion.length;
				const marks = portion.filter(isEndMark);
				for (const mark of marks) if (mark.properties.messageId === end || isOld(mark)) look.channel.ack(mark);
				ended = marks.some(({ properties }) => properties.messageId === end);
				const letters = portion.filter((message) => !isEndMark(message));
				if (letters.length > 0) await each(look.channel, letters);
			}
			await this.#settle(look.channel);
		} finally {
			// All that was not acknowledged is there again, in its place, when the next one gets it. (Messages that are given
			// back one by one come to the end of a quorum queue, some time later.)
			await closeQuietly(look.channel);
		}
	}

	/** Consumes the dead letters: the queue gives them to the one who came first, then to the next. */
	async #begin(receive: (message: ConsumeMessage) => void): Promise<Look> {
		const connection = await this.#link.connection();
		for (let attempt = 1; ; attempt += 1) {
			const channel = await connection.createConfirmChannel();
			const look = { channel, lost: false };
			channel.on('error', () => {}); // 'close' follows
			channel.on('close', () => {
				look.lost = true;
			});
			try {
				await channel.prefetch(MOST_IN_HAND);
				await channel.consume(this.#names.dead, (message) => {
					if (message === null) look.lost = true;
					else receive(message);
				});
				return look;
			} catch (error) {
				if (attempt > 1) throw error;
				await this.#link.restore(); // perhaps the queue was deleted
			}
		}
	}

	/**
	 * Waits until the queue has all acknowledgements: of those that a channel has not passed on when it closes, nothing
	 * is known any more. They go the same way as this message, which expires at once.
	 */
	async #settle(channel: ConfirmChannel): Promise<void> {
		const options = { type: END_MARK, expiration: '0', persistent: true };
		channel.publish('', this.#names.dead, Buffer.alloc(0), options, () => {});
		await channel.waitForConfirms();
	}

	async #putEndMark(): Promise<string> {
		const id = newId(Date.now());
		const options = { messageId: id, type: END_MARK, headers: { [PUT_AT]: Date.now() }, mandatory: true };
		const mark = { id, exchange: '', routingKey: this.#names.dead, content: Buffer.alloc(0), options };
		const [refused] = await this.#publisher.send([mark]);
		if (refused !== undefined) throw new Error(`the dead letters cannot be looked at: ${refused.error}`);
		return id;
	}
}

const isEndMark = ({ properties }: ConsumeMessage): boolean => properties.type === END_MARK;

/** Whether whoever put this mark does not wait for it any more. */
function isOld({ properties }: ConsumeMessage): boolean {
	const at: unknown = properties.headers?.[PUT_AT];
	return typeof at !== 'number' || Math.abs(Date.now() - at) > 10 * PATIENCE;
}
