import { performance } from 'node:perf_hooks';
import { setTimeout as pause } from 'node:timers/promises';
import type { PartitionOffset } from 'kafkajs';
import { type Duration, SECOND } from '../../../domain/time.ts';
import { type Log, Loop } from '../../runtime/index.ts';
import type { Commits } from './group-session.ts';
import type { LanePartition } from './lane-partition.ts';

const SLOW_POLL: Duration = SECOND;
/** What is not committed by then is given again to whoever reads it next. */
const PATIENCE: Duration = 2 * SECOND;

/** Commits behind what is done, for all partitions in one request, one request at a time. */
export class Committer {
	readonly #commit: (commits: Commits) => Promise<void>;
	readonly #committed: () => void;
	readonly #committing: Loop;
	/** partitions with something that was done since their last commit began */
	readonly #waiting = new Set<LanePartition>();
	/** those of the request under way */
	#underWay: readonly LanePartition[] = [];

	constructor(name: string, log: Log, commit: (commits: Commits) => Promise<void>, committed: () => void) {
		this.#commit = commit;
		this.#committed = committed;
		this.#committing = new Loop(`commits of ${name}`, log, () => this.#step());
		this.#committing.start();
	}

	/** Something of a partition is done. */
	add(partition: LanePartition): void {
		this.#waiting.add(partition);
		this.#committing.wake();
	}

	/** Whether something of a partition is done that Kafka may not know of. */
	works(partition: LanePartition): boolean {
		return this.#waiting.has(partition) || this.#underWay.includes(partition);
	}

	/** The partition is somebody else's. */
	drop(partition: LanePartition): void {
		this.#waiting.delete(partition);
		this.#underWay = this.#underWay.filter((other) => other !== partition);
	}

	/** Commits what is done, unless Kafka is away. */
	async flush(): Promise<void> {
		const deadline = performance.now() + PATIENCE;
		this.#committing.wake();
		while (this.#waiting.size + this.#underWay.length > 0 && performance.now() < deadline) await pause(5);
	}

	async close(): Promise<void> {
		await this.flush();
		await this.#committing.stop();
	}

	async #step(): Promise<Duration> {
		const offsets = [...this.#waiting].flatMap((partition) => {
			const offset = partition.window.committable();
			return offset === undefined ? [] : [{ partition, offset }];
		});
		this.#underWay = offsets.map(({ partition }) => partition);
		this.#waiting.clear();
		if (offsets.length === 0) return SLOW_POLL;
		try {
			await this.#commit(toCommits(offsets));
			for (const { partition, offset } of offsets) if (this.#underWay.includes(partition)) partition.committed(offset);
		} catch (error) {
			for (const partition of this.#underWay) this.#waiting.add(partition);
			throw error;
		} finally {
			this.#underWay = [];
		}
		this.#committed();
		return 0;
	}
}

function toCommits(offsets: readonly { readonly partition: LanePartition; readonly offset: number }[]): Commits {
	const commits = new Map<string, PartitionOffset[]>();
	for (const { partition, offset } of offsets) {
		const some = commits.get(partition.topic) ?? [];
		some.push({ partition: partition.partition, offset: String(offset) });
		commits.set(partition.topic, some);
	}
	return commits;
}
