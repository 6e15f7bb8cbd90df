/** What became of each call to the payment provider, for people who look into one order. */
import type { PaymentCall } from './commands.ts';
import type { CallOutcome, OpenOperation, Payment } from './payment.ts';
import type { ProviderOperation } from './provider.ts';
import { type Duration, type Instant, toIso } from './time.ts';

/** One call to the provider, or one question. Times are RFC 3339; nothing secret is in it. */
export interface Attempt {
	readonly operation: ProviderOperation;
	/** 1 for the first call of the operation */
	readonly attempt: number;
	/** the idempotency key */
	readonly key: string;
	readonly outcome: CallOutcome['kind'];
	/** what showed the outcome: the call itself, or asking the provider what became of an earlier one */
	readonly by: 'call' | 'find';
	/** the provider's name for the payment; null while it is not known */
	readonly reference: string | null;
	/** the provider's name for the request, for its support */
	readonly requestId: string | null;
	/** the provider's word for what happened */
	readonly code: string | null;
	/** when the call was intended, by the database's clock */
	readonly beganAt: string;
	/** when its outcome was stored */
	readonly endedAt: string;
}

/** Of many attempts the first ones and the last ones are kept; their numbers show the gap. */
const FIRST = 5;
const LAST = 15;

/** The call whose outcome has come. */
export type MadeCall = Pick<PaymentCall, 'operation' | 'attempt' | 'intendedAt' | 'idempotencyKey'> &
	Partial<Pick<PaymentCall, 'refund'>>;

/** What attempts are kept with: a payment, or a refund. */
interface Tried {
	readonly tried: readonly Attempt[];
	readonly reference: string | null;
}

/** The attempts so far, with this one. */
export function kept(
	{ tried, reference }: Tried,
	call: MadeCall,
	outcome: CallOutcome,
	now: Instant,
): readonly Attempt[] {
	const { requestId = null, code = null, found = false } = outcome;
	const { operation, attempt, idempotencyKey: key, intendedAt } = call;
	const made: Attempt = {
		...{ operation, attempt, key, outcome: outcome.kind, by: found ? 'find' : 'call', reference, requestId, code },
		...{ beganAt: toIso(intendedAt), endedAt: toIso(now) },
	};
	const all = [...tried, made];
	return all.length <= FIRST + LAST ? all : [...all.slice(0, FIRST), ...all.slice(-LAST)];
}

/**
 * Until when a call could still reach the provider: the last attempt whose answer is not known, until its time is over.
 * After a question that was answered nothing is under way, whenever the next attempt is due.
 */
export function mayArriveUntil(
	{ tried }: Tried,
	open: Pick<OpenOperation, 'attempts' | 'attemptUntil'>,
	operation: ProviderOperation,
	timeout: Duration,
): Instant {
	const last = tried.at(-1);
	if (last?.operation !== operation || last.attempt !== open.attempts) return open.attemptUntil;
	const isAnswered = last.by === 'find' || last.outcome !== 'unknown';
	return isAnswered ? Date.parse(last.endedAt) : Date.parse(last.beganAt) + timeout;
}

/** True of a payment that a person may have to decide. */
export const isUndecided = ({ status }: Pick<Payment, 'status'>): boolean =>
	status === 'Unknown' || status === 'ActionRequired';

/** The payment after an outcome, with the attempt, and since when it is undecided. */
export function noted(before: Payment, after: Payment, call: MadeCall, outcome: CallOutcome, now: Instant): Payment {
	return { ...sinceWhen(before, after, now), tried: kept(after, call, outcome, now) };
}

/** Since when a payment has been `Unknown` or `ActionRequired`. */
export function sinceWhen(before: Payment, after: Payment, now: Instant): Payment {
	const since = before.status === after.status ? (before.undecidedSince ?? now) : now;
	return { ...after, undecidedSince: isUndecided(after) ? since : null };
}

/** The operation has ended: what was tried stands in its event. */
export const forgotten = (payment: Payment): Payment =>
	payment.open !== null || payment.tried.length === 0 || isUndecided(payment) ? payment : { ...payment, tried: [] };
