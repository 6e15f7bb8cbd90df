import { type Duration, MINUTE } from '../../domain/time.ts';
import type { Log } from './log.ts';

/** Matters that are remembered: lines that differ each time must not fill the memory. */
const MOST = 50;

export interface WaitLogOptions {
	/** what ends sooner is not logged */
	readonly quiet?: Duration;
}

/** Logs what lasts: each matter once, and again once a minute. */
export class WaitLog {
	readonly #log: Log;
	readonly #quiet: Duration;
	/** when each matter was logged last */
	readonly #told = new Map<string, number>();
	#since: number | undefined;

	constructor(log: Log, { quiet = 0 }: WaitLogOptions = {}) {
		this.#log = log;
		this.#quiet = quiet;
	}

	/** May be called as often as you like while it lasts. `matter` identifies it if the line's words change. */
	warn(line: string, matter = line): void {
		if (this.isDue(matter)) this.#log.warn(line);
	}

	/** True if this matter must be logged now; it then counts as logged. */
	isDue(matter: string): boolean {
		const now = performance.now();
		this.#since ??= now;
		if (now - this.#since < this.#quiet) return false;
		if (now - (this.#told.get(matter) ?? Number.NEGATIVE_INFINITY) < MINUTE) return false;
		if (this.#told.size >= MOST) this.#told.clear();
		this.#told.set(matter, now);
		return true;
	}

	/**
	 * It has passed: logs `news` if the matter was logged. Without `news`, a matter that returns within the minute is not
	 * logged again.
	 */
	over(news?: string): void {
		this.#since = undefined;
		if (news === undefined || this.#told.size === 0) return;
		this.#told.clear();
		this.#log.info(news);
	}
}
