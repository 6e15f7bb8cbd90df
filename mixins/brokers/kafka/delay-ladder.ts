import { DAY, type Duration, HOUR, MINUTE, SECOND } from '../../../domain/time.ts';

/**
 * How a message waits. Kafka gives the records of a partition in the order in which they were appended and in no
 * other, so each rung of the ladder is a topic that holds all its messages equally long: the first one is always the
 * next to be released, and a long wait never stands before a short one. What is left after a hold is waited out in the
 * consumer's memory, to the millisecond, if it is short, and on a lower rung if not. All moments are the database's.
 */

/** What a consumer waits out in memory, and with it how much a rung's hold is shorter than the delay that it serves. */
export const LAST_WAIT: Duration = 5 * SECOND;

/**
 * The holds, rising. Each is a usual delay less `LAST_WAIT`, so that this delay needs one rung only, also when the
 * relay was a few seconds late: 10 s, 30 s, 1 min, 5 min, 10 min, 1 h, 6 h, 1 d and 7 d.
 */
export const HOLDS: readonly Duration[] = [
	0,
	...[10 * SECOND, 30 * SECOND, MINUTE, 5 * MINUTE, 10 * MINUTE, HOUR, 6 * HOUR, DAY, 7 * DAY].map(
		(delay) => delay - LAST_WAIT,
	),
];

/** The rung for a message that is to wait so long from now: the longest hold that is not too long. */
export const holdFor = (delay: Duration): Duration => HOLDS.findLast((hold) => hold <= delay) ?? 0;

/** What becomes of a message that is released, or has waited out its last seconds, with so long left to wait. */
export function nextStep(hold: Duration, left: Duration): 'deliver' | 'wait' | 'move' {
	if (left <= 0) return 'deliver';
	return left <= LAST_WAIT || hold === 0 ? 'wait' : 'move'; // below the lowest rung there is no other
}
