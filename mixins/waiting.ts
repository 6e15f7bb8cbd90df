import { type Duration, MINUTE } from '../domain/time.ts';
import type { Log } from './loop.ts';

/** Tells the operator what a process waits for: at once, and once a minute for as long as it lasts. */
export class Waiting {
	readonly #log: Log;
	readonly #every: Duration;
	#saidAt = Number.NEGATIVE_INFINITY;
	#waits = false;

	constructor(log: Log, every: Duration = MINUTE) {
		this.#log = log;
		this.#every = every;
	}

	/** Call it often; `reason` is one line. */
	for(reason: string): void {
		this.#waits = true;
		if (performance.now() - this.#saidAt < this.#every) return;
		this.#saidAt = performance.now();
		this.#log.warn(`waiting: ${reason}`);
	}

	/** What was waited for has come; `news` says so. */
	over(news: string): void {
		if (this.#waits) this.#log.info(news);
		this.#waits = false;
		this.#saidAt = Number.NEGATIVE_INFINITY;
	}
}
