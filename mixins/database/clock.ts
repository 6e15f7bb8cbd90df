import { performance } from 'node:perf_hooks';
import { type Duration, type Instant, SECOND } from '../../domain/time.ts';
import { type Log, Loop } from '../runtime/index.ts';
import type { Database } from './database.ts';
import { NOW } from './instants.ts';
import type { Statement } from './statement.ts';

export const CLOCK: Statement = {
	name: 'clock',
	text: `SELECT ${NOW} AS now`,
	values: [],
};

const EVERY: Duration = 10 * SECOND;
/** How soon it is read again where that failed, or where it took longer than `PRECISE`. */
const AGAIN: Duration = SECOND;
const PRECISE: Duration = 5;
/** How soon the first reading is tried again: until it is there, messages wait. */
const FIRST: Duration = SECOND / 10;
/** How much this process's timer may run faster than the database's clock, as a part of the time that has passed. */
const DRIFT = 1e-4;
/** The database says whole milliseconds, rounded down. */
const ROUNDED: Duration = 1;

/** What a clock read by others needs to tell them. */
export interface Clock {
	/** The present moment, with fractions of a millisecond. Throws if the clock was never read. */
	now(): Instant;
	readonly isRead: boolean;
}

/** The database's clock, read outside a transaction: for showing and waiting, never for decisions. */
export async function readClock(database: Pick<Database, 'query'>): Promise<Instant> {
	const [row] = await database.query<{ now: Instant }>(CLOCK);
	return row?.now ?? Number.NaN;
}

/**
 * The database's clock, read every ten seconds and carried on by this process's monotonic timer, also while the
 * database is away. It is never ahead of the database's clock unless that is set back, and then until the next reading.
 * It is behind by the duration of the quickest of the latest readings, and by 0.1 ms for each second since then. A
 * machine that was suspended is behind by that time, until the next reading too. What is decided by time is decided by
 * the database itself.
 */
export class DatabaseClock implements Clock {
	readonly #database: Pick<Database, 'query'>;
	readonly #timer: () => number;
	readonly #loop: Loop;
	#set: { readonly instant: Instant; readonly at: number } | undefined;

	constructor(database: Pick<Database, 'query'>, log: Log, timer: () => number = () => performance.now()) {
		this.#database = database;
		this.#timer = timer;
		this.#loop = new Loop('database clock', log, async () => {
			try {
				return (await this.refresh()) <= PRECISE ? EVERY : AGAIN;
			} catch (error) {
				log.debug('the database’s clock was not read', error);
				return this.isRead ? AGAIN : FIRST;
			}
		});
	}

	get isRead(): boolean {
		return this.#set !== undefined;
	}

	now(): Instant {
		if (this.#set === undefined) throw new Error('the database’s clock was not read yet');
		return this.#set.instant + (this.#timer() - this.#set.at) * (1 - DRIFT);
	}

	/** Reads the clock now; returns how long the answer took. */
	async refresh(): Promise<Duration> {
		const asked = this.#timer();
		const instant = await readClock(this.#database);
		const at = this.#timer();
		const took = at - asked;
		if (Number.isNaN(instant)) throw new Error('the database has told no time');
		const carried = this.isRead ? this.now() : Number.NEGATIVE_INFINITY;
		// The value carried on may be more exact than a slow answer; it is kept if the answer does not contradict it.
		const isPossible = carried >= instant && carried <= instant + took + ROUNDED;
		this.#set = { instant: isPossible ? carried : instant, at };
		return took;
	}

	start(): void {
		this.#loop.start();
	}

	stop(): Promise<void> {
		return this.#loop.stop();
	}
}
