import type { ITopicConfig } from 'kafkajs';
import { DAY, type Duration, type Instant, SECOND } from '../../../domain/time.ts';
import type { Topology } from '../carrier.ts';
import { HOLDS, holdFor } from './delay-ladder.ts';
import { type Carried, type Outgoing, toRecord } from './records.ts';

/** Where a group reads, and how long what it finds there is held. */
export interface Lane {
	readonly topic: string;
	readonly hold: Duration;
}

export interface TopicOptions {
	readonly partitions: number;
	readonly replication: number;
}

/** Much longer than any message waits on a rung, so a consumer that was away finds everything. */
const KEPT: Duration = 14 * DAY;
/** The greatest set of records that Kafka takes at once unless told otherwise; what we send is kept well below. */
const MAX_BATCH = 1_048_588;
/** With so many replicas, two must have a record before it is confirmed. */
const SAFE_REPLICATION = 3;
/**
 * Rungs up to this hold are there from the start, since retries need them; each other is made when the first message
 * comes that needs it. Its group has found it long before it lets that message go.
 */
const ALWAYS: Duration = 5 * SECOND;

/** All topics of a topology, their names and their settings. */
export class Topics {
	/** for events that no group of ours takes */
	readonly others: string;
	/** those that are there from the start */
	readonly always: readonly string[];
	readonly groups: readonly string[];
	readonly #prefix: string;
	readonly #topology: Topology;
	/** by type */
	readonly #takers: ReadonlyMap<string, readonly string[]>;
	readonly #holds: ReadonlyMap<string, Duration>;

	/** Throws if the names would not be Kafka's. */
	constructor(prefix: string, topology: Topology) {
		const groups = Object.keys(topology.consumers);
		this.groups = groups;
		for (const name of [prefix, ...groups])
			if (!/^[\w.-]{1,100}$/.test(name)) throw new Error(`Kafka's topics cannot be named after '${name}'`);
		this.#prefix = prefix;
		this.#topology = topology;
		this.#takers = new Map(topology.types.map((type) => [type, groups.filter((group) => this.takes(group, type))]));
		this.others = `${prefix}.events`;
		const lanes = groups.flatMap((group) => this.lanes(group));
		this.#holds = new Map(lanes.map(({ topic, hold }) => [topic, hold]));
		const early = lanes.filter(({ hold }) => hold <= ALWAYS).map(({ topic }) => topic);
		this.always = [...early, this.others];
	}

	/** Kafka's name for a consumer group. */
	groupId(group: string): string {
		return `${this.#prefix}.${group}`;
	}

	/** What comes at once. */
	direct(group: string): string {
		return `${this.#prefix}.${group}`;
	}

	/** A message for a group on the rung for what it has left to wait. */
	later(group: string, message: Carried, now: Instant): Outgoing {
		const hold = holdFor((message.due ?? now) - now);
		return { topic: this.#rung(group, hold), record: toRecord({ ...message, release: Math.ceil(now + hold) }) };
	}

	/** All topics that a group may have to read; rungs that were never needed do not exist. */
	lanes(group: string): readonly Lane[] {
		return [{ topic: this.direct(group), hold: 0 }, ...HOLDS.map((hold) => ({ topic: this.#rung(group, hold), hold }))];
	}

	/** The groups that take a type. */
	groupsOf(type: string): readonly string[] {
		return this.#takers.get(type) ?? [];
	}

	/** Whether a group of ours takes a type. */
	takes(group: string, type: string): boolean {
		return this.#topology.consumers[group]?.includes(type) ?? false;
	}

	/** A topic as Kafka is to make it. */
	settings(topic: string, { partitions, replication }: TopicOptions): ITopicConfig {
		const config: Readonly<Record<string, string>> = {
			'message.timestamp.type': 'LogAppendTime',
			'max.message.bytes': String(MAX_BATCH),
			...(replication >= SAFE_REPLICATION ? { 'min.insync.replicas': '2' } : {}),
			'retention.ms': String(KEPT + (this.#holds.get(topic) ?? 0)),
		};
		return {
			topic,
			numPartitions: partitions,
			replicationFactor: replication,
			configEntries: Object.entries(config).map(([name, value]) => ({ name, value })),
		};
	}

	#rung(group: string, hold: Duration): string {
		return `${this.#prefix}.${group}.delay-${hold / SECOND}s`;
	}
}
