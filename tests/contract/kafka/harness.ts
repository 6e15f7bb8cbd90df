import { randomUUID } from 'node:crypto';
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setTimeout as pause } from 'node:timers/promises';
import { type Consumer, type Kafka, type Message, type PartitionAssigner, PartitionAssigners } from 'kafkajs';
import { LocalKafka } from '../../../bin/brokers/kafka.ts';
import { freePort } from '../../../bin/brokers/ports.ts';
import { type Duration, type Instant, MINUTE, SECOND } from '../../../domain/time.ts';
import type { Topology } from '../../../mixins/brokers/carrier.ts';
import { KafkaCarrier } from '../../../mixins/brokers/kafka/carrier.ts';
import { createClient, parseKafkaUrl } from '../../../mixins/brokers/kafka/client.ts';
import { holdFor, nextStep } from '../../../mixins/brokers/kafka/delay-ladder.ts';
import { toCarried } from '../../../mixins/brokers/kafka/records.ts';
import { TopicKeeper } from '../../../mixins/brokers/kafka/topic-keeper.ts';
import { type Lane, Topics } from '../../../mixins/brokers/kafka/topics.ts';
import { memoryLog } from '../../support/database.ts';
import { eventually, until } from '../../support/until.ts';
import type { BrokerHarness, CarrierModule, Space } from '../carrier-harness.ts';

const PARTITIONS = 3;

export interface KafkaHarness extends BrokerHarness {
	/** The latest space. */
	current(): KafkaSpace;
	/** The broker loses all that it stored, and comes back. */
	wipe(): Promise<void>;
}

/** A Kafka of the test file's own, with settings of its own; a space is a prefix of topics and groups. */
export function kafkaHarness(
	settings: (port: number) => Promise<Readonly<Record<string, string>>> = async () => ({}),
): KafkaHarness {
	let folder = '';
	let broker: LocalKafka | undefined;
	const spaces: KafkaSpace[] = [];
	const running = (): LocalKafka => {
		if (broker === undefined) throw new Error('Kafka was not started');
		return broker;
	};
	return {
		module: import.meta.url,
		early: 5, // both sides read the same clock, which is set a little now and then
		transactional: false,
		sharesAnew: true,
		start: async () => {
			folder = await mkdtemp(join(tmpdir(), 'protected-payment-kafka-'));
			const port = await freePort();
			broker = new LocalKafka({ folder, port }, await settings(port));
			await broker.up();
		},
		stop: async () => {
			for (const space of spaces.splice(0)) await space.close();
			await broker?.kill();
			await rm(folder, { recursive: true, force: true });
		},
		takeDown: () => running().down(),
		bringUp: () => running().up(),
		kill: async () => {
			await running().kill();
			await running().up();
		},
		restart: async () => {
			await running().down();
			await running().up();
		},
		wipe: async () => {
			await running().kill();
			await running().wipe();
			await running().up();
		},
		current: () => {
			const [space] = spaces;
			if (space === undefined) throw new Error('there is no space');
			return space;
		},
		clock: async () => Date.now(), // of the same machine
		space: async (topology) => {
			for (const before of spaces.splice(0)) {
				await before.remove();
				await before.close();
			}
			const space = new KafkaSpace(running().url, `test-${randomUUID()}`, topology);
			spaces.push(space);
			return space;
		},
	};
}

interface Seen {
	readonly id: string;
	readonly at: Instant;
}

export class KafkaSpace implements Space {
	readonly address: string;
	readonly topics: Topics;
	readonly #client: () => Kafka;
	readonly #keeper: TopicKeeper;
	readonly #prefix: string;
	readonly #readers = new Map<string, Reader>();

	constructor(url: string, prefix: string, topology: Topology) {
		this.address = JSON.stringify({ url, prefix });
		this.#prefix = prefix;
		this.topics = new Topics(prefix, topology);
		this.#client = () => createClient(parseKafkaUrl(url), memoryLog());
		this.#keeper = new TopicKeeper(this.#client, this.topics, { partitions: PARTITIONS }, memoryLog());
	}

	async backlog(group: string): Promise<number> {
		const [ends, committed] = await Promise.all([this.#ends(group), this.#committed(group)]);
		return [...ends].reduce((sum, [place, end]) => sum + end - (committed.get(place) ?? 0), 0);
	}

	async plan(group: string): Promise<ReadonlyMap<string, Instant>> {
		const ends = await this.#ends(group);
		const lanes = this.topics.lanes(group).filter(({ topic }) => ends.has(`${topic}/0`));
		const key = lanes.map(({ topic }) => topic).join();
		const reader = await eventually(() => this.#read(key, lanes, ends));
		const committed = await this.#committed(group);
		const plan = new Map<string, Instant>();
		for (const [place, records] of reader.records) {
			for (const [offset, { id, at }] of records) {
				const known = plan.get(id) ?? 0;
				if (offset >= (committed.get(place) ?? 0)) plan.set(id, Math.max(at - aheadOf(this.#prefix), known));
			}
		}
		return plan;
	}

	/** A reader that has read so far; one that a broker's end has crashed is replaced. */
	async #read(key: string, lanes: readonly Lane[], ends: ReadonlyMap<string, number>): Promise<Reader> {
		let reader = this.#readers.get(key);
		if (reader === undefined || reader.crashed) {
			await reader?.close();
			reader = new Reader(this.#client(), lanes);
			this.#readers.set(key, reader);
		}
		await reader.reaches(ends);
		return reader;
	}

	/** Puts the clock that this process's carriers read forward, and waits until their consumers have looked at it. */
	async hasten(): Promise<void> {
		AHEAD.set(this.#prefix, aheadOf(this.#prefix) + MINUTE);
		await pause(1.1 * SECOND);
	}

	/** Puts records into a topic, past the carrier. */
	async put(topic: string, messages: Message[]): Promise<void> {
		const producer = this.#client().producer({ allowAutoTopicCreation: false });
		await producer.connect();
		await producer.send({ topic, messages });
		await producer.disconnect();
	}

	/** A member of a group as the release before has it; resolves when it has joined. */
	async joinAsBefore(group: string, handled: (id: string) => void): Promise<{ close(): Promise<void> }> {
		const name = 'protected-payment-sticky';
		const assigner: PartitionAssigner = (config) => ({ ...PartitionAssigners.roundRobin(config), name });
		const groupId = this.topics.groupId(group);
		const consumer = this.#client().consumer({
			groupId,
			partitionAssigners: [assigner],
			heartbeatInterval: SECOND / 2,
		});
		const joined = new Promise<void>((resolve) => consumer.on(consumer.events.GROUP_JOIN, () => resolve()));
		await consumer.connect();
		await consumer.subscribe({
			topics: this.topics.always.filter((topic) => topic.startsWith(groupId)),
			fromBeginning: true,
		});
		await consumer.run({
			eachMessage: async ({ topic, message }) => handled(toCarried(message, topic).id),
		});
		await joined;
		return { close: () => consumer.disconnect() };
	}

	/** Settings of a topic, in the place of those that it has. */
	async configure(topic: string, settings: Readonly<Record<string, string>>): Promise<void> {
		const configEntries = Object.entries(settings).map(([name, value]) => ({ name, value }));
		const resources = [{ type: 2, name: topic, configEntries }]; // 2: a topic
		await this.#keeper.ask((admin) => admin.alterConfigs({ validateOnly: false, resources }));
	}

	async close(): Promise<void> {
		for (const reader of this.#readers.values()) await reader.close();
		await this.#keeper.close();
	}

	/** Deletes all its topics. */
	async remove(): Promise<void> {
		const topics = (await this.#keeper.ask((admin) => admin.listTopics())).filter((topic) =>
			topic.startsWith(this.#prefix),
		);
		if (topics.length > 0) await this.#keeper.ask((admin) => admin.deleteTopics({ topics }));
	}

	/** A broker that is back does not lead all its partitions at once. */
	#ends(group: string): Promise<ReadonlyMap<string, number>> {
		return eventually(async () => {
			const there = await this.#keeper.ask((admin) => admin.listTopics());
			const topics = this.topics.lanes(group).flatMap(({ topic }) => (there.includes(topic) ? [topic] : []));
			const offsets = await Promise.all(
				topics.map(async (topic) =>
					(await this.#keeper.ask((admin) => admin.fetchTopicOffsets(topic))).map(
						({ partition, high }) => [`${topic}/${partition}`, Number(high)] as const,
					),
				),
			);
			return new Map(offsets.flat());
		});
	}

	async #committed(group: string): Promise<ReadonlyMap<string, number>> {
		const groupId = this.topics.groupId(group);
		const offsets = await this.#keeper.ask((admin) => admin.fetchOffsets({ groupId }));
		return new Map(
			offsets.flatMap(({ topic, partitions }) =>
				partitions.map(({ partition, offset }) => [`${topic}/${partition}`, Math.max(0, Number(offset))] as const),
			),
		);
	}
}

/** Reads all that a group will read, and works out when it will be delivered. */
class Reader {
	/** what was read, by place and offset */
	readonly records = new Map<string, Map<number, Seen>>();
	readonly #consumer: Consumer;
	readonly #started: Promise<void>;
	crashed = false;

	constructor(client: Kafka, lanes: readonly Lane[]) {
		const consumer = client.consumer({
			groupId: `reader-${randomUUID()}`,
			maxWaitTimeInMs: 50,
			retry: { restartOnFailure: async () => false },
		});
		consumer.on(consumer.events.CRASH, () => {
			this.crashed = true;
		});
		this.#consumer = consumer;
		const holds = new Map(lanes.map(({ topic, hold }) => [topic, hold]));
		this.#started = (async () => {
			await consumer.connect();
			await consumer.subscribe({ topics: [...holds.keys()], fromBeginning: true });
			await consumer.run({
				autoCommit: false,
				eachBatch: async ({ batch: { topic, partition, messages } }) => {
					const place = `${topic}/${partition}`;
					const records = this.records.get(place) ?? new Map<number, Seen>();
					this.records.set(place, records);
					for (const record of messages) {
						const { id, due, release } = toCarried(record, place);
						const from = release ?? Number(record.timestamp);
						const at = due === null ? from : arrival(holds.get(topic) ?? 0, from, due);
						records.set(Number(record.offset), { id, at });
					}
				},
			});
		})();
		this.#started.catch(() => {
			this.crashed = true;
		});
	}

	/** Throws if it crashes before. */
	async reaches(ends: ReadonlyMap<string, number>): Promise<void> {
		await this.#started;
		const isRead = ([place, end]: [string, number]): boolean =>
			end === 0 || (this.records.get(place)?.has(end - 1) ?? false);
		await until(() => this.crashed || [...ends].every(isRead), 'all is read');
		if (this.crashed) throw new Error('the reader has crashed');
	}

	async close(): Promise<void> {
		await this.#consumer.disconnect().catch(() => {});
	}
}

/** When a message is delivered that its rung releases, all rungs that it still has before it summed up. */
function arrival(hold: Duration, release: Instant, due: Instant): Instant {
	const left = due - release;
	if (nextStep(hold, left) !== 'move') return Math.max(due, release);
	return arrival(holdFor(left), release + holdFor(left), due);
}

/** How far ahead the clock is that the carriers of a prefix read in this process. */
const AHEAD = new Map<string, Duration>();
const aheadOf = (prefix: string): Duration => AHEAD.get(prefix) ?? 0;

export const openCarrier: CarrierModule['openCarrier'] = (address, topology, log) => {
	const { url, prefix } = JSON.parse(address);
	const clock = { isRead: true, now: () => Date.now() + aheadOf(prefix) };
	const carrier = new KafkaCarrier(parseKafkaUrl(url), topology, log, { prefix, partitions: PARTITIONS, clock });
	return { carrier, release: () => carrier.close() };
};
