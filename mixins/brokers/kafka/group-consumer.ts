import { performance } from 'node:perf_hooks';
import { setTimeout as pause } from 'node:timers/promises';
import type { Kafka, KafkaMessage } from 'kafkajs';
import { type Duration, type Instant, SECOND } from '../../../domain/time.ts';
import { errorMessage, type Log, Loop } from '../../runtime/index.ts';
import type { BatchHandler, SubscribeOptions, Subscription } from '../carrier.ts';
import type { Refusals } from '../refusals.ts';
import type { BrokerClock } from './broker-clock.ts';
import { Committer } from './committer.ts';
import { LAST_WAIT, nextStep } from './delay-ladder.ts';
import { Dispatcher } from './dispatcher.ts';
import type { Forwarder } from './forwarder.ts';
import { GroupSession } from './group-session.ts';
import { type Held, LanePartition } from './lane-partition.ts';
import { Schedule } from './schedule.ts';
import type { Partitions } from './sticky-assignment.ts';
import type { TopicKeeper } from './topic-keeper.ts';
import type { Topics } from './topics.ts';

const DEFAULT_BATCH = 500;
/** The slow look beside every timer: clocks are set, and timers are late. */
const LONGEST_SLEEP: Duration = SECOND;
/** A consumer that has heard nothing from its group for so long is replaced, whatever kafkajs thinks of it. */
const DEAF: Duration = 30 * SECOND;
/** A handler that takes longer holds up nobody: its messages come twice then. */
const CALM_PATIENCE: Duration = SECOND;

/** What a consumer needs of its carrier. */
export interface Surroundings {
	readonly client: () => Kafka;
	readonly topics: Topics;
	readonly clock: BrokerClock;
	readonly log: Log;
	readonly refusals: Refusals;
	readonly keeper: TopicKeeper;
	/** resolves when topics are there and the broker's clock is known */
	readonly ready: () => Promise<void>;
	readonly forwarder: (name: string) => Forwarder;
}

/** A member of a consumer group: reads its partitions, waits, has messages handled, and commits behind them. */
export class GroupConsumer implements Subscription {
	readonly #group: string;
	readonly #around: Surroundings;
	readonly #dispatcher: Dispatcher;
	readonly #forwarder: Forwarder;
	readonly #schedule = new Schedule<Held>();
	readonly #partitions = new Map<string, LanePartition>();
	readonly #living: Loop;
	readonly #committer: Committer;
	#session: GroupSession | undefined;
	#member = '';
	/** counts the times that the group was joined */
	#joins = 0;
	#lastBeat = performance.now();
	#timer: NodeJS.Timeout | undefined;
	#closing: Promise<void> | undefined;

	constructor(group: string, handle: BatchHandler, options: SubscribeOptions, around: Surroundings) {
		this.#group = group;
		this.#around = around;
		this.#forwarder = around.forwarder(group);
		this.#dispatcher = new Dispatcher({
			name: `consumer ${group}`,
			batch: options.batch ?? DEFAULT_BATCH,
			concurrency: options.concurrency ?? 1,
			handle,
			log: around.log,
			settle: (batch, failures) => {
				const errors = new Map(failures.map(({ id, error }) => [id, error]));
				for (const held of batch) {
					const error = errors.get(held.message.id);
					if (error === undefined) this.#done(held);
					else this.#forwarder.failed(held, error, () => this.#done(held));
				}
			},
		});
		const living = `consumer ${group}`;
		this.#living = new Loop(living, around.log, () => around.refusals.watch(living, () => this.#live()));
		this.#committer = new Committer(
			group,
			around.log,
			async (commits) => {
				if (this.#session === undefined) throw new Error('no consumer is in the group');
				await this.#session.commit(commits);
			},
			() => this.#tick(), // there is room for more
		);
		this.#living.start();
	}

	get sinceLastBeat(): Duration {
		return performance.now() - this.#lastBeat;
	}

	close(): Promise<void> {
		this.#closing ??= this.#close();
		return this.#closing;
	}

	async #close(): Promise<void> {
		await this.#dispatcher.close();
		await this.#forwarder.close();
		await this.#committer.close();
		const living = this.#living.stop();
		this.#session?.end('closed');
		await living;
		clearTimeout(this.#timer);
	}

	/** One session, from its start to its end. */
	async #live(): Promise<Duration> {
		const { client, keeper, topics, ready, log } = this.#around;
		await ready();
		if (this.#closing !== undefined) return 0;
		const session = new GroupSession(client(), topics.groupId(this.#group), {
			claim: () => this.#claim(),
			joined: (member, partitions) => this.#joined(session, member, partitions),
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
			if (found !== undefined) void this.#calm().then(() => session.end(`${found} is new`));
		});
		this.#session = session;
		try {
			await Promise.race([session.start(lanes), session.ended]);
			this.#tick();
			log.debug(`consumer ${this.#group} ended: ${await session.ended}`);
		} finally {
			keeper.look();
			ignore();
			this.#session = undefined;
			this.#joins += 1; // what belonged to the session is over
			this.#dispatcher.halt();
			await session.stop();
		}
		return 0;
	}

	/** Lets what is in hand end before the group is left, so that nobody gets it twice. */
	async #calm(): Promise<void> {
		this.#dispatcher.halt();
		await Promise.race([this.#dispatcher.idle(), pause(CALM_PATIENCE, undefined, { ref: false })]);
		await this.#committer.flush();
	}

	/** What this member has and works on, in the moment in which it joins again; until then it begins nothing. */
	#claim(): { member: string; held: Partitions; busy: Partitions } {
		this.#dispatcher.halt();
		const all = [...this.#partitions.values()];
		const byTopic = (some: readonly LanePartition[]): Partitions =>
			Object.fromEntries(
				[...Map.groupBy(some, ({ topic }) => topic)].map(([topic, group]) => [
					topic,
					group.map((one) => one.partition),
				]),
			);
		const busy = all.filter(
			(partition) =>
				this.#dispatcher.works(partition) || this.#forwarder.works(partition) || this.#committer.works(partition),
		);
		return { member: this.#member, held: byTopic(all), busy: byTopic(busy) };
	}

	#joined(session: GroupSession, member: string, assignment: Partitions): void {
		this.#member = member;
		this.#joins += 1;
		this.#lastBeat = performance.now();
		const before = new Map(this.#partitions);
		this.#partitions.clear();
		const lanes = new Map(this.#around.topics.lanes(this.#group).map((lane) => [lane.topic, lane]));
		for (const [topic, partitions] of Object.entries(assignment)) {
			const lane = lanes.get(topic);
			for (const number of lane === undefined ? [] : partitions) {
				const key = keyOf(topic, number);
				const partition = before.get(key) ?? (lane === undefined ? undefined : new LanePartition(lane, number));
				if (partition === undefined) continue;
				partition.wait();
				this.#partitions.set(key, partition);
				before.delete(key);
			}
		}
		for (const lost of before.values()) this.#forget(lost);
		this.#dispatcher.resume();
		void this.#position(session, this.#joins);
	}

	/** Reads on from where the group stands. What this member has taken already, it knows when it sees it. */
	async #position(session: GroupSession, join: number): Promise<void> {
		const { keeper, topics, log, refusals } = this.#around;
		const groupId = topics.groupId(this.#group);
		for (let wait = 50; join === this.#joins; wait = Math.min(2 * wait, SECOND)) {
			try {
				const committed = await refusals.watch(groupId, () => keeper.ask((admin) => admin.fetchOffsets({ groupId })));
				if (join !== this.#joins) return;
				const offsets = new Map(
					committed.flatMap(({ topic, partitions }) =>
						partitions.map(({ partition, offset }) => [keyOf(topic, partition), offset] as const),
					),
				);
				for (const [key, partition] of this.#partitions) {
					const offset = String(partition.readFrom(Math.max(0, Number(offsets.get(key) ?? 0))));
					session.readFrom(partition.topic, [{ partition: partition.partition, offset }]);
				}
				return;
			} catch (error) {
				log.debug(`offsets of ${this.#group}: ${errorMessage(error)}`);
				await pause(wait);
			}
		}
	}

	#read(topic: string, number: number, records: readonly KafkaMessage[]): string | undefined {
		const partition = this.#partitions.get(keyOf(topic, number));
		if (!partition?.open) return undefined;
		partition.readingSince = performance.now(); // it is not empty
		const { taken, forgotten, last } = partition.read(records, this.#around.clock.now());
		if (forgotten.length > 0) {
			this.#dispatcher.drop(partition);
			this.#committer.drop(partition);
			this.#around.log.warn(`${topic}/${number} begins anew: ${forgotten.length} messages that were read are dropped`);
		}
		for (const held of taken) this.#take(held);
		if (partition.readAgainAt !== undefined) this.#session?.pause(topic, number);
		this.#tick();
		return last;
	}

	#take(held: Held): void {
		const { lane } = held.home;
		const { due, type, unreadable } = held.message;
		if (unreadable !== undefined) this.#forwarder.dead(held, unreadable, () => this.#done(held));
		else if (!this.#around.topics.takes(this.#group, type))
			this.#forwarder.dead(held, `unreadable: ${this.#group} does not take the type ${type}`, () => this.#done(held));
		else if (lane.direct || due === null) this.#dispatcher.add(held);
		else this.#schedule.add(nextStep(lane.hold, held.appended, due).at, held);
	}

	/** Does what is due, reads on where it is time, and comes back when there is more. */
	#tick(): void {
		clearTimeout(this.#timer);
		if (this.#session === undefined) return;
		if (this.sinceLastBeat > DEAF) this.#session.end('the group does not answer');
		const now = this.#around.clock.now();
		for (const held of this.#schedule.due(now)) this.#letGo(held, now);
		let next = Math.min(this.#schedule.next, now + LONGEST_SLEEP);
		for (const partition of this.#partitions.values()) {
			const at = partition.readAgainAt ?? Number.POSITIVE_INFINITY;
			if (at <= now) {
				partition.readAgainAt = undefined;
				partition.readingSince = performance.now();
				this.#session.resume(partition.topic, partition.partition);
			} else next = Math.min(next, at);
		}
		this.#timer = setTimeout(() => this.#tick(), Math.max(1, Math.ceil(next - now)));
	}

	/** Its rung lets it go, or it is due: to the handler, into memory for the last seconds, or to the next rung. */
	#letGo(held: Held, now: Instant): void {
		if (held.gone) return;
		const left = (held.message.due ?? 0) - now;
		if (left <= 0) this.#dispatcher.add(held);
		else if (left <= LAST_WAIT || held.home.lane.hold === 0) this.#schedule.add(now + left, held);
		else this.#forwarder.move(held, left, () => this.#done(held));
	}

	/** A round of fetches that began at `since` brought nothing for the partitions that were read all the time. */
	#round(since: number): void {
		const now = this.#around.clock.now();
		if (Number.isFinite(since)) this.#around.refusals.done(this.#living.name);
		for (const partition of this.#partitions.values()) {
			if (!partition.open || partition.readAgainAt !== undefined || partition.readingSince > since) continue;
			partition.rest(now);
			if (partition.readAgainAt !== undefined) this.#session?.pause(partition.topic, partition.partition);
		}
	}

	#done(held: Held): void {
		held.done = true;
		if (held.gone) return;
		this.#committer.add(held.home);
	}

	#forget(partition: LanePartition): void {
		this.#dispatcher.drop(partition);
		this.#committer.drop(partition);
		partition.forget();
	}
}

const keyOf = (topic: string, partition: number): string => `${topic}/${partition}`;
