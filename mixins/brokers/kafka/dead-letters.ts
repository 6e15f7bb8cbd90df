import { randomUUID } from 'node:crypto';
import type { Admin, Consumer, EachBatchPayload, Kafka } from 'kafkajs';
import { type Duration, MINUTE, SECOND } from '../../../domain/time.ts';
import type { DeadLetter } from '../carrier.ts';
import { type Letter, type Outgoing, toLetter, toRecord, toTombstone } from './records.ts';
import type { Topics } from './topics.ts';

const PATIENCE: Duration = 15 * SECOND;
/** Who has not been asked for so long reads no further. */
const IDLE: Duration = MINUTE;
const LONGEST_FETCH: Duration = SECOND / 2;
/** So many letters go in one request. */
const AT_ONCE = 500;

export interface LetterSources {
	readonly client: () => Kafka;
	readonly topics: Topics;
	readonly ask: <T>(question: (admin: Admin) => Promise<T>) => Promise<T>;
	readonly send: (records: readonly Outgoing[]) => Promise<void>;
}

/**
 * The dead letters of all groups: a compacted topic, read from its beginning by whoever is asked, and kept in memory
 * as long as questions come. A letter that is delivered again is taken away by a tombstone.
 */
export class DeadLetters {
	readonly #sources: LetterSources;
	#reader: Reader | undefined;
	#opening: Promise<Reader> | undefined;
	#idle: NodeJS.Timeout | undefined;

	constructor(sources: LetterSources) {
		this.#sources = sources;
	}

	/** The newest first. */
	async list(limit: number): Promise<readonly DeadLetter[]> {
		return (await this.#letters())
			.toReversed()
			.slice(0, limit)
			.map(({ id, consumer, type, key, body, attempts, error, failedAt }) => ({
				id,
				consumer,
				type,
				key,
				body,
				attempts,
				error,
				failedAt,
			}));
	}

	/** Delivers letters again, and only then takes them away: one that is replayed twice comes twice. */
	async replay(ids?: readonly string[]): Promise<number> {
		const { topics, send } = this.#sources;
		const wanted = ids === undefined ? undefined : new Set(ids);
		const letters = (await this.#letters()).filter(
			({ id, consumer }) => (wanted?.has(id) ?? true) && topics.groups.includes(consumer),
		);
		for (let from = 0; from < letters.length; from += AT_ONCE) {
			const some = letters.slice(from, from + AT_ONCE);
			await send(
				some.map((letter) => ({ topic: topics.direct(letter.consumer), record: toRecord({ ...letter, attempts: 0 }) })),
			);
			await send(some.map((letter) => ({ topic: topics.deadLetters, record: toTombstone(letter) })));
		}
		return letters.length;
	}

	async close(): Promise<void> {
		clearTimeout(this.#idle);
		const reader = this.#reader ?? (await this.#opening?.catch(() => undefined));
		this.#reader = undefined;
		await reader?.close();
	}

	/** All that there are now, the oldest first. */
	async #letters(): Promise<readonly Letter[]> {
		const { ask, topics } = this.#sources;
		const [end] = await ask((admin) => admin.fetchTopicOffsets(topics.deadLetters));
		this.#reader ??= await this.#open();
		clearTimeout(this.#idle);
		this.#idle = setTimeout(() => void this.close(), IDLE).unref();
		try {
			await this.#reader.reaches(Number(end?.high ?? 0));
			return [...this.#reader.letters.values()];
		} catch (error) {
			await this.close();
			throw error;
		}
	}

	#open(): Promise<Reader> {
		const { client, topics } = this.#sources;
		this.#opening ??= Reader.open(client(), topics).finally(() => {
			this.#opening = undefined;
		});
		return this.#opening;
	}
}

/** Reads the topic in a group of its own, which commits nothing and is forgotten when it is left. */
class Reader {
	readonly letters = new Map<string, Letter>();
	readonly #consumer: Consumer;
	#next = 0;
	#waiting: (() => void)[] = [];
	#failure: Error | undefined;

	static async open(client: Kafka, topics: Topics): Promise<Reader> {
		const groupId = topics.groupId(`dead-letters.${randomUUID()}`);
		const consumer = client.consumer({
			groupId,
			maxWaitTimeInMs: LONGEST_FETCH,
			allowAutoTopicCreation: false,
			retry: { restartOnFailure: async () => false }, // it would come back even after it was closed
		});
		const reader = new Reader(consumer);
		try {
			await consumer.connect();
			await consumer.subscribe({ topics: [topics.deadLetters], fromBeginning: true });
			await consumer.run({
				autoCommit: false,
				eachBatchAutoResolve: true,
				eachBatch: async (batch) => reader.#read(batch),
			});
		} catch (error) {
			await reader.close();
			throw error;
		}
		return reader;
	}

	private constructor(consumer: Consumer) {
		this.#consumer = consumer;
		const { events } = consumer;
		consumer.on(events.CRASH, ({ payload: { error } }) => {
			this.#failure = error;
			this.#wake();
		});
		// Also where compaction has left nothing to read.
		consumer.on(events.END_BATCH_PROCESS, ({ payload: { lastOffset } }) => {
			this.#next = Math.max(this.#next, Number(lastOffset) + 1);
			this.#wake();
		});
	}

	/** Resolves when all before an offset is read. */
	async reaches(offset: number): Promise<void> {
		const deadline = performance.now() + PATIENCE;
		while (this.#next < offset) {
			if (this.#failure !== undefined) throw this.#failure;
			const left = deadline - performance.now();
			if (left <= 0) throw new Error('the dead letters cannot be read now');
			await new Promise<void>((resolve) => {
				const timer = setTimeout(resolve, left);
				this.#waiting.push(() => {
					clearTimeout(timer);
					resolve();
				});
			});
		}
	}

	async close(): Promise<void> {
		this.#failure ??= new Error('closed');
		this.#wake();
		await this.#consumer.disconnect().catch(() => {});
	}

	#read({ batch }: EachBatchPayload): void {
		for (const record of batch.messages) {
			const letter = toLetter(record);
			this.letters.delete(letter.kept);
			if ('id' in letter) this.letters.set(letter.kept, letter); // at the end: the newest
		}
	}

	#wake(): void {
		for (const resolve of this.#waiting.splice(0)) resolve();
	}
}
