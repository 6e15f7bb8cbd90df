import { Buffer } from 'node:buffer';
import { setImmediate as turn } from 'node:timers/promises';
import type { Kafka, Producer } from 'kafkajs';
import { type Duration, SECOND } from '../../../domain/time.ts';
import { hasNoLeader, isTooLarge } from './client.ts';
import type { Outgoing } from './records.ts';

/** The most bytes in one request: no partition's share of it can be more than a topic takes at once. */
const MOST_BYTES = 768 * 1024;
/** The most bytes of a record beside its body. */
const OVERHEAD = 512;
/** How long the broker may wait for its replicas. */
const REPLICAS_PATIENCE: Duration = 8 * SECOND;

interface Connection {
	readonly producer: Promise<Producer>;
	/** the topics that kafkajs has looked up and sent something to */
	readonly known: Set<string>;
}

/**
 * A plain producer: all replicas in sync acknowledge, and it repeats nothing by itself. If it fails, the relay sends
 * everything again; the inbox drops doubles. Requests that are under way at once are stored in their order.
 */
export class KafkaProducer {
	readonly #client: () => Kafka;
	#connection: Connection | undefined;
	/** ends when the last request is on its way */
	#begun: Promise<unknown> = Promise.resolve();
	readonly #underWay = new Set<Promise<unknown>>();
	#closed = false;

	constructor(client: () => Kafka) {
		this.#client = client;
	}

	/** Resolves when Kafka has all records; throws if it may not have some of them. */
	async send(records: readonly Outgoing[]): Promise<void> {
		const sending = Promise.all(
			inRequests(records).map(async (request) => {
				const begun = this.#begun.then(() => this.#begin(request));
				this.#begun = begun.catch(() => {});
				await (await begun).sent;
			}),
		);
		this.#underWay.add(sending);
		await sending.finally(() => this.#underWay.delete(sending));
	}

	/** Finishes what is under way. */
	async close(): Promise<void> {
		this.#closed = true;
		await Promise.allSettled(this.#underWay);
		if (this.#connection !== undefined) await disconnect(this.#connection);
	}

	/**
	 * Resolves when the request is on its way. kafkajs would let a request that need not wait for the lookup of a topic
	 * overtake one that has to: the first one to a topic goes alone.
	 */
	async #begin(records: readonly Outgoing[]): Promise<{ readonly sent: Promise<void> }> {
		if (this.#closed) throw new Error('the connection to Kafka is closed');
		this.#connection ??= { producer: this.#connect(), known: new Set() };
		const connection = this.#connection;
		const byTopic = Map.groupBy(records, ({ topic }) => topic);
		const sent = this.#request(connection, byTopic).catch((error) => {
			if (!hasNoLeader(error) && !isTooLarge(error)) this.#discard(connection);
			throw error;
		});
		await Promise.race([sent.catch(() => {}), ...(isKnown(connection, byTopic) ? [turn()] : [])]);
		return { sent };
	}

	async #request({ producer, known }: Connection, byTopic: ReadonlyMap<string, readonly Outgoing[]>): Promise<void> {
		const topicMessages = [...byTopic].map(([topic, some]) => ({
			topic,
			messages: some.map(({ record }) => record),
		}));
		await (await producer).sendBatch({ acks: -1, timeout: REPLICAS_PATIENCE, topicMessages });
		for (const topic of byTopic.keys()) known.add(topic);
	}

	async #connect(): Promise<Producer> {
		const producer = this.#client().producer({ allowAutoTopicCreation: false, retry: { retries: 0 } });
		await producer.connect();
		return producer;
	}

	/** The connection may have gone dead silently; the next request opens a new one. */
	#discard(connection: Connection): void {
		if (this.#connection === connection) this.#connection = undefined;
		void disconnect(connection);
	}
}

const isKnown = ({ known }: Connection, byTopic: ReadonlyMap<string, unknown>): boolean =>
	[...byTopic.keys()].every((topic) => known.has(topic));

async function disconnect({ producer }: Connection): Promise<void> {
	await producer.then((connected) => connected.disconnect()).catch(() => {});
}

function inRequests(records: readonly Outgoing[]): readonly (readonly Outgoing[])[] {
	const requests: Outgoing[][] = [];
	let room = 0;
	for (const outgoing of records) {
		const size = OVERHEAD + Buffer.byteLength(outgoing.record.value ?? '');
		if (requests.length === 0 || size > room) {
			requests.push([]);
			room = MOST_BYTES;
		}
		requests.at(-1)?.push(outgoing);
		room -= size;
	}
	return requests;
}
