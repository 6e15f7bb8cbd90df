/** How an order gives money back: the refunds that are asked for, their calls, and what the outcomes lead to. */
import type { MadeCall } from './attempts.ts';
import type { Moment, PaymentCall } from './commands.ts';
import type { Draft } from './draft.ts';
import { invalidState, type Refusal, tooMuch } from './errors.ts';
import type { EventData, EventType } from './events.ts';
import type { Money } from './money.ts';
import { type CallOutcome, type CallTerms, SETTLED_AFTER } from './payment.ts';
import {
	afterRefunds,
	askForRefund,
	beginRefundCall,
	forgottenRefund,
	leftToRefund,
	mayBeginRefund,
	newRefund,
	notedRefund,
	type OpenRefund,
	type Refund,
	refundKeyHasAged,
	settleRefund,
} from './refund.ts';
import { ok, type Result, refuse } from './result.ts';
import type { Instant } from './time.ts';

/** See `Order.refund`. */
export function requestRefund(
	draft: Draft,
	amount: Money | null,
	reason: string | null,
	moment: Moment,
): Result<Refund, Refusal> {
	const { record, refunds } = draft;
	if (record.status !== 'Shipped') return refuse(invalidState(`The order is ${record.status}.`));
	const left = leftToRefund(record.amount.minor, refunds);
	const amountMinor = amount?.minor ?? left;
	if (left === 0n) return refuse(tooMuch('Nothing is left of what was paid.'));
	if (amountMinor > left) return refuse(tooMuch('This is more than is left of what was paid.'));
	const refund = newRefund(moment.newId(moment.now), amountMinor, reason, moment.now);
	draft.refunds = [...refunds, refund];
	raise(draft, moment, 'RefundRequested', refund, { reason });
	return ok(refund);
}

/** The idempotency key of a refund, its only one. */
export const refundKey = (orderId: string, refundId: string): string => `${orderId}:refund:${refundId}`;

/** The first refund whose call may be made now. */
const nextRefund = ({ refunds }: Draft, now: Instant): Refund | undefined =>
	refunds.find((refund) => mayBeginRefund(refund, now));

/** True if a call for a refund would be made now, so that a call slot is needed. */
export const needsRefundCall = (draft: Draft, now: Instant): boolean => nextRefund(draft, now) !== undefined;

/** Starts, or repeats, the call of the first refund that waits for one, and returns it; null if there is none. */
export function beginRefund(draft: Draft, moment: Moment, terms: CallTerms): PaymentCall | null {
	const waiting = nextRefund(draft, moment.now);
	if (waiting === undefined) return null;
	return intendedRefund(draft, beginRefundCall(waiting, moment.now, terms), moment);
}

/** Stores the intent of a refund's next call, and returns the call. */
export function intendedRefund(
	draft: Draft,
	refund: Refund & { readonly open: OpenRefund },
	moment: Moment,
): PaymentCall {
	const { open, reference } = refund;
	storeRefund(draft, refund);
	// As with a payment: the sweeper leaves calls in progress alone.
	if (open.attempts > 1) draft.lookAgain(moment.now);
	const { id: orderId, amount, paymentMethod } = draft.record;
	return {
		...{ orderId, operation: 'refund', attempt: open.attempts, intendedAt: moment.now, paymentMethod },
		idempotencyKey: refundKey(orderId, refund.id),
		amount: { ...amount, minor: refund.amountMinor },
		reference: draft.payment.reference,
		refund: { id: refund.id, reference },
		keyUsedAt: open.keyUsedAt,
		version: open.requestVersion,
		...asking(refund, open, moment.now),
	};
}

function asking(
	{ status, reference }: Refund,
	open: OpenRefund,
	now: Instant,
): Pick<PaymentCall, 'asksFirst' | 'mayCall' | 'mayConclude' | 'keyAged'> {
	const { attempts, rememberedAt } = open;
	const keyAged = refundKeyHasAged(open, now);
	// What the provider has once accepted is never asked for again.
	const asksOnly = status === 'Succeeded' || reference !== null;
	return {
		asksFirst: attempts > 1,
		mayCall: asksOnly || keyAged || rememberedAt !== null ? 'no' : 'same key',
		mayConclude: !asksOnly && rememberedAt !== null && now - rememberedAt >= SETTLED_AFTER,
		keyAged: keyAged && status !== 'Succeeded',
	};
}

/** Applies the outcome of a refund's call. Returns whether it counted. */
export function applyRefundOutcome(draft: Draft, call: MadeCall, outcome: CallOutcome, moment: Moment): boolean {
	const before = draft.refunds.find(({ id }) => id === call.refund?.id);
	if (before === undefined) return false;
	const after = settleRefund(before, call.attempt, outcome, moment.now, moment.random());
	if (after === before) return false;
	followRefund(draft, before, notedRefund(before, after, call, outcome, moment.now), moment);
	return true;
}

/** What the order does about a refund whose state may just have changed. */
export function followRefund(draft: Draft, before: Refund, after: Refund, moment: Moment): void {
	storeRefund(draft, forgottenRefund(after));
	draft.payment = afterRefunds(draft.payment, draft.record.amount.minor, draft.refunds);
	const { status, failureReason: reason, tried: attempts } = after;
	if (status !== before.status && status === 'Succeeded') raise(draft, moment, 'RefundSucceeded', after, { attempts });
	else if (status !== before.status && status === 'Failed') {
		raise(draft, moment, 'RefundFailed', after, { reason, attempts });
	} else draft.lookAgain(moment.now);
}

/** See `Order.correctRefund`. */
export function correctRefund(draft: Draft, id: string, reference: string | null, moment: Moment): boolean {
	const { record, refunds } = draft;
	const before = refunds.find((refund) => refund.id === id);
	if (before?.status !== 'Failed') return false;
	// Another refund may have been asked for in its place; only once that has failed too is there room for this one.
	if (before.amountMinor > leftToRefund(record.amount.minor, refunds)) return false;
	const given = { status: 'Succeeded', settledAt: moment.now, failureReason: null, open: null } as const;
	followRefund(draft, before, { ...before, ...given, reference: reference ?? before.reference }, moment);
	return true;
}

/** See `Order.askForRefunds`. */
export function askForRefunds(draft: Draft, changed: string | null, moment: Moment): boolean {
	const asked = draft.refunds.map((refund) => askForRefund(refund, changed, moment.now));
	if (asked.every((refund, index) => refund === draft.refunds[index])) return false;
	draft.refunds = asked;
	draft.lookAgain(moment.now);
	draft.arm('PaymentDue', moment.now, moment);
	return true;
}

export function storeRefund(draft: Draft, changed: Refund): void {
	draft.refunds = draft.refunds.map((refund) => (refund.id === changed.id ? changed : refund));
}

function raise(
	draft: Draft,
	moment: Moment,
	type: EventType,
	{ id: refundId, amountMinor }: Refund,
	more: Omit<EventData, 'version'> = {},
): void {
	const { currency } = draft.record.amount;
	draft.event(moment, type, { refundId, amountMinor: amountMinor.toString(), currency, ...more });
}
