import { performance } from 'node:perf_hooks';
import { setTimeout as pause } from 'node:timers/promises';
import type { Kafka } from 'kafkajs';
import { type Duration, SECOND } from '../../../domain/time.ts';
import type { Clock } from '../../database/index.ts';
import { bisect, type Log, quietLog } from '../../runtime/index.ts';
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
import { brokerTrouble } from '../trouble.ts';
import { createClient, hasNoLeader, isTooLarge, type KafkaUrl } from './client.ts';
import { GroupConsumer } from './consumer.ts';
import { KafkaProducer } from './producer.ts';
import { fresh, type Outgoing, toRecord } from './records.ts';
import { TopicKeeper } from './topic-keeper.ts';
import { Topics } from './topics.ts';

const DEFAULT_PREFIX = 'protected-payment';
const DEFAULT_PARTITIONS = 6;
/** How long a partition may be without a leader before a publication fails. */
const LEADER_PATIENCE: Duration = 5 * SECOND;
const LEADER_POLL: Duration = 50;

export interface KafkaOptions {
	/** the database's clock; it alone decides when a message goes on */
	readonly clock: Clock;
	/** what the names of topics and groups begin with */
	readonly prefix?: string;
	/** of each topic; the most consumers that can share the work of a group */
	readonly partitions?: number;
	/** as many as there are brokers, at most three, unless given */
	readonly replication?: number;
}

/** Kafka as the carrier: a topic for each group, and a ladder of topics for its delayed messages. */
export class KafkaCarrier implements Carrier {
	/** The clock is the database's. If it is set back, a process may be ahead of it until the next reading. */
	readonly early: Duration = SECOND / 5;
	readonly publications = 3;
	readonly #client: (heard?: (error: Error) => void) => Kafka;
	readonly #types: ReadonlySet<string>;
	/** for failures because Kafka is away */
	readonly #quietly: Log;
	readonly #refusals: Refusals;
	readonly #topics: Topics;
	readonly #clock: Clock;
	readonly #keeper: TopicKeeper;
	readonly #producer: KafkaProducer;
	readonly #consumers = new Set<GroupConsumer>();
	#closing: Promise<void> | undefined;

	/** Begins to connect by itself. */
	constructor(url: KafkaUrl, topology: Topology, log: Log, options: KafkaOptions) {
		const { prefix = DEFAULT_PREFIX, partitions = DEFAULT_PARTITIONS, replication, clock } = options;
		this.#client = (heard) => createClient(url, log, heard);
		this.#types = new Set(topology.types);
		this.#topics = new Topics(prefix, topology);
		this.#clock = clock;
		const wanted = replication === undefined ? { partitions } : { partitions, replication };
		this.#refusals = new Refusals(log);
		const unlessRefused = quietLog(log, () => this.#refusals.reason !== undefined);
		this.#keeper = new TopicKeeper(this.#client, this.#topics, wanted, unlessRefused, this.#refusals);
		this.#quietly = quietLog(log, () => this.waitsFor !== undefined);
		this.#producer = new KafkaProducer(this.#client);
		this.#keeper.start();
	}

	/** What keeps it from its work, as one sentence; undefined if nothing does. */
	get waitsFor(): string | undefined {
		return this.#keeper.waitsFor ?? this.#refusals.reason;
	}

	async publish(messages: readonly CarrierMessage[]): Promise<readonly Failure[]> {
		const { messages: accepted, failures } = publishable(messages, this.#types);
		if (accepted.length === 0) return failures;
		const refused = await this.#refusals.watch('publish', () => this.#sendEach(accepted));
		this.#refusals.taken(accepted, refused);
		return [...failures, ...Array.from(refused, ([id, error]) => ({ id, error }))];
	}

	/**
	 * Sends everything that Kafka accepts; a topic may have a smaller size limit than ours. Returns what it refused, and
	 * why.
	 */
	async #sendEach(messages: readonly CarrierMessage[]): Promise<ReadonlyMap<string, string>> {
		const refused = new Map<string, string>();
		await bisect(
			messages,
			(group) => {
				return this.#send(group.flatMap((message) => this.#outgoing(message)));
			},
			({ id }, error) => refused.set(id, brokerTrouble(error)),
			(error) => !isTooLarge(error),
		);
		return refused;
	}

	subscribe(group: string, handle: BatchHandler, options: SubscribeOptions = {}): Subscription {
		const refusals = this.#refusals;
		const consumer = new GroupConsumer(group, handle, options, {
			client: () => this.#client((error) => refusals.failed(`consumer ${group}`, error)),
			topics: this.#topics,
			keeper: this.#keeper,
			clock: this.#clock,
			log: this.#quietly,
			refusals,
			send: (records) => refusals.watch(`forward for ${group}`, () => this.#send(records)),
		});
		this.#consumers.add(consumer);
		return {
			get sinceLastBeat() {
				return consumer.sinceLastBeat;
			},
			close: async () => {
				await consumer.close();
				this.#consumers.delete(consumer);
			},
		};
	}

	close(): Promise<void> {
		this.#closing ??= this.#close();
		return this.#closing;
	}

	async #close(): Promise<void> {
		await Promise.all([...this.#consumers].map((consumer) => consumer.close()));
		await Promise.all([this.#producer.close(), this.#keeper.close()]);
	}

	/** One record for each group that takes the type; a record for others where none does. */
	#outgoing(message: CarrierMessage): readonly Outgoing[] {
		const groups = this.#topics.groupsOf(message.type);
		const topics = groups.length === 0 ? [this.#topics.others] : groups.map((group) => this.#topics.direct(group));
		if (groups.length === 0 || message.deliverAt === null || message.delay <= 0)
			return topics.map((topic) => ({ topic, record: toRecord(fresh(message, null)) }));
		const now = this.#clock.now();
		return groups.map((group) => this.#topics.later(group, fresh(message, message.deliverAt), now));
	}

	/** Creates missing topics, and waits while a leader is being chosen. */
	async #send(records: readonly Outgoing[]): Promise<void> {
		if (records.length === 0) return;
		const topics = new Set(records.map(({ topic }) => topic));
		const deadline = performance.now() + LEADER_PATIENCE;
		await this.#keeper.ready(topics);
		for (;;) {
			try {
				return await this.#producer.send(records);
			} catch (error) {
				if (!hasNoLeader(error) || performance.now() > deadline) {
					this.#keeper.look();
					throw error;
				}
				await pause(LEADER_POLL);
				await this.#keeper.ensure(topics);
			}
		}
	}
}
