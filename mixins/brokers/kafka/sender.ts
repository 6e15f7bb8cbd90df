import type { Kafka, Producer } from 'kafkajs';
import { Partitioners } from 'kafkajs';
import { type Duration, SECOND } from '../../../domain/time.ts';
import type { BrokerClock } from './broker-clock.ts';
import { type Outgoing, sizeOf } from './records.ts';

/** What goes in one request at most: no partition's share of it can be more than a topic takes at once. */
const MOST_BYTES = 768 * 1024;
/** How long the broker may wait for its replicas. */
const REPLICAS_PATIENCE: Duration = 8 * SECOND;
/** kafkajs allows no idempotent producer without a retry; further ones are the caller's affair. */
const RETRY = { retries: 1, initialRetryTime: 100, maxRetryTime: SECOND };

/**
 * One idempotent producer, acknowledged by all replicas in sync, and one request at a time. kafkajs counts a failed
 * request's sequence numbers back, and a broker that had taken it would then confirm and drop whatever bears these
 * numbers next. So nothing may come between a request and its repetition, and after a failure the producer is thrown
 * away: a new one has a new id and counts anew.
 */
export class Sender {
	readonly #client: () => Kafka;
	readonly #clock: BrokerClock;
	#producer: Producer | undefined;
	/** the partitions that the request under way is for */
	readonly #chosen = new Set<string>();
	#queue: Promise<unknown> = Promise.resolve();
	#closed = false;

	constructor(client: () => Kafka, clock: BrokerClock) {
		this.#client = client;
		this.#clock = clock;
	}

	/** Resolves when Kafka has all records; throws if it may not have some of them. */
	send(records: readonly Outgoing[]): Promise<void> {
		const sending = this.#queue.then(async () => {
			for (const request of inRequests(records)) await this.#request(request);
		});
		this.#queue = sending.catch(() => {});
		return sending;
	}

	/** Finishes what is under way. */
	async close(): Promise<void> {
		this.#closed = true;
		await this.#queue;
		await this.#discard();
	}

	async #request(records: readonly Outgoing[]): Promise<void> {
		const byTopic = Map.groupBy(records, ({ topic }) => topic);
		const topicMessages = [...byTopic].map(([topic, group]) => ({
			topic,
			messages: group.map(({ record }) => record),
		}));
		try {
			const producer = await this.#connected();
			this.#chosen.clear();
			const sent = this.#clock.start();
			const answers = await producer.sendBatch({ acks: -1, timeout: REPLICAS_PATIENCE, topicMessages });
			for (const { topicName, partition } of answers) this.#chosen.delete(`${topicName} ${partition}`);
			// When a partition's leader moves between a request and its repetition, kafkajs leaves that partition out.
			if (this.#chosen.size > 0) throw new Error(`Kafka did not answer for ${this.#chosen.size} partitions`);
			const appended = Math.max(...answers.map(({ logAppendTime }) => Number(logAppendTime ?? -1)));
			if (appended > 0) this.#clock.learn(sent, appended);
		} catch (error) {
			await this.#discard();
			throw error;
		}
	}

	async #connected(): Promise<Producer> {
		if (this.#closed) throw new Error('the connection to Kafka is closed');
		if (this.#producer !== undefined) return this.#producer;
		const producer = this.#client().producer({
			idempotent: true,
			maxInFlightRequests: 1,
			allowAutoTopicCreation: false,
			retry: RETRY,
			createPartitioner: () => {
				const choose = Partitioners.DefaultPartitioner();
				return (args) => {
					const partition = choose(args);
					this.#chosen.add(`${args.topic} ${partition}`);
					return partition;
				};
			},
		});
		this.#producer = producer;
		await producer.connect();
		return producer;
	}

	async #discard(): Promise<void> {
		const producer = this.#producer;
		this.#producer = undefined;
		await producer?.disconnect().catch(() => {});
	}
}

function inRequests(records: readonly Outgoing[]): readonly (readonly Outgoing[])[] {
	const requests: Outgoing[][] = [];
	let room = 0;
	for (const outgoing of records) {
		const size = sizeOf(outgoing.record);
		if (requests.length === 0 || size > room) {
			requests.push([]);
			room = MOST_BYTES;
		}
		requests.at(-1)?.push(outgoing);
		room -= size;
	}
	return requests;
}
