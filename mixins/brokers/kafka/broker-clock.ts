import { performance } from 'node:perf_hooks';
import { type Duration, type Instant, MINUTE } from '../../../domain/time.ts';

/** The broker's clock less the process's timer, as far as one exchange tells. */
interface Sample {
	readonly least: number;
	readonly most: number;
	readonly at: number;
}

const KEPT = 8;
/** Timers of different machines drift apart, by milliseconds in this time. */
const TOO_OLD: Duration = MINUTE;

/**
 * The broker's clock as this process knows it, without a wall clock of its own: each append is answered with the
 * moment at which it was done, and that moment lies between the request and the answer on the process's own timer.
 * In a cluster the brokers' clocks are taken for one.
 */
export class BrokerClock {
	readonly #timer: () => number;
	#samples: readonly Sample[] = [];

	/** `timer` counts milliseconds and is never set. */
	constructor(timer: () => number = () => performance.now()) {
		this.#timer = timer;
	}

	/** What to give to `learn` as `sent`, before the request. */
	start(): number {
		return this.#timer();
	}

	/** An append that was asked for at `sent` was done at `appended`, whole milliseconds, and has just been answered. */
	learn(sent: number, appended: Instant): void {
		const now = this.#timer();
		const sample = { least: appended - now, most: appended + 1 - sent, at: now };
		const recent = this.#samples.filter(({ at }) => now - at < TOO_OLD).slice(1 - KEPT);
		// Samples that contradict each other: the clock was set, and only the latest one is true.
		const fits = recent.every(({ least, most }) => least <= sample.most && sample.least <= most);
		this.#samples = fits ? [...recent, sample] : [sample];
	}

	/** How old the latest sample is; infinite without one. */
	get age(): Duration {
		return this.#timer() - (this.#samples.at(-1)?.at ?? Number.NEGATIVE_INFINITY);
	}

	/** The broker's time, rather too early than too late by a part of a round trip; minus infinity if not known yet. */
	now(): Instant {
		return this.#timer() + Math.max(...this.#samples.map(({ least }) => least));
	}

	/** The same, rather too late than too early; infinite if not known yet. */
	latest(): Instant {
		return this.#timer() + Math.min(...this.#samples.map(({ most }) => most));
	}
}
