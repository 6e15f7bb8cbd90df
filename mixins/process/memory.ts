import { performance } from 'node:perf_hooks';
import { type Duration, SECOND } from '../../domain/time.ts';

const LOOK_EVERY: Duration = 1.5 * SECOND;
/** So many looks in a row find the process quiet before it gives back. */
const QUIET_LOOKS = 3;
/** The share of the time in which the process is at work: below it is quiet, above it is busy. */
const QUIET = 0.1;
const BUSY = 0.2;

/** What is asked of the process. */
export interface Usage {
	/** the share of the time since the last look in which the event loop was at work */
	utilization(): number;
	/** collects all garbage and gives the pages back; takes about 0.1 s */
	release(): void;
}

/**
 * Gives memory back when a process becomes quiet after it was busy. V8 collects garbage only as more is made, and keeps
 * the pages that it has freed for later: after a burst, half of the process's memory.
 */
export class MemoryRelease {
	readonly #usage: Usage;
	#wasBusy = true; // the start was
	#quietLooks = 0;

	constructor(usage: Usage) {
		this.#usage = usage;
	}

	look(): void {
		const utilization = this.#usage.utilization();
		if (utilization > BUSY) this.#wasBusy = true;
		this.#quietLooks = utilization < QUIET ? this.#quietLooks + 1 : 0;
		if (!this.#wasBusy || this.#quietLooks < QUIET_LOOKS) return;
		this.#wasBusy = false;
		this.#usage.release();
	}
}

/** Gives memory back from now on, if Node was started with `--expose-gc`. */
export function releaseMemoryWhenQuiet(): void {
	const collect = globalThis.gc;
	if (collect === undefined) return;
	let last = performance.eventLoopUtilization();
	const memory = new MemoryRelease({
		utilization() {
			const now = performance.eventLoopUtilization();
			const { utilization } = performance.eventLoopUtilization(now, last);
			last = now;
			return utilization;
		},
		// Only the last resort of V8 gives back the pages that it keeps for later.
		release: () => void collect({ type: 'major', execution: 'sync', flavor: 'last-resort' }),
	});
	setInterval(() => memory.look(), LOOK_EVERY).unref();
}
