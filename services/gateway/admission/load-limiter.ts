import { monitorEventLoopDelay } from 'node:perf_hooks';
import type { Duration } from '../../../domain/time.ts';

export interface LoadLimits {
	/** the most requests at work at once, when all is well */
	readonly most: number;
	/** the least that is always let in */
	readonly least: number;
	/** work that takes longer is late */
	readonly target: Duration;
}

export const LOAD_LIMITS: LoadLimits = { most: 1_000, least: 50, target: 500 };

/** The limit at the start. */
const FIRST = 250;
/** The limit is cut after this many late answers. Ten answers in time make up for one that is late. */
const LATE_ENOUGH = 3;
/** The part of the limit that is kept after a cut: the later the answers, the less, between these. */
const CUT = { most: 0.5, least: 0.9 };
/** How much the limit grows for each round of work that was in time. */
const GROWTH = 4;
/** The event loop is looked at so often, in ms. */
const LOOK_EVERY: Duration = 250;
/** Each beat wakes the process up. */
const RESOLUTION: Duration = 50;
/** After so many looks without work the event loop is watched no more, until there is work again. */
const QUIET_LOOKS = 20;
/** If the event loop is this much too late on average, the process is overloaded. */
const LATE_LOOP: Duration = 100;

/**
 * Keeps a process from accepting more than it can answer in time, by limiting how many requests are worked on at once
 * (by Little's law, that also limits how long they take). While answers are in time the number grows, bit by bit; when
 * they are late it is cut, and so it is when the event loop comes round too late (additive increase, multiplicative
 * decrease, as TCP has it). What finds no place is refused at once, which costs next to nothing, and what has one is
 * answered in time.
 */
export class LoadLimiter {
	readonly #limits: LoadLimits;
	readonly #clock: () => Duration;
	#limit: number;
	#atWork = 0;
	#late = 0;
	#cutAt = Number.NEGATIVE_INFINITY;
	readonly #loop = monitorEventLoopDelay({ resolution: RESOLUTION });
	#timer: NodeJS.Timeout | undefined;
	#quietLooks = 0;
	#stopped = true;

	/** `clock` tells milliseconds and never goes back. */
	constructor(limits: LoadLimits = LOAD_LIMITS, clock: () => Duration = () => performance.now()) {
		this.#limits = limits;
		this.#clock = clock;
		this.#limit = Math.min(Math.max(FIRST, limits.least), limits.most);
	}

	/** How many may be at work at once now. */
	get limit(): number {
		return Math.floor(this.#limit);
	}

	get atWork(): number {
		return this.#atWork;
	}

	/** True if there is no place. `share` is the part of the places that this kind of work may fill. */
	isFull(share = 1): boolean {
		return this.#atWork >= Math.floor(this.#limit * share);
	}

	/** Takes a place, whether or not there is one; the answer gives it back, once. */
	enter(): () => void {
		const begin = this.#begin();
		let isIn = true;
		return () => {
			if (!isIn) return;
			isIn = false;
			this.#atWork -= 1;
			this.#learn(begin, this.#clock());
		};
	}

	/**
	 * A place for work that usually takes no time, such as looking up a client. It counts for the limit only if it is
	 * late.
	 */
	async while<T>(work: () => Promise<T>): Promise<T> {
		const begin = this.#begin();
		try {
			return await work();
		} finally {
			this.#atWork -= 1;
			const end = this.#clock();
			if (end - begin > this.#limits.target) this.#learn(begin, end);
		}
	}

	/** From now on the event loop is watched while there is work. */
	start(): void {
		this.#stopped = false;
		this.#watch();
	}

	stop(): void {
		this.#stopped = true;
		this.#rest();
	}

	#begin(): Duration {
		this.#atWork += 1;
		this.#quietLooks = 0;
		if (this.#timer === undefined && !this.#stopped) this.#watch();
		return this.#clock();
	}

	#watch(): void {
		this.#loop.reset();
		this.#loop.enable();
		this.#timer ??= setInterval(() => this.#look(), LOOK_EVERY).unref();
	}

	#rest(): void {
		this.#loop.disable();
		clearInterval(this.#timer);
		this.#timer = undefined;
	}

	#look(): void {
		// In nanoseconds, and counted from one beat to the next.
		const delay = this.#loop.mean / 1e6 - RESOLUTION;
		this.#loop.reset();
		if (delay > LATE_LOOP) this.#cut(this.#clock(), CUT.least);
		this.#quietLooks = this.#atWork > 0 ? 0 : this.#quietLooks + 1;
		if (this.#quietLooks > QUIET_LOOKS) this.#rest();
	}

	#learn(begin: Duration, end: Duration): void {
		const took = end - begin;
		if (took <= this.#limits.target) {
			this.#late = Math.max(0, this.#late - 0.1);
			if (this.#atWork >= this.#limit / 2) {
				this.#limit = Math.min(this.#limits.most, this.#limit + GROWTH / this.#limit);
			}
			return;
		}
		// Work that began before the last cut says nothing about the present limit.
		if (begin <= this.#cutAt) return;
		this.#late += 1;
		if (this.#late >= LATE_ENOUGH) this.#cut(end, Math.max(CUT.most, Math.min(CUT.least, this.#limits.target / took)));
	}

	#cut(now: Duration, kept: number): void {
		this.#limit = Math.max(this.#limits.least, this.#limit * kept);
		this.#cutAt = now;
		this.#late = 0;
	}
}
