import { type Duration, MINUTE } from '../../domain/time.ts';
import type { Log } from '../loop.ts';

const AGAIN: Duration = MINUTE;
const MOST = 50;

/** Tells the operator each reason at once, and again once a minute for as long as it lasts. */
export class Complaints {
	readonly #log: Log;
	readonly #saidAt = new Map<string, number>();

	constructor(log: Log) {
		this.#log = log;
	}

	hear(line: string): void {
		const now = performance.now();
		if (now - (this.#saidAt.get(line) ?? Number.NEGATIVE_INFINITY) < AGAIN) return;
		if (this.#saidAt.size >= MOST) this.#saidAt.clear(); // lines that differ each time must not fill the memory
		this.#saidAt.set(line, now);
		this.#log.warn(line);
	}
}
