import { performance } from 'node:perf_hooks';
import { type Duration, type Instant, SECOND } from '../../../domain/time.ts';

/** What was learnt is used for one to two of these: clocks of different machines drift apart, and are set. */
const TERM: Duration = 30 * SECOND;
/** If the database's clock is set back, no message comes earlier than this by it. */
const MOST_SAVED: Duration = SECOND;

export interface Arrived {
	/** its moment by the database's clock */
	readonly deliverAt: Instant;
	/** what it had left to wait when it entered its last queue */
	readonly rest: Duration;
}

/**
 * When messages are due by this process's own timer. A message that arrives says what it has left to wait, as if it had
 * been on its way no longer than planned; whatever the way took beyond that makes its moment seem too late by as much. So
 * of all that came lately the one with the earliest seeming moment, compared with the database's, is the truest, and
 * the others are late by no more than it is. No wall clock of this process takes part.
 */
export class DueClock {
	readonly #timer: () => number;
	/** the least that was seen in this term, and in the one before: the timer's moment less the database's */
	#least = Number.POSITIVE_INFINITY;
	#before = Number.POSITIVE_INFINITY;
	#termEnds = Number.NEGATIVE_INFINITY;

	constructor(timer: () => number = () => performance.now()) {
		this.#timer = timer;
	}

	/** How long a message that has just arrived is to wait; learns from it. */
	wait({ deliverAt, rest }: Arrived): Duration {
		const now = this.#timer();
		if (now >= this.#termEnds) {
			this.#before = now < this.#termEnds + TERM ? this.#least : Number.POSITIVE_INFINITY;
			this.#least = Number.POSITIVE_INFINITY;
			this.#termEnds = now + TERM;
		}
		this.#least = Math.min(this.#least, now + rest - deliverAt);
		const left = deliverAt + Math.min(this.#least, this.#before) - now;
		return Math.max(0, rest - MOST_SAVED, left);
	}
}
