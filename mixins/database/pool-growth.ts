import type pg from 'pg';
import type { Duration } from '../../domain/time.ts';

/** So many connections are opened as soon as somebody wants one. */
const ENOUGH = 8;
/** One more is opened for somebody who has waited this long for one that comes back; a transaction takes milliseconds. */
const HESITATION: Duration = 50;

/**
 * Lets a pool grow slowly. A new connection costs the server a process, its caches, and the plan of each statement: 50 ms
 * of work and more. A burst that opens many is slowed down by that, while a connection would have come back at once.
 */
export class PoolGrowth {
	readonly #pool: pg.Pool;
	readonly #waiting = new Set<() => void>();
	/** when the pool last grew beyond those that are enough, by the process's timer */
	#grewAt = Number.NEGATIVE_INFINITY;

	constructor(pool: pg.Pool) {
		this.#pool = pool;
		pool.on('release', () => {
			const [first] = this.#waiting;
			first?.();
		});
	}

	/** Takes a connection from the pool. */
	async connect(): Promise<pg.PoolClient> {
		const began = performance.now();
		while (this.#wouldGrow) {
			const left = Math.max(began, this.#grewAt) + HESITATION - performance.now();
			if (left <= 0) {
				this.#grewAt = performance.now();
				break;
			}
			await this.#release(left);
		}
		return this.#pool.connect(); // in the same turn as the look, so that nobody comes between
	}

	/** A connection that is taken now would be a new one, beyond those that are enough. */
	get #wouldGrow(): boolean {
		const { idleCount, totalCount, waitingCount, options } = this.#pool;
		const isFree = idleCount > waitingCount;
		const promised = waitingCount - idleCount; // new ones, for those that found one free which others take
		return !isFree && totalCount + promised >= ENOUGH && totalCount < options.max;
	}

	/** Resolves when one is given back, to the first that waits, or after this time. */
	#release(patience: Duration): Promise<void> {
		return new Promise((resolve) => {
			const over = (): void => {
				clearTimeout(timer);
				this.#waiting.delete(over);
				resolve();
			};
			const timer = setTimeout(over, Math.ceil(patience));
			this.#waiting.add(over);
		});
	}
}
