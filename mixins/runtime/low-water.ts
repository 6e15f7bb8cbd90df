import { performance } from 'node:perf_hooks';
import { type Duration, MINUTE, SECOND } from '../../domain/time.ts';
import type { Log } from './log.ts';
import { Loop } from './loop.ts';

/** How old a mark must be before queries begin there; longer than any loop sleeps between two queries. */
const LAG: Duration = 2 * SECOND;

/** How often a query looks before the mark; and the least pause, as a multiple of how long that query took. */
const LOOK_BACK_EVERY: Duration = 5 * SECOND;
const LONGEST_LOOK_BACK: Duration = MINUTE;
const REST = 20;

/**
 * Where the next query on a queue begins. A row that was taken leaves an entry in the index. While any transaction may
 * still see the row, every query from the beginning walks over that entry. So a query begins at the mark that another
 * one reached some seconds ago: what was committed since lies behind the mark, or was seen on the way. A row that
 * appears before the mark all the same (a commit that took longer, a row that was given back) is found by
 * `lookingBack`.
 */
export class LowWater<P> {
	readonly #beginning: P;
	#mark: P;
	#next: { readonly place: P; readonly reachedAt: number } | undefined;
	/** behind a full batch: the next query continues there */
	#cursor: P | undefined;

	constructor(beginning: P) {
		this.#beginning = beginning;
		this.#mark = beginning;
	}

	/** Where the next query begins. */
	get place(): P {
		if (this.#next !== undefined && performance.now() - this.#next.reachedAt >= LAG) {
			this.#mark = this.#next.place;
			this.#next = undefined;
		}
		return this.#cursor ?? this.#mark;
	}

	/** A query has reached this point, and what it found is safe. `more`: its batch was full, so there may be more. */
	reached(place: P, more: boolean): void {
		this.#next ??= { place, reachedAt: performance.now() };
		this.#cursor = more ? place : undefined;
	}

	/** Lets queries begin here again: a row is there, or may be. */
	lower(place: P = this.#beginning): void {
		this.#mark = place;
		this.#next = undefined;
		this.#cursor = undefined;
	}
}

/**
 * Looks for rows before the mark, every few seconds, and less often if that takes long. `look` returns whether it has
 * lowered the mark; then `wake` starts the next query.
 */
export function lookingBack(name: string, log: Log, look: () => Promise<boolean>, wake: () => void): Loop {
	return new Loop(`${name}, looking back`, log, async () => {
		const began = performance.now();
		if (await look()) wake();
		return restAfter(performance.now() - began);
	});
}

/** The same for a loop that already runs: looks if it is time to, else does nothing. */
export function nowAndThen(look: () => Promise<unknown>): () => Promise<void> {
	let next = Number.NEGATIVE_INFINITY;
	return async () => {
		const began = performance.now();
		if (began < next) return;
		await look();
		const ended = performance.now();
		next = ended + restAfter(ended - began);
	};
}

const restAfter = (took: Duration): Duration => Math.min(LONGEST_LOOK_BACK, Math.max(LOOK_BACK_EVERY, REST * took));
