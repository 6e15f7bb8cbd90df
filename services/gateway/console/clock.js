/** The server's clock. Between two readings of it `performance.now()` counts, so a wrong clock here does no harm. */

/** The stream tells the time more often than this, in ms. */
const FRESH = 40_000;
/** `Date` has whole seconds, and an answer takes its time. */
const TOLERANCE = 1_500;

/** how far the server's clock is ahead of `performance.now()`, in ms */
let ahead = Date.now() - performance.now();
let isKnown = false;
let toldAt = -FRESH;

/**
 * The server's clock at this moment.
 * @param {number} now in ms since 1970
 */
export function setClock(now) {
	if (Number.isNaN(now)) return;
	toldAt = performance.now();
	ahead = now - toldAt;
	isKnown = true;
}

/**
 * A header `Date`: it shows only that the clock is at least so late.
 * @param {string | null} date
 */
export function hintClock(date) {
	const at = performance.now();
	const atLeast = Date.parse(date ?? '') - at;
	if (Number.isNaN(atLeast) || at - toldAt < FRESH) return;
	ahead = !isKnown || Math.abs(atLeast - ahead) > TOLERANCE ? atLeast : Math.max(ahead, atLeast);
	isKnown = true;
}

export const serverNow = () => performance.now() + ahead;
