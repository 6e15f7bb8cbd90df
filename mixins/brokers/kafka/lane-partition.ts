import { performance } from 'node:perf_hooks';
import type { KafkaMessage } from 'kafkajs';
import { type Duration, type Instant, SECOND } from '../../../domain/time.ts';
import { OffsetWindow } from './offset-window.ts';
import { type Carried, identityOf, toCarried } from './records.ts';
import type { Lane } from './topics.ts';

/** A message that a consumer has read and Kafka does not know to be handled. */
export interface Held {
	readonly home: LanePartition;
	readonly offset: number;
	readonly identity: string;
	readonly message: Carried;
	/** when it was appended, by the broker's clock */
	readonly appended: Instant;
	/** it needs nothing more: handled, or on its way somewhere else, and Kafka has it there */
	done: boolean;
	/** its partition is somebody else's now */
	gone: boolean;
}

/** What became of a reading. */
export interface Reading {
	/** what was taken, and is new */
	readonly taken: readonly Held[];
	/** what was taken before, and stood for records that are not there any more */
	readonly forgotten: readonly Held[];
	/** the offset of the last record that needs no second reading */
	readonly last: string | undefined;
}

/** Messages and bytes that are taken from a partition and not committed, at most. */
const MOST_TAKEN = 2_000;
const MOST_BYTES = 8 * 1024 * 1024;
/** A message is read this long before its rung lets it go. */
const AHEAD: Duration = 2 * SECOND;
/** A rung whose next message has longer to wait is looked at again when that has only so long to wait. */
const READ_BEFORE: Duration = SECOND / 2;
/** An empty rung, whatever is appended to it now, is looked at so often. */
const LOOK_EVERY: Duration = 2 * SECOND;

/** One partition that this consumer has: what it took from there, and when it is to read on. */
export class LanePartition {
	readonly lane: Lane;
	readonly partition: number;
	readonly window = new OffsetWindow<Held>();
	/** whether readings are for it to take: it knows where the group stands */
	open = false;
	/** when to read on, by the broker's clock; undefined while it reads, infinite while it is full */
	readAgainAt: Instant | undefined;
	/** since when it reads, by the process's timer */
	readingSince = Number.POSITIVE_INFINITY;
	/** what Kafka confirmed to be committed since the group was joined last; 0 if nothing was */
	#confirmed = 0;
	#bytes = 0;

	constructor(lane: Lane, partition: number) {
		this.lane = lane;
		this.partition = partition;
	}

	get topic(): string {
		return this.lane.topic;
	}

	/** The group was joined again: nothing is read before it is asked where the group stands. */
	wait(): void {
		this.open = false;
		this.#confirmed = 0;
	}

	/**
	 * The group stood at this offset when it was asked, after it was joined; answers where to read on. What was handled
	 * and committed meanwhile would otherwise be read as new.
	 */
	readFrom(committed: number): number {
		this.committed(committed);
		this.open = true;
		this.readAgainAt = undefined;
		this.readingSince = performance.now();
		return Math.max(committed, this.#confirmed);
	}

	/** Takes what it may of records that were read, and says with `readAgainAt` when it wants more. */
	read(records: readonly KafkaMessage[], now: Instant): Reading {
		const taken: Held[] = [];
		const forgotten: Held[] = [];
		let last: string | undefined;
		for (const record of records) {
			const offset = Number(record.offset);
			const identity = identityOf(record);
			const found = this.window.look(offset, identity);
			if (found === 'other') forgotten.push(...this.forget());
			if (found !== 'known') {
				const appended = Number(record.timestamp);
				this.readAgainAt = this.#mayTake(appended, now);
				if (this.readAgainAt !== undefined) break;
				const message = toCarried(record, `${this.topic}/${this.partition}`);
				const held = { home: this, offset, identity, message, appended, done: false, gone: false };
				this.#bytes += message.body.length;
				this.window.add(held);
				taken.push(held);
			}
			last = record.offset;
		}
		return { taken, forgotten, last };
	}

	/** Nothing came in a whole round of reading: a rung need not be asked all the time. */
	rest(now: Instant): void {
		if (this.lane.hold > 0) this.readAgainAt = now + LOOK_EVERY;
	}

	/** Kafka has the commit of this offset. */
	committed(offset: number): void {
		this.#confirmed = Math.max(this.#confirmed, offset);
		for (const held of this.window.committed(offset)) {
			held.gone = true; // also what is not done: then somebody else has done it
			this.#bytes -= held.message.body.length;
		}
		if (
			this.readAgainAt === Number.POSITIVE_INFINITY &&
			this.window.size <= MOST_TAKEN / 2 &&
			this.#bytes <= MOST_BYTES / 2
		)
			this.readAgainAt = 0;
	}

	/** Forgets what was taken, since it is somebody else's, or not there any more; answers what that was. */
	forget(): readonly Held[] {
		const all = this.window.clear();
		for (const held of all) held.gone = true;
		this.#bytes = 0;
		this.#confirmed = 0;
		return all;
	}

	/** Undefined if the next record may be taken; otherwise when to read it again. */
	#mayTake(appended: Instant, now: Instant): Instant | undefined {
		if (this.window.size >= MOST_TAKEN || this.#bytes >= MOST_BYTES) return Number.POSITIVE_INFINITY;
		const { hold } = this.lane;
		return hold > 0 && appended + hold > now + AHEAD ? appended + hold - READ_BEFORE : undefined;
	}
}
