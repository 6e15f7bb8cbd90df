/** When to try again: soon at first, then more and more rarely, and never all pages at the same moment. */

const FIRST = 500;
const LONGEST = 15_000;

/**
 * The pause in ms before a further attempt.
 * @param {number} failures how many there were, one after the other
 * @param {number} atLeast what the server has asked for, in ms
 */
export function pauseAfter(failures, atLeast = 0, random = Math.random()) {
	const longest = Math.min(LONGEST, FIRST * 2 ** (failures - 1));
	return Math.max(atLeast, longest / 2 + (random * longest) / 2);
}

/**
 * Resolves after so many ms, or as soon as the signal is aborted.
 * @param {number} ms
 * @param {AbortSignal} [signal]
 * @returns {Promise<void>}
 */
export const pause = (ms, signal) =>
	new Promise((resolve) => {
		const timer = setTimeout(resolve, ms);
		signal?.addEventListener('abort', () => {
			clearTimeout(timer);
			resolve();
		});
	});
