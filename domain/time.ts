/** A moment: whole milliseconds since 1970-01-01T00:00:00Z, by the database's clock. */
export type Instant = number;

/** A length of time in milliseconds. */
export type Duration = number;

export const SECOND: Duration = 1_000;
export const MINUTE: Duration = 60 * SECOND;
export const HOUR: Duration = 60 * MINUTE;
export const DAY: Duration = 24 * HOUR;

/** The shortest and the longest cancellation window and hold limit. */
export const SHORTEST_WINDOW: Duration = SECOND;
export const LONGEST_WINDOW: Duration = 7 * DAY;

/** `first` doubled with each attempt after the first one, never above `cap`. */
export const backOff = (attempt: number, first: Duration, cap: Duration): Duration =>
	Math.min(cap, first * 2 ** Math.min(Math.max(attempt, 1) - 1, 30));

/**
 * Some time in the second half of a wait, so that those who begin to wait together do not all come back together.
 * `chance` is a random number from 0 to 1; at 1 it is the whole wait.
 */
export const spread = (wait: Duration, chance: number): Duration => Math.round((wait * (1 + chance)) / 2);

/** A moment as RFC 3339 has it, in UTC and with milliseconds. */
export const toIso = (at: Instant): string => new Date(at).toISOString();
