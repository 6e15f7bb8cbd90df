import { setTimeout as pause } from 'node:timers/promises';
import Stripe from 'stripe';
import { type Duration, SECOND } from '../../../domain/time.ts';

/** How often one thing is asked. */
const TRIES = 3;
/** The shortest and the longest pause after an error; 429 asks for one. */
const PAUSE: readonly [Duration, Duration] = [SECOND / 20, SECOND / 5];

const LATE = Symbol('late');

/** Asking again may help; not where Stripe refuses us, or cannot read the question. */
const mayPass = (error: unknown): boolean =>
	error instanceof Stripe.errors.StripeConnectionError ||
	error instanceof Stripe.errors.StripeAPIError ||
	error instanceof Stripe.errors.StripeRateLimitError;

/**
 * Asks something that moves nothing, up to three times: again after an error that may pass, and beside the first question
 * where that has no answer after `patience`. The first answer counts; what is still asked then is aborted. Throws what
 * Stripe said last, or once `signal` is aborted.
 */
export async function insist<T>(
	ask: (signal: AbortSignal) => Promise<T>,
	patience: Duration,
	signal: AbortSignal,
): Promise<T> {
	const over = new AbortController();
	const ends = AbortSignal.any([signal, over.signal]);
	const asked: Promise<T>[] = [];
	try {
		for (let tries = 1; ; tries += 1) {
			asked.push(ask(ends));
			const isLast = tries === TRIES;
			const answered: Promise<T | typeof LATE> = Promise.any(asked);
			try {
				const late = isLast ? [] : [pause(patience, LATE, { signal: ends })];
				const answer = await Promise.race([answered, ...late]);
				if (answer !== LATE) return answer;
			} catch (error) {
				signal.throwIfAborted();
				const errors: readonly unknown[] = error instanceof AggregateError ? error.errors : [error];
				const final = errors.find((one) => !mayPass(one));
				if (isLast || final !== undefined) throw final ?? errors.at(-1);
				const [shortest, longest] = PAUSE;
				await pause(shortest + Math.random() * (longest - shortest), undefined, { signal });
			}
		}
	} finally {
		over.abort();
	}
}
