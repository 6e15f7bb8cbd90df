import { Buffer } from 'node:buffer';
import { performance } from 'node:perf_hooks';
import { setTimeout as pause } from 'node:timers/promises';
import type { Kafka } from 'kafkajs';
import { type Duration, MINUTE, SECOND } from '../../../domain/time.ts';
import { bisect, type Log, Loop, quietLog } from '../../runtime/index.ts';
import {
	type BatchHandler,
	type Carrier,
	type CarrierMessage,
	type DeadLetter,
	type Failure,
	LONGEST_BODY,
	type OnDeadLetter,
	type SubscribeOptions,
	type Subscription,
	type Topology,
} from '../carrier.ts';
import { Refusals } from '../refusals.ts';
import { type SetAside, settingAside } from '../set-aside.ts';
import { brokerTrouble } from '../trouble.ts';
import { BrokerClock } from './broker-clock.ts';
import { createClient, hasNoLeader, isTooLarge, parseKafkaUrl } from './client.ts';
import { DeadLetters } from './dead-letters.ts';
import { Forwarder } from './forwarder.ts';
import { GroupConsumer } from './group-consumer.ts';
import { KafkaProducer } from './producer.ts';
import { fresh, type Outgoing, toRecord } from './records.ts';
import { TopicKeeper } from './topic-keeper.ts';
import { Topics } from './topics.ts';

const DEFAULT_PREFIX = 'protected-payment';
const DEFAULT_PARTITIONS = 6;
/** How often consumers ask what the broker's clock says. */
const ASK_CLOCK: Duration = 10 * SECOND;
/** A publisher's own requests tell it; one that has sent nothing for so long asks first. */
const CLOCK_TOO_OLD: Duration = MINUTE;
/** How long a partition may be without a leader before a publication fails. */
const LEADER_PATIENCE: Duration = 5 * SECOND;
const LEADER_POLL: Duration = 50;

export interface KafkaOptions {
	/** what the names of topics and groups begin with */
	readonly prefix?: string;
	/** of each topic that a group reads; no more consumers than that share the work */
	readonly partitions?: number;
	/** as many as there are brokers, at most three, unless given */
	readonly replication?: number;
	readonly clock?: BrokerClock;
	readonly onDeadLetter?: OnDeadLetter;
}

/** Kafka as the carrier: a topic for each group, and a ladder of topics for what it is to get later. */
export class KafkaCarrier implements Carrier {
	/** The clocks of database and broker drift apart while a message waits; it is meant to come on time. */
	readonly early: Duration = SECOND;
	readonly publications = 3;
	readonly #client: (heard?: (error: Error) => void) => Kafka;
	readonly #topology: Topology;
	/** for whatever fails because Kafka is away */
	readonly #quietly: Log;
	readonly #setAside: SetAside;
	readonly #refusals: Refusals;
	readonly #topics: Topics;
	readonly #clock: BrokerClock;
	readonly #keeper: TopicKeeper;
	readonly #publishing: KafkaProducer;
	/** what consumers send on, and questions for the time; not behind a large publication */
	readonly #forwarding: KafkaProducer;
	readonly #asking: Loop;
	readonly #deadLetters: DeadLetters;
	readonly #consumers = new Set<GroupConsumer>();
	#closing: Promise<void> | undefined;

	/** Throws if the URL cannot be understood; begins to connect by itself otherwise. */
	constructor(url: string, topology: Topology, log: Log, options: KafkaOptions = {}) {
		const parsed = parseKafkaUrl(url);
		const { prefix = DEFAULT_PREFIX, partitions = DEFAULT_PARTITIONS, replication } = options;
		this.#client = (heard) => createClient(parsed, log, heard);
		this.#topology = topology;
		this.#topics = new Topics(prefix, topology);
		this.#clock = options.clock ?? new BrokerClock();
		const wanted = replication === undefined ? { partitions } : { partitions, replication };
		this.#refusals = new Refusals(log);
		const unlessRefused = quietLog(log, () => this.#refusals.reason !== undefined);
		this.#keeper = new TopicKeeper(this.#client, this.#topics, wanted, unlessRefused, this.#refusals);
		this.#setAside = settingAside(log, options.onDeadLetter);
		this.#quietly = quietLog(log, () => this.waitsFor !== undefined);
		this.#publishing = new KafkaProducer(this.#client, this.#clock);
		this.#forwarding = new KafkaProducer(this.#client, this.#clock);
		this.#asking = new Loop("Kafka's clock", this.#quietly, async () => {
			await this.#refusals.watch('clock', () => this.#askClock(ASK_CLOCK));
			return ASK_CLOCK;
		});
		this.#deadLetters = new DeadLetters({
			client: this.#client,
			topics: this.#topics,
			ask: (question) => this.#keeper.ask(question),
			send: (records) => this.#send(this.#publishing, records),
		});
		this.#keeper.start();
	}

	/** What keeps it from its work, as one sentence; undefined if nothing does. */
	get waitsFor(): string | undefined {
		return this.#keeper.waitsFor ?? this.#refusals.reason;
	}

	async publish(messages: readonly CarrierMessage[]): Promise<readonly Failure[]> {
		const failures: Failure[] = [];
		const accepted: CarrierMessage[] = [];
		const known = new Set(this.#topology.types);
		for (const message of messages) {
			const error = refusal(message, known);
			if (error === undefined) accepted.push(message);
			else failures.push({ id: message.id, error });
		}
		if (accepted.some(isDelayed)) await this.#askClock(CLOCK_TOO_OLD);
		if (accepted.length === 0) return failures;
		const refused = await this.#refusals.watch('publish', () => this.#sendEach(accepted));
		this.#refusals.taken(accepted, refused);
		return [...failures, ...Array.from(refused, ([id, error]) => ({ id, error }))];
	}

	/** All that Kafka takes; a topic may have a limit for their size that is not ours. Answers what it did not take, and why. */
	async #sendEach(messages: readonly CarrierMessage[]): Promise<ReadonlyMap<string, string>> {
		const refused = new Map<string, string>();
		await bisect(
			messages,
			(group) => {
				const records = group.flatMap((message) => this.#outgoing(message));
				return this.#send(this.#publishing, records);
			},
			({ id }, error) => refused.set(id, brokerTrouble(error)),
			(error) => !isTooLarge(error),
		);
		return refused;
	}

	subscribe(group: string, handle: BatchHandler, options: SubscribeOptions = {}): Subscription {
		this.#asking.start();
		const log = this.#quietly;
		const consumer = new GroupConsumer(group, handle, options, {
			client: () => this.#client((error) => this.#refusals.failed(`consumer ${group}`, error)),
			topics: this.#topics,
			clock: this.#clock,
			log,
			refusals: this.#refusals,
			keeper: this.#keeper,
			ready: async () => {
				await this.#keeper.ensure();
				await this.#askClock(ASK_CLOCK);
			},
			forwarder: (name) =>
				new Forwarder(name, { topics: this.#topics, clock: this.#clock, log, setAside: this.#setAside }, (records) =>
					this.#refusals.watch(`forward for ${name}`, () => this.#send(this.#forwarding, records)),
				),
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

	async deadLetters(limit: number): Promise<readonly DeadLetter[]> {
		await this.#keeper.ready();
		return this.#deadLetters.list(limit);
	}

	async replayDeadLetters(ids?: readonly string[]): Promise<number> {
		if (ids?.length === 0) return 0;
		await this.#keeper.ready();
		return this.#deadLetters.replay(ids);
	}

	close(): Promise<void> {
		this.#closing ??= this.#close();
		return this.#closing;
	}

	async #close(): Promise<void> {
		await Promise.all([...this.#consumers].map((consumer) => consumer.close()));
		await Promise.all([this.#asking.stop(), this.#deadLetters.close()]);
		await Promise.all([this.#publishing.close(), this.#forwarding.close(), this.#keeper.close()]);
	}

	/** One record for each group that takes the type; a record for others where none does. */
	#outgoing(message: CarrierMessage): readonly Outgoing[] {
		const groups = this.#topics.groupsOf(message.type);
		const due = isDelayed(message) ? Math.ceil(this.#clock.latest() + message.delay) : null;
		const record = toRecord(fresh(message, groups.length === 0 ? null : due));
		if (groups.length === 0) return [{ topic: this.#topics.others, record }];
		return groups.map((group) => ({
			topic: due === null ? this.#topics.direct(group) : this.#topics.delayed(group, message.delay),
			record,
		}));
	}

	/** Topics that are not there are made; a leader that is being chosen is waited for. */
	async #send(producer: KafkaProducer, records: readonly Outgoing[]): Promise<void> {
		if (records.length === 0) return;
		const topics = new Set(records.map(({ topic }) => topic));
		const deadline = performance.now() + LEADER_PATIENCE;
		await this.#keeper.ready(topics);
		for (;;) {
			try {
				return await producer.send(records);
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

	/** Learns what the broker's clock says, unless that was learnt just now. */
	async #askClock(tooOld: Duration): Promise<void> {
		if (this.#clock.age < tooOld / 2) return;
		await this.#send(this.#forwarding, [{ topic: this.#topics.clock, record: { key: null, value: '' } }]);
	}
}

const isDelayed = ({ deliverAt, delay }: CarrierMessage): boolean => deliverAt !== null && delay > 0;

/** A type that nobody ever declared is refused; an event without a group of ours is for others. */
function refusal(message: CarrierMessage, known: ReadonlySet<string>): string | undefined {
	if (!known.has(message.type)) return `unroutable: nobody knows the type ${message.type}`;
	const size = Buffer.byteLength(message.body);
	return size > LONGEST_BODY ? `too large: ${size} bytes, at most ${LONGEST_BODY}` : undefined;
}
