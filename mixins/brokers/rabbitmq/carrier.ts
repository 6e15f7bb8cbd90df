import { performance } from 'node:perf_hooks';
import type { ChannelModel } from 'amqplib';
import { type Duration, MINUTE, SECOND } from '../../../domain/time.ts';
import type { Clock } from '../../database/index.ts';
import { type Log, quietLog } from '../../runtime/index.ts';
import type {
	BatchHandler,
	Carrier,
	CarrierMessage,
	Failure,
	SubscribeOptions,
	Subscription,
	Topology,
} from '../carrier.ts';
import { publishable } from '../publishable.ts';
import { Refusals } from '../refusals.ts';
import { combineSubscriptions } from '../subscriptions.ts';
import { Connection, closeQuietly } from './connection.ts';
import { Consumer, type ConsumerSurroundings } from './consumer.ts';
import { DeadQueue } from './dead-queue.ts';
import { LONGEST_DELAY } from './delay-ladder.ts';
import { toPacket } from './message.ts';
import { NACKED, type Outgoing, Publisher } from './publisher.ts';
import { declareTopology, Names } from './topology.ts';

const DEFAULT_PREFIX = 'protected-payment';
const DEFAULT_BATCH = 500;
/** RabbitMQ gives no reason with a nack. */
const NACK = 'the broker takes no messages: basic.nack, a queue is full or cannot store them';
/** How often the topology is declared again, in case a part was deleted. */
const DECLARE_EVERY: Duration = MINUTE;

export interface RabbitMqOptions {
	/**
	 * the beginning of the names of all queues and exchanges; systems with different prefixes can share a virtual host
	 */
	readonly prefix?: string;
	/** the database's clock */
	readonly clock: Clock;
}

/**
 * RabbitMQ as the carrier: quorum queues, a ladder of queues with fixed times to live for delays, confirms for every
 * publish. See docs/decisions/0010-rabbitmq.md.
 */
export class RabbitMqCarrier implements Carrier {
	/** While a message waits, the clocks of database and broker may drift apart or be set. */
	readonly early: Duration = SECOND;
	/** One channel keeps the order of batches, and the broker stores one while it reads the next. */
	readonly publications = 3;
	readonly #topology: Topology;
	readonly #types: ReadonlySet<string>;
	readonly #taken: ReadonlySet<string>;
	readonly #refusals: Refusals;
	readonly #names: Names;
	/** A broker that is short of memory stops reading from connections that publish; so consumers have their own. */
	readonly #publishing: Connection;
	readonly #consuming: Connection;
	readonly #publisher: Publisher;
	readonly #deadQueue: DeadQueue;
	readonly #forConsumers: ConsumerSurroundings;
	readonly #consumers = new Set<Consumer>();

	/** Connects in the background and tries again while the broker is away. */
	constructor(url: string, topology: Topology, log: Log, { prefix = DEFAULT_PREFIX, clock }: RabbitMqOptions) {
		this.#topology = topology;
		this.#types = new Set(topology.types);
		this.#taken = new Set(Object.values(topology.consumers).flat());
		this.#refusals = new Refusals(log);
		this.#names = new Names(prefix);
		const prepare = (connection: ChannelModel): Promise<void> => this.#declare(connection);
		const quietly = quietLog(log, () => this.#refusals.reason !== undefined);
		const both = { refusals: this.#refusals, log: quietly };
		const connecting = { url, prepare, every: DECLARE_EVERY, ...both };
		this.#publishing = new Connection({ name: 'RabbitMQ publishing', ...connecting });
		this.#consuming = new Connection({ name: 'RabbitMQ consuming', ...connecting });
		this.#publisher = new Publisher(this.#publishing);
		const consuming = { connection: this.#consuming, publisher: this.#publisher, names: this.#names, ...both };
		this.#deadQueue = new DeadQueue({ groups: Object.keys(topology.consumers), ...consuming });
		this.#forConsumers = { clock, early: this.early, ...consuming };
	}

	/** What keeps it from its work, as one sentence; undefined if nothing does. */
	get waitsFor(): string | undefined {
		return this.#publishing.waitsFor ?? this.#consuming.waitsFor ?? this.#refusals.reason;
	}

	async publish(messages: readonly CarrierMessage[]): Promise<readonly Failure[]> {
		const begun = performance.now();
		const { messages: good, failures } = publishable(messages, this.#types, (message) => this.#refuse(message));
		if (good.length === 0) return failures;
		await this.#publishing.opened(); // this may take long, and delays get shorter meanwhile
		const waited = performance.now() - begun;
		const send = () => this.#publisher.send(good.map((message) => this.#outgoing(message, waited)));
		const refused = await this.#refusals.watch('publish', send);
		this.#refusals.taken(good, new Map(refused.flatMap(({ id, error }) => (error === NACKED ? [[id, NACK]] : []))));
		return [...failures, ...refused];
	}

	subscribe(group: string, handle: BatchHandler, options: SubscribeOptions = {}): Subscription {
		const types = this.#topology.consumers[group];
		if (types === undefined) throw new Error(`no consumer group ${group} in the topology`);
		const { batch = DEFAULT_BATCH, concurrency = 1, linger = 0 } = options;
		this.#deadQueue.start();
		const consumers = Array.from(
			{ length: concurrency },
			() => new Consumer({ group, types, batch, linger, handle, ...this.#forConsumers }),
		);
		for (const consumer of consumers) this.#consumers.add(consumer);
		return combineSubscriptions(consumers, () => {
			for (const consumer of consumers) this.#consumers.delete(consumer);
		});
	}

	async close(): Promise<void> {
		await Promise.all([this.#deadQueue, ...this.#consumers].map((part) => part.stop()));
		await this.#publisher.idle();
		await Promise.all([this.#publishing.close(), this.#consuming.close()]);
	}

	#refuse({ type, delay }: CarrierMessage): string | undefined {
		if (delay > LONGEST_DELAY) return `too far ahead: ${delay} ms, at most ${LONGEST_DELAY}`;
		// At the end of the ladder no queue would take it.
		if (delay > 0 && !this.#taken.has(type)) return `unroutable: no group takes the type ${type}, which has a delay`;
		return undefined;
	}

	#outgoing(message: CarrierMessage, waited: Duration): Outgoing {
		const { exchange, routingKey, rest } = this.#names.toType(message.type, Math.max(0, message.delay - waited));
		const { content, options } = toPacket(message, rest);
		// A type for other programs may have no queue.
		const mandatory = this.#taken.has(message.type);
		return { id: message.id, exchange, routingKey, content, options: { ...options, mandatory } };
	}

	async #declare(connection: ChannelModel): Promise<void> {
		const channel = await connection.createChannel();
		channel.on('error', () => {}); // operations on it throw
		await declareTopology(channel, this.#names, this.#topology);
		await closeQuietly(channel);
	}
}
