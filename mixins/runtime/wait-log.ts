import { type Duration, MINUTE } from '../../domain/time.ts';
import type { Log } from './log.ts';

/** Matters that are remembered: lines that differ each time must not fill the memory. */
const MOST = 50;

export interface WaitLogOptions {
	/** what is over sooner is not told */
	readonly quiet?: Duration;
}

/** Tells the operator of what lasts: each matter once, and again once a minute. */
export class WaitLog {
	readonly #log: Log;
	readonly #quiet: Duration;
	/** when each matter was told last */
	readonly #told = new Map<string, number>();
	#since: number | undefined;

	constructor(log: Log, { quiet = 0 }: WaitLogOptions = {}) {
		this.#log = log;
		this.#quiet = quiet;
	}

	/** Call it as often as you like for as long as it lasts. `matter` stands for the line where its words change. */
	warn(line: string, matter = line): void {
		if (this.isDue(matter)) this.#log.warn(line);
	}

	/** True if this matter is to be told now; it counts as told then. */
	isDue(matter: string): boolean {
		const now = performance.now();
		this.#since ??= now;
		if (now - this.#since < this.#quiet) return false;
		if (now - (this.#told.get(matter) ?? Number.NEGATIVE_INFINITY) < MINUTE) return false;
		if (this.#told.size >= MOST) this.#told.clear();
		this.#told.set(matter, now);
		return true;
	}

	/** It has passed; `news` says so where it was told. Without news, what comes back within the minute is not told again. */
	over(news?: string): void {
		this.#since = undefined;
		if (news === undefined || this.#told.size === 0) return;
		this.#told.clear();
		this.#log.info(news);
	}
}
