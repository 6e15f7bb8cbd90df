import { performance } from 'node:perf_hooks';
import {
	type Consumer,
	type EachBatchPayload,
	type Kafka,
	type KafkaMessage,
	type PartitionAssigner,
	PartitionAssigners,
} from 'kafkajs';
import { type Duration, SECOND } from '../../../domain/time.ts';
import { endedWithin } from '../../runtime/index.ts';

/** After this time the partitions of a dead process go to others. */
const SESSION: Duration = 6 * SECOND;
const HEARTBEAT: Duration = SECOND / 2;
/** How long a member may take to join again; ours never wait for a handler. */
const REBALANCE: Duration = 10 * SECOND;
/** The longest that a fetch waits when a partition is resumed; new records come at once all the same. */
const LONGEST_FETCH: Duration = 100;
/** In one fetch from one partition; what is not taken is thrown away and read again. */
const FETCH_BYTES = 64 * 1024;
/** A broker that was not asked for this long does not count any more. */
const GONE: Duration = 30 * SECOND;
/** New partitions of a topic are noticed after this at the latest. */
const METADATA_AGE: Duration = 30 * SECOND;
/** How long leaving a group may take. */
const LEAVE_PATIENCE: Duration = 3 * SECOND;

/** The release before knows no other assigner: under its name both can be members of one group. */
const asBefore: PartitionAssigner = (config) => ({
	...PartitionAssigners.roundRobin(config),
	name: 'protected-payment-sticky',
});

export interface SessionHandlers {
	/** about to join the group again */
	rejoining(): void;
	/** has joined, with these partitions by topic; they are read only after `readFrom` */
	joined(assignment: Readonly<Record<string, readonly number[]>>): void;
	/** records of a partition; returns the offset of the last one that was taken */
	read(topic: string, partition: number, records: readonly KafkaMessage[]): string | undefined;
	/** a round of fetches that began at `since`, on the process's timer, is read */
	round(since: number): void;
	/** the group has answered */
	beat(): void;
}

/**
 * One kafkajs consumer, from its connection to its crash. It only reads, so a handler never delays its fetches, its
 * heartbeats or a rebalance.
 */
export class GroupSession {
	/** resolves with the reason why a new session is needed; rejects when the consumer has crashed */
	readonly ended: Promise<string>;
	/** Ends it for a reason that kafkajs does not know. */
	readonly end: (reason: string) => void;
	readonly fail: (error: unknown) => void;
	readonly #consumer: Consumer;
	readonly #handlers: SessionHandlers;
	/** when the fetch under way began, and the one before it, by broker */
	readonly #rounds = new Map<string, { readonly began: number; readonly before: number }>();
	#starting: Promise<void> = Promise.resolve();
	#commit: EachBatchPayload['commitOffsetsIfNecessary'] | undefined;
	#over = false;

	constructor(client: Kafka, groupId: string, handlers: SessionHandlers) {
		this.#handlers = handlers;
		this.#consumer = client.consumer({
			groupId,
			partitionAssigners: [PartitionAssigners.roundRobin, asBefore],
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
		promise.catch(() => {}); // there may be no listener yet, or any more
		this.end = resolve;
		this.fail = reject;
	}

	/** Joins the group. */
	start(topics: readonly string[]): Promise<void> {
		this.#starting = this.#start(topics);
		return this.#starting;
	}

	async #start(topics: readonly string[]): Promise<void> {
		const consumer = this.#consumer;
		const { events } = consumer;
		consumer.on(events.CRASH, ({ payload }) => this.fail(payload.error));
		consumer.on(events.STOP, () => {
			this.#over = true; // kafkajs has no group any more to pause or resume in
		});
		consumer.on(events.HEARTBEAT, () => this.#handlers.beat());
		consumer.on(events.REBALANCING, () => this.#handlers.rejoining());
		consumer.on(events.GROUP_JOIN, ({ payload: { memberAssignment } }) => {
			if (this.#over) return;
			for (const [topic, partitions] of Object.entries(memberAssignment)) consumer.pause([{ topic, partitions }]);
			this.#handlers.joined(memberAssignment);
		});
		consumer.on(events.FETCH_START, ({ payload: { nodeId } }) => this.#roundBegins(String(nodeId)));
		await consumer.connect();
		await consumer.subscribe({ topics: [...topics], fromBeginning: true });
		if (this.#over) return;
		await consumer.run({
			autoCommit: false,
			eachBatchAutoResolve: false,
			eachBatch: async (payload) => this.#read(payload),
		});
	}

	/** Reads on from this offset; what was fetched before is not read. */
	readFrom(topic: string, partition: number, offset: string): void {
		if (this.#over) return;
		this.#consumer.seek({ topic, partition, offset });
		this.resume(topic, partition);
	}

	pause(topic: string, partition: number): void {
		if (!this.#over) this.#consumer.pause([{ topic, partitions: [partition] }]);
	}

	resume(topic: string, partition: number): void {
		if (!this.#over) this.#consumer.resume([{ topic, partitions: [partition] }]);
	}

	/** Offsets by topic and partition. One try, under the generation of this moment: kafkajs's own goes on after a rebalance. */
	async commit(offsets: readonly { topic: string; partition: number; offset: number }[]): Promise<void> {
		if (this.#over || this.#commit === undefined) throw new Error('no consumer is in the group');
		const topics = [...Map.groupBy(offsets, ({ topic }) => topic)].map(([topic, some]) => ({
			topic,
			partitions: some.map(({ partition, offset }) => ({ partition, offset: String(offset) })),
		}));
		await this.#commit({ topics });
	}

	/** Leaves the group. */
	async stop(): Promise<void> {
		this.#over = true;
		// While it starts, kafkajs takes no notice of a stop: it would join, and stay.
		const leaving = this.#starting.catch(() => {}).then(() => this.#consumer.disconnect());
		await endedWithin(leaving, LEAVE_PATIENCE);
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
}
