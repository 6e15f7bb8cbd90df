import { performance } from 'node:perf_hooks';
import type { Kafka, KafkaMessage } from 'kafkajs';
import { type Duration, type Instant, SECOND } from '../../../domain/time.ts';
import type { Clock } from '../../database/index.ts';
import { endedWithin, type Log, Loop } from '../../runtime/index.ts';
import type { BatchHandler, SubscribeOptions, Subscription } from '../carrier.ts';
import type { Refusals } from '../refusals.ts';
import { Batches } from './batches.ts';
import { nextStep } from './delay-ladder.ts';
import { type Held, PartitionReader } from './partition.ts';
import { type Carried, type Outgoing, toCarried, unreadable } from './records.ts';
import { GroupSession } from './session.ts';
import { StandstillWatch } from './standstill.ts';
import type { TopicKeeper } from './topic-keeper.ts';
import type { Topics } from './topics.ts';

const DEFAULT_BATCH = 500;
/** The longest pause between two looks, in case a clock was set or a timer is late. */
const LONGEST_SLEEP: Duration = SECOND;
/** A consumer that has heard nothing from its group for this long is replaced, even if kafkajs reports no error. */
const DEAF: Duration = 30 * SECOND;
/** How long a handler is waited for at a rebalance. If it takes longer, its messages come twice. */
const CALM_PATIENCE: Duration = SECOND;
/** How long the last commit may take; what is not committed comes again. */
const COMMIT_PATIENCE: Duration = 2 * SECOND;

/** What a consumer needs of its carrier. */
export interface Surroundings {
	readonly client: () => Kafka;
	readonly topics: Topics;
	readonly keeper: TopicKeeper;
	readonly clock: Clock;
	readonly log: Log;
	readonly refusals: Refusals;
	readonly send: (records: readonly Outgoing[]) => Promise<void>;
}

/**
 * A member of a consumer group: reads its partitions, waits, has messages handled, and commits behind them. After each
 * rebalance it forgets what it has read and begins at the group's committed offset; messages in progress may come
 * twice.
 */
export class GroupConsumer implements Subscription {
	readonly #group: string;
	readonly #around: Surroundings;
	readonly #batches: Batches;
	readonly #partitions = new Map<string, PartitionReader>();
	readonly #living: Loop;
	readonly #committing: Loop;
	readonly #watch: StandstillWatch;
	/** what was read and has to wait, the earliest first */
	#waiting: { readonly at: Instant; readonly held: Held }[] = [];
	#session: GroupSession | undefined;
	#lastBeat = performance.now();
	#timer: NodeJS.Timeout | undefined;
	#closing: Promise<void> | undefined;

	constructor(group: string, handle: BatchHandler, options: SubscribeOptions, around: Surroundings) {
		this.#group = group;
		this.#around = around;
		const { batch = DEFAULT_BATCH, concurrency = 1 } = options;
		const done = (some: readonly Held[]): void => this.#done(some);
		this.#batches = new Batches({ ...around, group, batch, concurrency, handle, done });
		const living = `consumer ${group}`;
		this.#living = new Loop(living, around.log, () => around.refusals.watch(living, () => this.#live()));
		this.#committing = new Loop(`commits of ${group}`, around.log, async () => {
			await this.#commit();
			return LONGEST_SLEEP;
		});
		const readers = (): PartitionReader[] => [...this.#partitions.values()];
		this.#watch = new StandstillWatch(around.keeper, around.log, readers, (still) => this.#standsStill(still));
		this.#living.start();
		this.#committing.start();
	}

	get sinceLastBeat(): Duration {
		return performance.now() - this.#lastBeat;
	}

	close(): Promise<void> {
		this.#closing ??= this.#close();
		return this.#closing;
	}

	async #close(): Promise<void> {
		await this.#batches.close();
		await this.#calm();
		const living = this.#living.stop();
		this.#session?.end('closed');
		await Promise.all([living, this.#committing.stop(), endedWithin(this.#watch.stop(), COMMIT_PATIENCE)]);
		clearTimeout(this.#timer);
	}

	/** One session, from its start to its end. */
	async #live(): Promise<Duration> {
		const { client, clock, keeper, topics, log } = this.#around;
		await keeper.ensure();
		clock.now(); // throws until the clock was read
		if (this.#closing !== undefined) return 0;
		const session = new GroupSession(client(), topics.groupId(this.#group), {
			rejoining: () => this.#batches.halt(),
			joined: (assignment) => this.#joined(session, assignment),
			read: (topic, partition, records) => this.#read(topic, partition, records),
			round: (since) => this.#round(since),
			beat: () => {
				this.#lastBeat = performance.now();
			},
		});
		const all = topics.lanes(this.#group).map(({ topic }) => topic);
		const present = (): readonly string[] => all.filter((topic) => keeper.has(topic));
		const lanes = present();
		const ignore = keeper.onLook(() => {
			const found = present().find((topic) => !lanes.includes(topic));
			if (found !== undefined) this.#replace(session, `${found} is new`);
		});
		this.#session = session;
		try {
			await Promise.race([session.start(lanes), session.ended]);
			log.debug(`consumer ${this.#group} ended: ${await session.ended}`);
		} finally {
			keeper.look();
			ignore();
			this.#session = undefined;
			this.#batches.halt();
			await session.stop();
		}
		return 0;
	}

	/** Finishes and commits the batches in progress before it leaves the group, so that they do not come twice. */
	async #calm(): Promise<void> {
		this.#batches.halt();
		await endedWithin(this.#batches.idle(), CALM_PATIENCE);
		await endedWithin(this.#commit(), COMMIT_PATIENCE);
	}

	#replace(session: GroupSession, reason: string): void {
		void this.#calm().then(() => session.end(reason));
	}

	/** Whatever keeps a partition from moving, a new session begins without it. */
	#standsStill({ topic, number, next }: PartitionReader): void {
		if (this.#session === undefined) return;
		const reason = `${keyOf(topic, number)} stands still at ${next}, and there is more`;
		this.#around.log.warn(`consumer ${this.#group} is replaced: ${reason}`);
		this.#replace(this.#session, reason);
	}

	#joined(session: GroupSession, assignment: Readonly<Record<string, readonly number[]>>): void {
		this.#lastBeat = performance.now();
		for (const partition of this.#partitions.values()) partition.gone = true;
		this.#partitions.clear();
		this.#waiting = [];
		for (const lane of this.#around.topics.lanes(this.#group))
			for (const number of assignment[lane.topic] ?? [])
				this.#partitions.set(keyOf(lane.topic, number), new PartitionReader(lane, number));
		this.#batches.restart();
		this.#tick();
		this.#position(session, [...this.#partitions.values()]).catch(session.fail);
	}

	/** Reads on from where the group stands, or from `most` if that is less. */
	async #position(session: GroupSession, partitions: readonly PartitionReader[], most = Infinity): Promise<void> {
		const { keeper, topics, refusals } = this.#around;
		const groupId = topics.groupId(this.#group);
		const committed = await refusals.watch(groupId, () => keeper.ask((admin) => admin.fetchOffsets({ groupId })));
		const offsets = new Map(
			committed.flatMap(({ topic, partitions: some }) =>
				some.map(({ partition, offset }) => [keyOf(topic, partition), Math.max(0, Number(offset))] as const),
			),
		);
		for (const partition of partitions) {
			if (partition.gone) continue; // the group was joined again meanwhile
			const { topic, number } = partition;
			partition.begin(Math.min(most, offsets.get(keyOf(topic, number)) ?? 0));
			session.readFrom(topic, number, String(partition.next));
		}
		this.#tick();
	}

	#read(topic: string, number: number, records: readonly KafkaMessage[]): string | undefined {
		const key = keyOf(topic, number);
		const partition = this.#partitions.get(key);
		const [first] = records;
		const session = this.#session;
		if (!partition?.takes || first === undefined || session === undefined) return undefined;
		if (partition.hasRead(first)) {
			this.#around.log.warn(`${key} was lost: its messages that were read are dropped, and it is read anew`);
			this.#readAnew(session, partition, Number(first.offset));
			return undefined;
		}
		if (partition.skips(first)) {
			this.#around.log.debug(`${key} goes on at ${first.offset}, not at ${partition.next}: it is asked for again`);
			session.readFrom(topic, number, String(partition.next));
			return undefined;
		}
		const now = this.#around.clock.now();
		const taken = partition.read(records, now, (record) => this.#parse(record, key));
		for (const held of taken) this.#take(held, now);
		if (partition.readAgainAt !== undefined) session.pause(topic, number);
		this.#tick();
		return taken.at(-1)?.offset.toString();
	}

	/** Forgets what was read of it. */
	#readAnew(session: GroupSession, before: PartitionReader, first: number): void {
		const partition = new PartitionReader(before.lane, before.number);
		before.gone = true;
		this.#partitions.set(keyOf(partition.topic, partition.number), partition);
		session.pause(partition.topic, partition.number);
		this.#position(session, [partition], first).catch(session.fail);
	}

	/** A message of a type that the group does not take is unreadable for it. */
	#parse(record: KafkaMessage, place: string): Carried {
		const message = toCarried(record, place);
		const { type } = message;
		if (message.unreadable !== undefined || this.#around.topics.takes(this.#group, type)) return message;
		return unreadable(message, `unreadable: ${this.#group} does not take the type ${type}`);
	}

	#take(held: Held, now: Instant): void {
		if (held.release > now) this.#wait(held, held.release);
		else this.#letGo(held, now);
	}

	#wait(held: Held, at: Instant): void {
		// Most come in the order of their moments: the place is found at the end.
		this.#waiting.splice(this.#waiting.findLastIndex((other) => other.at <= at) + 1, 0, { at, held });
	}

	/** It is due, or goes to a lower rung (both in batches), or it waits in memory for its last seconds. */
	#letGo(held: Held, now: Instant): void {
		const { due } = held.message;
		if (due !== null && nextStep(held.home.lane.hold, due - now) === 'wait') this.#wait(held, due);
		else this.#batches.add(held);
	}

	/** Releases due messages, resumes reading where it is time, and sets the timer for the next look. */
	#tick(): void {
		clearTimeout(this.#timer);
		if (this.#session === undefined) return;
		if (this.sinceLastBeat > DEAF) this.#session.end('the group does not answer');
		const now = this.#around.clock.now();
		const later = this.#waiting.findIndex(({ at }) => at > now);
		for (const { held } of this.#waiting.splice(0, later === -1 ? this.#waiting.length : later)) this.#letGo(held, now);
		let next = Math.min(this.#waiting[0]?.at ?? Number.POSITIVE_INFINITY, now + LONGEST_SLEEP);
		for (const partition of this.#partitions.values()) {
			const { readAgainAt } = partition;
			if (readAgainAt === undefined) continue;
			if (readAgainAt > now) next = Math.min(next, readAgainAt);
			else {
				partition.resume();
				this.#session.resume(partition.topic, partition.number);
			}
		}
		this.#timer = setTimeout(() => this.#tick(), Math.max(1, Math.ceil(next - now)));
	}

	/** A round of fetches that began at `since` brought nothing for the partitions that were read all the time. */
	#round(since: number): void {
		const now = this.#around.clock.now();
		if (Number.isFinite(since)) this.#around.refusals.done(this.#living.name);
		for (const partition of this.#partitions.values()) {
			if (!partition.takes || partition.readingSince > since) continue;
			partition.rest(now);
			if (partition.readAgainAt !== undefined) this.#session?.pause(partition.topic, partition.number);
		}
	}

	#done(batch: readonly Held[]): void {
		for (const held of batch) held.done = true;
		let isFull = false;
		for (const partition of new Set(batch.map(({ home }) => home))) {
			if (partition.gone) continue;
			if (partition.advance()) this.#committing.wake();
			isFull ||= partition.readAgainAt === 0;
		}
		if (isFull) this.#tick();
	}

	/** Commits behind what is done, for all partitions in one request. */
	async #commit(): Promise<void> {
		const commits = [...this.#partitions.values()].flatMap((reader) =>
			reader.toCommit === undefined ? [] : [{ reader, offset: reader.toCommit }],
		);
		if (commits.length === 0 || this.#session === undefined) return;
		await this.#session.commit(
			commits.map(({ reader, offset }) => ({ topic: reader.topic, partition: reader.number, offset })),
		);
		for (const { reader, offset } of commits) reader.committed(offset);
	}
}

const keyOf = (topic: string, partition: number): string => `${topic}/${partition}`;
