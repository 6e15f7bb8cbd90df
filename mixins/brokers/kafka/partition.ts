import { performance } from 'node:perf_hooks';
import type { KafkaMessage } from 'kafkajs';
import { type Duration, type Instant, SECOND } from '../../../domain/time.ts';
import type { Carried } from './records.ts';
import type { Lane } from './topics.ts';

/** A message that was read: it waits, is being handled, or is done while an earlier one is not. */
export interface Held {
	readonly home: PartitionReader;
	readonly offset: number;
	readonly message: Carried;
	/** when its rung lets it go */
	readonly release: Instant;
	/** it needs nothing more: handled, or on its way to another topic, and Kafka has it there */
	done: boolean;
}

/** The most messages and bytes that are read and not done. */
const MOST_HELD = 2_000;
const MOST_BYTES = 8 * 1024 * 1024;
/** A message is read this long before its rung releases it. */
const AHEAD: Duration = 2 * SECOND;
/** A rung whose next message has longer to wait is read again this long before its release. */
const READ_BEFORE: Duration = SECOND / 2;
/** How often an empty rung is looked at. */
const LOOK_EVERY: Duration = 2 * SECOND;

/** A partition from one rebalance to the next: what was read of it, how far it is done, and when to read on. */
export class PartitionReader {
	readonly lane: Lane;
	readonly number: number;
	/** true when the partition may belong to another member: what was read is neither handled nor committed */
	gone = false;
	/** when to read on; undefined while it reads, infinite while it is full */
	readAgainAt: Instant | undefined;
	/** since when it reads, by the process's timer */
	readingSince = Number.POSITIVE_INFINITY;
	/** the offset behind all that is done; undefined if Kafka knows that */
	toCommit: number | undefined;
	/** in the order of the offsets; messages may be done in any order, but only what is done at the front is committed */
	readonly #held: Held[] = [];
	#bytes = 0;
	/** the offset that is read next; undefined until the group's offset is known */
	#next: number | undefined;
	/** where the records began that left out some before them */
	#gap: number | undefined;
	#waits = false;

	constructor(lane: Lane, number: number) {
		this.lane = lane;
		this.number = number;
	}

	get topic(): string {
		return this.lane.topic;
	}

	/** The offset that it reads next. */
	get next(): number {
		return this.#next ?? 0;
	}

	/** Whether it takes records now. While it is paused, kafkajs may still give what it had fetched before. */
	get takes(): boolean {
		return this.#next !== undefined && this.readAgainAt === undefined;
	}

	/** Whether it is given the records that Kafka has: it is not full, and does not wait for their release. */
	get asks(): boolean {
		return this.#next !== undefined && !this.#waits;
	}

	/** Reads from this offset, where the group stands. */
	begin(offset: number): void {
		this.#next = offset;
		this.resume();
	}

	/** Reads now. */
	resume(): void {
		this.readAgainAt = undefined;
		this.#waits = false;
		this.readingSince = performance.now();
	}

	/** True if what is there is not what was: the topic was lost and created again, or an old fetch has come late. */
	hasRead({ offset }: KafkaMessage): boolean {
		return Number(offset) < this.next;
	}

	/**
	 * True if records before this one were not given: kafkajs may have fetched it before it moved elsewhere. They are to
	 * be asked for once more; if it is the first one again, Kafka does not have them.
	 */
	skips({ offset }: KafkaMessage): boolean {
		const first = Number(offset);
		const isKnown = first === this.#gap;
		this.#gap = first > this.next ? first : undefined;
		return this.#gap !== undefined && !isKnown;
	}

	/** Takes what it may of these records; `readAgainAt` says when it wants the rest, if it did not take all. */
	read(records: readonly KafkaMessage[], now: Instant, parse: (record: KafkaMessage) => Carried): readonly Held[] {
		this.readingSince = performance.now(); // it is not empty
		const taken: Held[] = [];
		for (const record of records) {
			const message = parse(record);
			const { hold } = this.lane;
			// The release before this one left it to the moment of the append.
			const release = hold === 0 ? 0 : (message.release ?? Number(record.timestamp) + hold);
			this.readAgainAt = this.#mayTake(release, now);
			this.#waits = this.readAgainAt !== undefined;
			if (this.#waits) break;
			const held = { home: this, offset: Number(record.offset), message, release, done: false };
			this.#next = held.offset + 1;
			this.#bytes += message.body.length;
			this.#held.push(held);
			taken.push(held);
		}
		return taken;
	}

	/** Nothing came in a whole round of reading: a rung need not be asked all the time. */
	rest(now: Instant): void {
		if (this.lane.hold > 0) this.readAgainAt = now + LOOK_EVERY;
	}

	/** Something of it is done; true if there is more to commit. */
	advance(): boolean {
		const before = this.toCommit;
		while (this.#held[0]?.done) {
			const held = this.#held.shift();
			if (held === undefined) break;
			this.toCommit = held.offset + 1;
			this.#bytes -= held.message.body.length;
		}
		const hasRoom = this.#held.length <= MOST_HELD / 2 && this.#bytes <= MOST_BYTES / 2;
		if (this.readAgainAt === Number.POSITIVE_INFINITY && hasRoom) this.readAgainAt = 0;
		return this.toCommit !== before;
	}

	committed(offset: number): void {
		if (this.toCommit === offset) this.toCommit = undefined;
	}

	/** Undefined if the next record may be taken; otherwise when to read it again. */
	#mayTake(release: Instant, now: Instant): Instant | undefined {
		if (this.#held.length >= MOST_HELD || this.#bytes >= MOST_BYTES) return Number.POSITIVE_INFINITY;
		return release > now + AHEAD ? release - READ_BEFORE : undefined;
	}
}
