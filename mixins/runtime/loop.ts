import { performance } from 'node:perf_hooks';
import { backOff, type Duration } from '../../domain/time.ts';
import { errorMessage, isMistake, isNew } from './errors.ts';
import type { Log } from './log.ts';
import { WaitLog } from './wait-log.ts';

/** After a step that failed, the next one waits this long, doubling. */
const FIRST_PAUSE: Duration = 100;
const LONGEST_PAUSE: Duration = 1_000;
/** A failure may pass by itself; if it lasts longer than this, one line a minute says what is wrong. */
const QUIET: Duration = 5_000;
/** With so many in one step, what a step costs beside them hardly counts. */
const ENOUGH = 50;

/**
 * Repeats a step until it is stopped. A step returns how many milliseconds the next one may wait; `wake` ends the
 * wait. An exception never ends the loop: it is logged, and the next step waits longer.
 */
export class Loop {
	readonly name: string;
	readonly #step: () => Promise<Duration>;
	readonly #log: Log;
	readonly #rest: Duration;
	#share = 1;
	#running: Promise<void> | undefined;
	#stopping = false;
	#woken = false;
	#wake: (() => void) | undefined;
	#failures = 0;
	readonly #waiting: WaitLog;
	#lastBeat = performance.now();

	/** `rest`: the pause after each step, which only `stop` ends; what arrives meanwhile is handled together. */
	constructor(name: string, log: Log, step: () => Promise<Duration>, rest: Duration = 0) {
		this.name = name;
		this.#log = log;
		this.#step = step;
		this.#waiting = new WaitLog(log, { quiet: QUIET });
		this.#rest = rest;
	}

	/** Milliseconds since a step last ended well. */
	get sinceLastBeat(): Duration {
		return performance.now() - this.#lastBeat;
	}

	/** Says how much the step under way has found. The more it is, the shorter is the rest after it; from 50 on there is none. */
	found(count: number): void {
		this.#share = Math.max(0, 1 - count / ENOUGH);
	}

	/** No rest after the step under way: it has found nothing that more could join. */
	skipRest(): void {
		this.#share = 0;
	}

	start(): void {
		this.#running ??= this.#run();
	}

	/** Lets the next step begin at once, also when one is under way. */
	wake(): void {
		this.#woken = true;
		this.#wake?.();
	}

	/** Resolves once the step under way has ended; no other begins. */
	async stop(): Promise<void> {
		this.#stopping = true;
		this.wake();
		await this.#running;
	}

	async #run(): Promise<void> {
		while (!this.#stopping) {
			this.#woken = false;
			this.#share = 1;
			const pause = await this.#attempt();
			const rest = this.#rest * this.#share;
			if (rest > 0 && !this.#stopping) await this.#sleep(rest, () => this.#stopping);
			if (pause > rest && !this.#woken && !this.#stopping) await this.#sleep(pause - rest);
		}
	}

	async #attempt(): Promise<Duration> {
		try {
			const pause = await this.#step();
			this.#failures = 0;
			this.#waiting.over();
			this.#lastBeat = performance.now();
			return pause;
		} catch (error) {
			this.#failures += 1;
			this.#say(error);
			this.#woken = false;
			return backOff(this.#failures, FIRST_PAUSE, LONGEST_PAUSE);
		}
	}

	#say(error: unknown): void {
		const reason = errorMessage(error);
		if (isMistake(error) && isNew(this.#log, error)) {
			this.#log.error(`${this.name} has failed: ${reason}`, error);
			return;
		}
		if (this.#stopping || !this.#waiting.isDue('failed')) this.#log.debug(`${this.name}: ${reason}`);
		else this.#log.warn(`${this.name} has failed ${this.#failures} times: ${reason}`);
	}

	/** Ends early when woken, if `hears` says so. */
	#sleep(pause: Duration, hears: () => boolean = () => true): Promise<void> {
		return new Promise((resolve) => {
			const done = (): void => {
				clearTimeout(timer);
				this.#wake = undefined;
				resolve();
			};
			const timer = setTimeout(done, Math.ceil(pause));
			this.#wake = () => {
				if (hears()) done();
			};
		});
	}
}
