import { performance } from 'node:perf_hooks';
import type { Consumer, EachBatchPayload, Kafka, KafkaMessage, PartitionOffset } from 'kafkajs';
import { type Duration, SECOND } from '../../../domain/time.ts';
import { type Claim, stickyAssigner } from './assigner.ts';
import type { Partitions } from './sticky-assignment.ts';

/** A dead process's partitions are given to others after this. */
const SESSION: Duration = 6 * SECOND;
const HEARTBEAT: Duration = SECOND / 2;
/** How long a member may take to join again; ours never wait for a handler. */
const REBALANCE: Duration = 10 * SECOND;
/** A partition that is to be read again waits so long at most; what is new comes at once all the same. */
const LONGEST_FETCH: Duration = 100;
/** In one fetch from one partition; what is not taken is thrown away and read again. */
const FETCH_BYTES = 64 * 1024;
/** A broker that was not asked for so long is none of ours any more. */
const GONE: Duration = 30 * SECOND;
/** New partitions of a topic are noticed after this at the latest. */
const METADATA_AGE: Duration = 30 * SECOND;
/** A group is left politely, but not at any price. */
const LEAVE_PATIENCE: Duration = 3 * SECOND;

export type Commits = ReadonlyMap<string, readonly PartitionOffset[]>;

export interface SessionHandlers {
	/** about to join again: what this member has, and works on */
	claim(): Claim;
	/** has joined as `member`, with these partitions; they are read only after `readFrom` */
	joined(member: string, partitions: Partitions): void;
	/** records of a partition; answers the offset of the last one that needs no second reading */
	read(topic: string, partition: number, records: readonly KafkaMessage[]): string | undefined;
	/** a round of fetches that began at `since`, on the process's timer, is read */
	round(since: number): void;
	/** the group has answered */
	beat(): void;
}

/**
 * One life of a kafkajs consumer, from its connection to its crash. It only reads: what a handler does never holds up
 * its fetches and heartbeats, nor a rebalance.
 */
export class GroupSession {
	/** resolves with the reason why a new session is needed; rejects when the consumer has crashed */
	readonly ended: Promise<string>;
	readonly #consumer: Consumer;
	readonly #handlers: SessionHandlers;
	readonly #crash: (error: Error) => void;
	/** Ends it for a reason that kafkajs does not know. */
	readonly end: (reason: string) => void;
	/** when the fetch under way began, and the one before it, by broker */
	readonly #rounds = new Map<string, { readonly began: number; readonly before: number }>();
	#starting: Promise<void> = Promise.resolve();
	#commit: EachBatchPayload['commitOffsetsIfNecessary'] | undefined;
	#over = false;

	constructor(client: Kafka, groupId: string, handlers: SessionHandlers) {
		this.#handlers = handlers;
		this.#consumer = client.consumer({
			groupId,
			partitionAssigners: [stickyAssigner(() => handlers.claim())],
			sessionTimeout: SESSION,
			heartbeatInterval: HEARTBEAT,
			rebalanceTimeout: REBALANCE,
			maxWaitTimeInMs: LONGEST_FETCH,
			maxBytesPerPartition: FETCH_BYTES,
			metadataMaxAge: METADATA_AGE,
			allowAutoTopicCreation: false,
			// A consumer that crashed is not started again but replaced: one way for all that can end it.
			retry: { restartOnFailure: async () => false },
		});
		const { promise, resolve, reject } = Promise.withResolvers<string>();
		this.ended = promise;
		promise.catch(() => {}); // nobody may be listening yet, or any more
		this.end = resolve;
		this.#crash = reject;
	}

	/** Joins the group. */
	start(topics: readonly string[]): Promise<void> {
		this.#starting = this.#start(topics);
		return this.#starting;
	}

	async #start(topics: readonly string[]): Promise<void> {
		const { events } = this.#consumer;
		this.#consumer.on(events.CRASH, ({ payload }) => this.#crash(payload.error));
		this.#consumer.on(events.STOP, () => {
			this.#over = true; // kafkajs has no group any more to pause or resume in
		});
		this.#consumer.on(events.HEARTBEAT, () => this.#handlers.beat());
		this.#consumer.on(events.GROUP_JOIN, ({ payload: { memberId, memberAssignment } }) => {
			if (this.#over) return;
			this.#each(memberAssignment, (consumer, topic, partitions) => consumer.pause([{ topic, partitions }]));
			this.#handlers.joined(memberId, memberAssignment);
		});
		this.#consumer.on(events.FETCH_START, ({ payload: { nodeId } }) => this.#roundBegins(String(nodeId)));
		await this.#consumer.connect();
		await this.#consumer.subscribe({ topics: [...topics], fromBeginning: true });
		if (this.#over) return;
		await this.#consumer.run({
			autoCommit: false,
			eachBatchAutoResolve: false,
			eachBatch: async (payload) => this.#read(payload),
		});
	}

	/** Reads these partitions from these offsets on; what was fetched before is not read. */
	readFrom(topic: string, offsets: readonly PartitionOffset[]): void {
		if (this.#over) return;
		for (const { partition, offset } of offsets) this.#consumer.seek({ topic, partition, offset });
		this.resume(topic, ...offsets.map(({ partition }) => partition));
	}

	pause(topic: string, ...partitions: number[]): void {
		if (!this.#over) this.#consumer.pause([{ topic, partitions }]);
	}

	resume(topic: string, ...partitions: number[]): void {
		if (!this.#over) this.#consumer.resume([{ topic, partitions }]);
	}

	/** One try, under the generation of this moment: nothing is committed for what became somebody else's. */
	async commit(commits: Commits): Promise<void> {
		if (this.#over || this.#commit === undefined) throw new Error('no consumer is in the group');
		await this.#commit({ topics: [...commits].map(([topic, partitions]) => ({ topic, partitions: [...partitions] })) });
	}

	/** Leaves the group. */
	async stop(): Promise<void> {
		this.#over = true;
		// While it starts, kafkajs takes no notice of a stop: it would join, and stay.
		const leaving = this.#starting.catch(() => {}).then(() => this.#consumer.disconnect());
		let timer: NodeJS.Timeout | undefined;
		const tired = new Promise<void>((resolve) => {
			timer = setTimeout(resolve, LEAVE_PATIENCE);
		});
		await Promise.race([leaving.catch(() => {}), tired]);
		clearTimeout(timer);
	}

	async #read({ batch, resolveOffset, commitOffsetsIfNecessary, isRunning, isStale }: EachBatchPayload): Promise<void> {
		this.#commit = commitOffsetsIfNecessary;
		if (this.#over || !isRunning() || isStale()) return;
		const last = this.#handlers.read(batch.topic, batch.partition, batch.messages);
		if (last !== undefined) resolveOffset(last);
	}

	/** A broker's fetch begins when all that its last one brought is read. A round is one fetch from each broker. */
	#roundBegins(nodeId: string): void {
		const now = performance.now();
		this.#rounds.set(nodeId, { began: now, before: this.#rounds.get(nodeId)?.began ?? Number.NEGATIVE_INFINITY });
		const live = [...this.#rounds.values()].filter(({ began }) => now - began < GONE);
		this.#handlers.round(Math.min(...live.map(({ before }) => before)));
	}

	#each(assignment: Partitions, action: (consumer: Consumer, topic: string, partitions: number[]) => void): void {
		for (const [topic, partitions] of Object.entries(assignment)) action(this.#consumer, topic, [...partitions]);
	}
}
