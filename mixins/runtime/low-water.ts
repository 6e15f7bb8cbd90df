import { performance } from 'node:perf_hooks';
import { type Duration, MINUTE, SECOND } from '../../domain/time.ts';
import type { Log } from './log.ts';
import { Loop } from './loop.ts';

/** How long a place is known before looks begin there; longer than any loop sleeps between two looks. */
const LAG: Duration = 2 * SECOND;

/** How often it is looked before the mark, and how many times as long as that look took at least. */
const LOOK_BACK_EVERY: Duration = 5 * SECOND;
const LONGEST_LOOK_BACK: Duration = MINUTE;
const REST = 20;

/**
 * Where the next look into a queue begins. What was taken leaves an entry in the index, and as long as any transaction
 * may still see it, every look from the beginning walks over it. So a look begins at a place that another reached some
 * seconds ago: what was committed since is behind that place, or was seen on the way. What comes before it all the same
 * (a commit that took longer, a row that somebody had in hand and gave back) is found by `lookingBack`.
 */
export class LowWater<P> {
	readonly #beginning: P;
	#mark: P;
	#next: { readonly place: P; readonly reachedAt: number } | undefined;
	/** behind a full batch: the next look goes on there */
	#cursor: P | undefined;

	constructor(beginning: P) {
		this.#beginning = beginning;
		this.#mark = beginning;
	}

	/** Where to begin; everything from here on belongs to the look. */
	get place(): P {
		if (this.#next !== undefined && performance.now() - this.#next.reachedAt >= LAG) {
			this.#mark = this.#next.place;
			this.#next = undefined;
		}
		return this.#cursor ?? this.#mark;
	}

	/** A look has reached this place, and what it found is safe; `more`: it took as much as it may, and there may be more. */
	reached(place: P, more: boolean): void {
		this.#next ??= { place, reachedAt: performance.now() };
		this.#cursor = more ? place : undefined;
	}

	/** Looks begin here again: something is there, or nobody knows. */
	lower(place: P = this.#beginning): void {
		this.#mark = place;
		this.#next = undefined;
		this.#cursor = undefined;
	}
}

/**
 * Looks at what lies before the mark, every few seconds, and more rarely where that takes long. `look` returns whether
 * it has lowered the mark; then `wake` lets those look who take.
 */
export function lookingBack(name: string, log: Log, look: () => Promise<boolean>, wake: () => void): Loop {
	return new Loop(`${name}, looking back`, log, async () => {
		const began = performance.now();
		if (await look()) wake();
		return restAfter(performance.now() - began);
	});
}

/** The same for who looks in a loop already: does it where it is time, else nothing. */
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
