/** Waits with a time limit. The work itself goes on, unless its own signal aborts it. */
import pTimeout from 'p-timeout';
import type { Duration } from '../../domain/time.ts';

/** What `work` resolves with; rejects with the error `late` once that has taken longer than `timeout`. */
export function withDeadline<T>(work: Promise<T>, timeout: Duration, late: () => Error): Promise<T> {
	const fallback = (): never => {
		throw late();
	};
	return pTimeout(work, { milliseconds: Math.max(timeout, 1), fallback });
}

/** What `work` resolves with, or `late` once that has taken longer than `timeout`. */
export function withFallback<T>(work: Promise<T>, timeout: Duration, late: T): Promise<T> {
	return pTimeout(work, { milliseconds: Math.max(timeout, 1), fallback: () => late });
}

/** Resolves once `work` has ended, well or not, or after `timeout`; true if it has ended. */
export function endedWithin(work: Promise<unknown>, timeout: Duration): Promise<boolean> {
	const ended = (): boolean => true;
	return withFallback(work.then(ended, ended), timeout, false);
}

/** What `work` resolves with; rejects with the signal's reason as soon as that is aborted. */
export async function abortable<T>(work: Promise<T>, signal: AbortSignal | undefined): Promise<T> {
	if (signal === undefined) return work;
	return pTimeout(work, { milliseconds: Number.POSITIVE_INFINITY, signal });
}
