import type { Channel, ConsumeMessage } from 'amqplib';
import { type Duration, SECOND } from '../../../domain/time.ts';
import { abortable, endedWithin, errorMessage, type Log, Loop } from '../../runtime/index.ts';
import type { Refusals } from '../refusals.ts';
import { type Connection, closeQuietly } from './connection.ts';
import { causeOfDeath, toUnreadable } from './message.ts';
import type { Outgoing, Publisher } from './publisher.ts';
import type { Names } from './topology.ts';

const EVERY: Duration = 5 * SECOND;
/** Taken at once; what is not acknowledged is in the queue again if this process dies. */
const BATCH = 100;
/** The queue has one active consumer: while that is in another process nothing comes, and we leave. */
const TURN: Duration = 2 * SECOND;
const CONSUMER_TAG = 'dead-queue';
/** The release before put messages of this type into the queue to find its end. */
const END_MARK = 'end of the dead letters';

export interface DeadQueueOptions {
	readonly connection: Connection;
	readonly publisher: Publisher;
	readonly names: Names;
	/** the groups of consumers; the first one gets what none takes any more */
	readonly groups: readonly string[];
	readonly refusals: Refusals;
	readonly log: Log;
}

/**
 * Empties the queue into which the broker puts what it gives up. Each message goes back to its group's queue with a
 * mark, and the group stores it among its dead letters without trying to handle it. So goes what the release before has
 * left here, which kept its dead letters in this queue.
 */
export class DeadQueue {
	readonly #options: DeadQueueOptions;
	readonly #loop: Loop;
	readonly #ending = new AbortController();

	constructor(options: DeadQueueOptions) {
		this.#options = options;
		this.#loop = new Loop('dead queue', options.log, () => this.#step());
	}

	start(): void {
		this.#loop.start();
	}

	async stop(): Promise<void> {
		this.#ending.abort();
		await this.#loop.stop();
	}

	async #step(): Promise<Duration> {
		const { refusals, log } = this.#options;
		try {
			await refusals.watch('dead queue', () => abortable(this.#look(), this.#ending.signal));
		} catch (error) {
			log.debug(`dead queue: ${errorMessage(error)}`); // the connection and the consumers say what is wrong
		}
		return EVERY;
	}

	async #look(): Promise<void> {
		const { connection, names } = this.#options;
		const channel = await (await connection.opened()).createChannel();
		channel.on('error', () => {}); // operations on it throw
		try {
			const { messageCount } = await channel.checkQueue(names.dead);
			if (messageCount > 0) await this.#empty(channel, messageCount);
		} finally {
			await closeQuietly(channel);
		}
	}

	/** Ends after this many messages; what comes back meanwhile is handled with the next look. */
	async #empty(channel: Channel, most: number): Promise<void> {
		const arrived: ConsumeMessage[] = [];
		let some = Promise.withResolvers<void>();
		await channel.prefetch(BATCH);
		await channel.consume(
			this.#options.names.dead,
			(message) => {
				if (message !== null) arrived.push(message);
				some.resolve();
			},
			{ consumerTag: CONSUMER_TAG },
		);
		for (let taken = 0; taken < most && !this.#ending.signal.aborted; ) {
			await endedWithin(some.promise, TURN);
			some = Promise.withResolvers();
			const batch = arrived.splice(0);
			const last = batch.at(-1);
			if (last === undefined) break;
			await this.#giveBack(batch);
			channel.ack(last, true);
			taken += batch.length;
		}
		await channel.cancel(CONSUMER_TAG); // answered when the queue has all acknowledgements
	}

	async #giveBack(batch: readonly ConsumeMessage[]): Promise<void> {
		const letters = batch.filter(({ properties }) => properties.type !== END_MARK);
		const [refused] = await this.#options.publisher.send(letters.map((message) => this.#marked(message)));
		if (refused !== undefined) throw new Error(`a dead letter could not be given to its group: ${refused.error}`);
	}

	#marked(message: ConsumeMessage): Outgoing {
		const { names, groups } = this.#options;
		const { group = '', reason } = causeOfDeath(message, names);
		const { exchange, routingKey } = names.toGroup(groups.includes(group) ? group : (groups[0] ?? group), 0);
		const { content, options } = toUnreadable(message, reason);
		return {
			id: String(message.fields.deliveryTag),
			exchange,
			routingKey,
			content,
			options: { ...options, mandatory: true },
		};
	}
}
