import { performance } from 'node:perf_hooks';
import { type Duration, SECOND } from '../../../domain/time.ts';
import { type Log, Loop } from '../../runtime/index.ts';
import type { PartitionReader } from './partition.ts';
import type { TopicKeeper } from './topic-keeper.ts';

const LOOK_EVERY: Duration = 10 * SECOND;
/** A partition that asks for records and gets none for so long, though Kafka has some, stands still. */
const PATIENCE: Duration = 30 * SECOND;

/** Finds partitions that stand still by the ends of their topics: kafkajs says nothing of what it does not fetch. */
export class StandstillWatch {
	readonly #keeper: TopicKeeper;
	readonly #looking: Loop;
	/** those that had more to read, where they stood, and since when */
	readonly #behind = new WeakMap<PartitionReader, { readonly next: number; readonly since: number }>();

	constructor(
		keeper: TopicKeeper,
		log: Log,
		readers: () => readonly PartitionReader[],
		found: (reader: PartitionReader) => void,
	) {
		this.#keeper = keeper;
		this.#looking = new Loop('watch of partitions', log, async () => {
			const still = await this.#look(readers()).catch(() => undefined); // the next look may get an answer
			if (still !== undefined && !still.gone) found(still);
			return LOOK_EVERY;
		});
		this.#looking.start();
	}

	stop(): Promise<void> {
		return this.#looking.stop();
	}

	async #look(readers: readonly PartitionReader[]): Promise<PartitionReader | undefined> {
		const asking = Map.groupBy(
			readers.filter(({ asks }) => asks),
			({ topic }) => topic,
		);
		const found = await Promise.all(
			[...asking].map(async ([topic, some]) => {
				const ends = await this.#keeper.ask((admin) => admin.fetchTopicOffsets(topic));
				const endOf = new Map(ends.map(({ partition, high }) => [partition, Number(high)]));
				return some.filter((reader) => this.#standsStill(reader, endOf.get(reader.number) ?? 0));
			}),
		);
		return found.flat()[0];
	}

	#standsStill(reader: PartitionReader, end: number): boolean {
		const now = performance.now();
		const { next, asks } = reader;
		const before = this.#behind.get(reader);
		if (!asks || next >= end) this.#behind.delete(reader);
		else if (before?.next !== next) this.#behind.set(reader, { next, since: now });
		else return now - before.since >= PATIENCE;
		return false;
	}
}
