import { type Duration, HOUR, MINUTE, SECOND } from '../../../domain/time.ts';

/** The consumer itself waits for delays shorter than this: each queue on the way costs time and work. */
export const SHORTEST_LEVEL: Duration = SECOND;
/** The least time that is left to the consumer, because the way through the queues takes time as well. */
export const MARGIN: Duration = SECOND / 5;

const times = (unit: Duration, most: number): Duration[] =>
	Array.from({ length: most }, (_, index) => unit * (most - index));

/**
 * The ladder of fixed delays, the longest first: a message waits at most once on each level. A level is a digit of the
 * delay, and each value of that digit has a queue of its own. Within one queue all messages wait equally long, so none
 * waits behind one that is due later.
 */
export const LEVELS: readonly (readonly Duration[])[] = [
	...[128, 64, 32, 16, 8, 4, 2, 1].map((hours) => [hours * HOUR]),
	times(10 * MINUTE, 5),
	times(MINUTE, 9),
	times(10 * SECOND, 5),
	times(SECOND, 9),
];

/**
 * What is left of a usual length of time when its message gets here, a moment after it began, in whole seconds. Each
 * has one queue of its own instead of a way down the ladder.
 */
export const USUAL: readonly Duration[] = [
	...[1, 2, 5, 10, 15, 30].map((minutes) => minutes * MINUTE - SECOND),
	...[1, 2, 24].map((hours) => hours * HOUR - SECOND),
];

/** More than a week, the longest window. */
export const LONGEST_DELAY: Duration = LEVELS.reduce((total, [longest = 0]) => total + longest, SHORTEST_LEVEL);

export interface Way {
	/** the index of the level at which the ladder is entered; undefined without the ladder */
	readonly entry: number | undefined;
	/** one length for each level, 0 for a level that is passed by */
	readonly waits: readonly Duration[];
	/** a single wait instead of the ladder */
	readonly usual: Duration | undefined;
	/** what is left for the consumer to wait out */
	readonly rest: Duration;
}

/** Divides a delay, at most `LONGEST_DELAY`, among queues that together hold a message for that long. */
export function wayThrough(delay: Duration): Way {
	const whole = Math.max(0, Math.floor((delay - MARGIN) / SHORTEST_LEVEL) * SHORTEST_LEVEL);
	const rest = Math.max(0, delay - whole);
	if (USUAL.includes(whole)) return { entry: undefined, waits: [], usual: whole, rest };
	let left = whole;
	const waits = LEVELS.map((lengths) => {
		const wait = lengths.find((length) => length <= left) ?? 0;
		left -= wait;
		return wait;
	});
	const entry = waits.findIndex((wait) => wait > 0);
	return { entry: entry < 0 ? undefined : entry, waits, usual: undefined, rest };
}

const UNITS: readonly (readonly [Duration, string])[] = [
	[HOUR, 'h'],
	[MINUTE, 'm'],
	[SECOND, 's'],
];

/** A length as it stands in the names of queues and in routing keys: `9m`, `599s`; `0` for none. */
export function lengthName(length: Duration): string {
	if (length === 0) return '0';
	const [unit, name] = UNITS.find(([unit]) => length % unit === 0) ?? [1, 'ms'];
	return `${length / unit}${name}`;
}
