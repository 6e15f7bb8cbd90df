import { performance } from 'node:perf_hooks';
import { setTimeout as pause } from 'node:timers/promises';
import { type Duration, SECOND } from '../../../domain/time.ts';
import { type Log, Loop } from '../../runtime/index.ts';
import { nextTry } from '../carrier.ts';
import type { SetAside } from '../set-aside.ts';
import type { BrokerClock } from './broker-clock.ts';
import type { Held, LanePartition } from './lane-partition.ts';
import { type Outgoing, toLetterRecord, toRecord } from './records.ts';
import type { Topics } from './topics.ts';

const BATCH = 500;
const SLOW_POLL: Duration = SECOND;
/** What Kafka has not taken by then stays uncommitted, and comes again to whoever reads the partition next. */
const CLOSE_PATIENCE: Duration = 3 * SECOND;

interface Move {
	readonly held: Held;
	readonly outgoing: Outgoing;
	readonly done: () => void;
}

export interface ForwarderSurroundings {
	readonly topics: Topics;
	readonly clock: BrokerClock;
	readonly log: Log;
	readonly setAside: SetAside;
}

/** Sends messages on: to the next rung, to be tried again, to the dead letters. A message is done when Kafka has it there. */
export class Forwarder {
	readonly #group: string;
	readonly #topics: Topics;
	readonly #clock: BrokerClock;
	readonly #setAside: SetAside;
	readonly #sending: Loop;
	#moves: Move[] = [];

	constructor(
		group: string,
		{ topics, clock, log, setAside }: ForwarderSurroundings,
		send: (records: readonly Outgoing[]) => Promise<void>,
	) {
		this.#group = group;
		this.#topics = topics;
		this.#clock = clock;
		this.#setAside = setAside;
		this.#sending = new Loop(`forwarder of ${group}`, log, () => this.#send(send));
		this.#sending.start();
	}

	/** To the rung for what it has left to wait. */
	move(held: Held, left: Duration, done: () => void): void {
		const topic = this.#topics.delayed(this.#group, left);
		this.#add({ held, outgoing: { topic, record: toRecord(held.message) }, done });
	}

	/** A handler failed with it. */
	failed(held: Held, error: string, done: () => void): void {
		const attempts = held.message.attempts + 1;
		const delay = nextTry(attempts);
		if (delay === undefined) {
			this.dead(held, error, done, attempts);
			return;
		}
		const message = { ...held.message, attempts, due: Math.ceil(this.#clock.latest() + delay) };
		const topic = this.#topics.delayed(this.#group, delay);
		this.#add({ held, outgoing: { topic, record: toRecord(message) }, done });
	}

	/** Nobody can handle it. */
	dead(held: Held, error: string, done: () => void, attempts = held.message.attempts): void {
		const { type, id } = held.message;
		const place = `${held.home.topic}/${held.home.partition}/${held.offset}`;
		const record = toLetterRecord({ ...held.message, attempts }, this.#group, error, place);
		const stored = (): void => {
			this.#setAside(this.#group, `${type} ${id}`, error);
			done();
		};
		this.#add({ held, outgoing: { topic: this.#topics.deadLetters, record }, done: stored });
	}

	/** Whether something of a partition is on its way. */
	works(home: LanePartition): boolean {
		return this.#moves.some(({ held }) => held.home === home);
	}

	async close(): Promise<void> {
		const deadline = performance.now() + CLOSE_PATIENCE;
		while (this.#moves.length > 0 && performance.now() < deadline) await pause(5);
		await this.#sending.stop();
	}

	#add(move: Move): void {
		this.#moves.push(move);
		this.#sending.wake();
	}

	async #send(send: (records: readonly Outgoing[]) => Promise<void>): Promise<Duration> {
		this.#moves = this.#moves.filter(({ held }) => !held.gone);
		const moves = this.#moves.slice(0, BATCH);
		if (moves.length === 0) return SLOW_POLL;
		await send(moves.map(({ outgoing }) => outgoing));
		const sent = new Set(moves);
		this.#moves = this.#moves.filter((move) => !sent.has(move));
		for (const { done } of moves) done();
		return 0;
	}
}
