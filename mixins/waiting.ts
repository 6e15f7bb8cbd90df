import { type Duration, MINUTE, SECOND } from '../domain/time.ts';
import type { Log } from './loop.ts';

/** What lasts no longer is not worth a line. */
const QUIET: Duration = 2 * SECOND;

/** Tells the operator what a process waits for: soon, and once a minute for as long as it lasts. */
export class Waiting {
	readonly #log: Log;
	readonly #every: Duration;
	readonly #quiet: Duration;
	#since: number | undefined;
	#saidAt: number | undefined;

	constructor(log: Log, { every = MINUTE, quiet = QUIET }: { every?: Duration; quiet?: Duration } = {}) {
		this.#log = log;
		this.#every = every;
		this.#quiet = quiet;
	}

	/** Call it often, for as long as it waits; `reason` is one line. */
	for(reason: string): void {
		const now = performance.now();
		this.#since ??= now;
		const isDue = this.#saidAt === undefined ? now - this.#since >= this.#quiet : now - this.#saidAt >= this.#every;
		if (!isDue) return;
		this.#saidAt = now;
		this.#log.warn(`waiting: ${reason}`);
	}

	/** What was waited for has come; `news` says so, if anything was said before. */
	over(news: string): void {
		if (this.#saidAt !== undefined) this.#log.info(news);
		this.#since = undefined;
		this.#saidAt = undefined;
	}
}
