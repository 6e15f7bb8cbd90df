/** Money that is given back after the capture: one refund, and what its provider's answers make of it. */
import { type Attempt, kept, type MadeCall } from './attempts.ts';
import { IllegalTransition } from './errors.ts';
import { type CallOutcome, type CallTerms, KEY_LIFETIME, type OpenOperation, type Payment } from './payment.ts';
import { backOff, type Duration, HOUR, type Instant, MINUTE, SECOND, spread } from './time.ts';

export const REFUND_STATUSES = ['Requested', 'Unknown', 'Succeeded', 'Failed'] as const;

export type RefundStatus = (typeof REFUND_STATUSES)[number];

const FIRST_RETRY: Duration = SECOND;
const LONGEST_RETRY: Duration = MINUTE;
/** A refund that the provider has accepted may take it days; it is asked at least this often. */
const LONGEST_WAIT: Duration = HOUR;
/** How often it is asked if a refund that has succeeded still stands, when nothing comes back. */
const MOST_QUESTIONS = 10;

/** A call, or a question, that was intended and whose outcome is not known yet. A refund has one key for ever. */
export type OpenRefund = Omit<OpenOperation, 'operation' | 'keyNumber'>;

/** One refund of an order's payment; immutable. */
export interface Refund {
	/** UUID v7 */
	readonly id: string;
	/** in minor units of the order's currency */
	readonly amountMinor: bigint;
	readonly status: RefundStatus;
	/** in the words of the person who asked for it */
	readonly reason: string | null;
	readonly createdAt: Instant;
	/** when it has succeeded or failed, the last of the two */
	readonly settledAt: Instant | null;
	readonly failureReason: string | null;
	/** the provider's name for it, once it has accepted it */
	readonly reference: string | null;
	/** null before its first call, and while nothing is asked for */
	readonly open: OpenRefund | null;
	/** what was tried while its outcome is not known */
	readonly tried: readonly Attempt[];
	/** since when it has been `Unknown` without a break; null for other states */
	readonly undecidedSince: Instant | null;
}

export const newRefund = (id: string, amountMinor: bigint, reason: string | null, now: Instant): Refund => ({
	...{ id, amountMinor, reason, status: 'Requested', createdAt: now },
	...{ settledAt: null, failureReason: null, reference: null, open: null, tried: [], undecidedSince: null },
});

const sum = (refunds: readonly Refund[]): bigint => refunds.reduce((total, { amountMinor }) => total + amountMinor, 0n);

/** How much of what was captured may still be given back: whatever has not failed counts as given. */
export const leftToRefund = (captured: bigint, refunds: readonly Refund[]): bigint =>
	captured - sum(refunds.filter(({ status }) => status !== 'Failed'));

/** The payment as its refunds make it. */
export function afterRefunds(payment: Payment, captured: bigint, refunds: readonly Refund[]): Payment {
	const refundedMinor = sum(refunds.filter(({ status }) => status === 'Succeeded'));
	if (refundedMinor === payment.refundedMinor) return payment;
	const status = refundedMinor === 0n ? 'Captured' : refundedMinor < captured ? 'PartiallyRefunded' : 'Refunded';
	return { ...payment, status, refundedMinor };
}

const hasEnded = ({ status }: Refund): boolean => status === 'Succeeded' || status === 'Failed';

/** True if its call, or the next attempt, may be made now. */
export const mayBeginRefund = (refund: Refund, now: Instant): boolean =>
	refund.open === null ? !hasEnded(refund) : now >= refund.open.attemptUntil;

/** The intent for the first or the next attempt, always under the same key. */
export function beginRefundCall(
	refund: Refund,
	now: Instant,
	terms: CallTerms,
): Refund & { readonly open: OpenRefund } {
	if (!mayBeginRefund(refund, now)) throw new IllegalTransition(`a call for a refund ${refund.status}`);
	return nextRefundCall(refund, now, terms);
}

/** The same whether or not its time has come. */
export function nextRefundCall(
	refund: Refund,
	now: Instant,
	{ timeout, requestVersion }: CallTerms,
): Refund & { readonly open: OpenRefund } {
	const { open } = refund;
	const next = { attemptUntil: now + timeout, attempts: (open?.attempts ?? 0) + 1 };
	return { ...refund, open: { ...(open ?? { keyUsedAt: now, rememberedAt: null, requestVersion }), ...next } };
}

/**
 * The provider has news of it, or may have. It is asked where that cannot meet a call under way: if the provider has
 * accepted it, or if it has succeeded and may have been taken back: then only where the news is of this refund, by the
 * provider's name `changed`.
 */
export function askForRefund(refund: Refund, changed: string | null, now: Instant): Refund {
	const { open, status, reference } = refund;
	if (open === null) {
		if (status !== 'Succeeded' || reference === null || reference !== changed) return refund;
		const asked = { keyUsedAt: now, attemptUntil: now, attempts: 1, rememberedAt: null, requestVersion: 0 };
		return { ...refund, open: asked };
	}
	return reference === null ? refund : { ...refund, open: { ...open, attemptUntil: Math.min(now, open.attemptUntil) } };
}

/** When the sweeper looks at it; null if nothing is awaited. */
export function refundLook(refund: Refund, now: Instant, grace: Duration): Instant | null {
	const { open, status, reference } = refund;
	if (open === null) return hasEnded(refund) ? null : now + grace;
	return status === 'Unknown' || reference !== null ? open.attemptUntil : open.attemptUntil + grace;
}

/** True if its key is too old for the provider to be trusted to know it. */
export const refundKeyHasAged = ({ keyUsedAt }: OpenRefund, now: Instant): boolean => now - keyUsedAt >= KEY_LIFETIME;

/**
 * Applies the outcome of attempt number `attempt`. It counts only while a call is open; otherwise the same refund comes
 * back. A refund that has succeeded may fail later, where the provider takes it back. `chance` as in `settle`.
 */
export function settleRefund(
	refund: Refund,
	attempt: number,
	outcome: CallOutcome,
	now: Instant,
	chance: number,
): Refund {
	const { open, status } = refund;
	if (open === null) return refund;
	switch (outcome.kind) {
		case 'succeeded': {
			const reference = outcome.reference ?? refund.reference;
			return { ...refund, status: 'Succeeded', reference, settledAt: refund.settledAt ?? now, open: null };
		}
		case 'declined':
		case 'refused':
		case 'gone':
			return { ...refund, status: 'Failed', settledAt: now, failureReason: outcome.reason, open: null };
	}
	// A later attempt is in progress: its `attemptUntil` stays, or two calls would run at once.
	if (attempt < open.attempts) return refund;
	const isAccepted = outcome.kind === 'pending';
	if (status === 'Succeeded' && (isAccepted || open.attempts >= MOST_QUESTIONS)) return { ...refund, open: null };
	if (isAccepted) {
		const attemptUntil = now + spread(backOff(open.attempts, 2 * FIRST_RETRY, LONGEST_WAIT), chance);
		return { ...refund, reference: outcome.reference, open: { ...open, attemptUntil } };
	}
	const isRemembered = outcome.kind === 'unknown' && outcome.remembered === true;
	const rememberedAt = open.rememberedAt ?? (isRemembered ? now : null);
	const attemptUntil = now + spread(backOff(open.attempts, FIRST_RETRY, LONGEST_RETRY), chance);
	const unknown = status === 'Succeeded' ? status : 'Unknown';
	return { ...refund, status: unknown, open: { ...open, rememberedAt, attemptUntil } };
}

/** The refund after an outcome, with the attempt, and since when its outcome is not known. */
export function notedRefund(before: Refund, after: Refund, call: MadeCall, outcome: CallOutcome, now: Instant): Refund {
	const since = after.status !== 'Unknown' ? null : before.status === 'Unknown' ? (before.undecidedSince ?? now) : now;
	return { ...after, tried: kept(after, call, outcome, now), undecidedSince: since };
}

/** Nothing is asked for any more: what was tried stands in its event. */
export const forgottenRefund = (refund: Refund): Refund =>
	refund.open !== null || refund.tried.length === 0 ? refund : { ...refund, tried: [] };
