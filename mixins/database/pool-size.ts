import type pg from 'pg';
import { type Duration, SECOND } from '../../domain/time.ts';

/** How many connections are given back at once. */
const ROOM = 3;
/**
 * Each consumer holds one connection while its handler takes another. With fewer connections they would wait for each
 * other.
 */
const LEAST = 8;
const SMALL_FOR: Duration = 30 * SECOND;

/**
 * If the server accepts no more sessions, a pool gives some of its own back for a while, even under load: the readers,
 * migrations and other processes need some too.
 */
export class PoolSize {
	readonly #pool: pg.Pool;
	readonly #most: number;
	/** connections that the server has given us */
	#open = 0;
	#smallUntil = Number.NEGATIVE_INFINITY;

	constructor(pool: pg.Pool, most: number) {
		this.#pool = pool;
		this.#most = most;
		pool.on('connect', () => {
			this.#open += 1;
		});
		pool.on('remove', () => {
			this.#open -= 1;
		});
	}

	shrink(): void {
		const now = performance.now();
		if (now < this.#smallUntil) return;
		this.#smallUntil = now + SMALL_FOR;
		this.#pool.options.max = Math.max(LEAST, this.#open - ROOM);
	}

	/** True if a connection that is released now must be given back. */
	get isOver(): boolean {
		if (performance.now() >= this.#smallUntil) this.#pool.options.max = this.#most;
		return this.#open > this.#pool.options.max;
	}
}
