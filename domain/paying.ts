/** How an order pays: the calls that its state asks for, and what their outcomes lead to. */
import { type Attempt, forgotten, type MadeCall, noted } from './attempts.ts';
import type { Moment, PaymentCall } from './commands.ts';
import type { Draft } from './draft.ts';
import {
	askNow,
	beginOrRepeat,
	type CallOutcome,
	type CallTerms,
	giveUp,
	keyHasAged,
	mayRepeat,
	type OpenPayment,
	operationFor,
	type Payment,
	SETTLED_AFTER,
	settle,
	voidUnasked,
} from './payment.ts';
import type { PaymentOperation } from './provider.ts';
import { applyRefundOutcome, beginRefund, needsRefundCall } from './refunding.ts';
import { GRACE } from './sweeping.ts';
import { type Instant, toIso } from './time.ts';
import { latestEnd } from './window.ts';

const NOT_AUTHENTICATED = 'The buyer did not complete the authentication.';

/** The idempotency key of an operation: its first, or the next after a remembered error. */
const keyOf = (orderId: string, operation: PaymentOperation, number: number): string =>
	`${orderId}:${operation}${number === 1 ? '' : `:${number}`}`;

/** True if a call would be made now, so that a call slot is needed. */
export function needsCall(draft: Draft, now: Instant): boolean {
	const { record, payment } = draft;
	if (record.status === 'Shipped') return needsRefundCall(draft, now);
	const operation = operationFor(record.status, payment);
	return operation !== null && (payment.open?.operation !== operation || mayRepeat(payment, now));
}

/** See `Order.beginPayment`. */
export function beginPayment(draft: Draft, moment: Moment, terms: CallTerms): PaymentCall | null {
	if (draft.record.status === 'Shipped') return beginRefund(draft, moment, terms);
	if (draft.payment.open === null && draft.record.status === 'CancelRequested') cancelWithoutCall(draft, moment);
	const operation = operationFor(draft.record.status, draft.payment);
	if (operation === null || !needsCall(draft, moment.now)) return null;
	return intended(draft, beginOrRepeat(draft.payment, operation, moment.now, terms), moment);
}

/** Stores the intent of the open operation's next call, and returns the call. */
export function intended(draft: Draft, begun: OpenPayment, moment: Moment): PaymentCall {
	const { open } = begun;
	const { operation } = open;
	const isFirst = operation === 'authorize' && begun.authorizedMinor === null;
	const payment = isFirst ? { ...begun, authorizedMinor: draft.record.amount.minor } : begun;
	draft.payment = payment;
	// The first call of an operation needs no new `sweep_at`: the sweeper leaves calls in progress alone.
	if (open.attempts > 1) draft.change({ sweepAt: open.attemptUntil + GRACE, sweeps: 0 });
	const { id: orderId, amount, paymentMethod } = draft.record;
	const minor = operation === 'capture' ? amount.minor : (payment.authorizedMinor ?? amount.minor);
	return {
		...{ orderId, operation, attempt: open.attempts, intendedAt: moment.now, paymentMethod, refund: null },
		idempotencyKey: keyOf(orderId, operation, open.keyNumber),
		amount: { ...amount, minor },
		reference: payment.reference,
		keyUsedAt: open.keyUsedAt,
		version: open.requestVersion,
		...asking(payment, open, moment.now),
	};
}

/** The call that ends at the provider what the authorisation has left there. */
export const voidOf = (call: PaymentCall, reference: string): PaymentCall => ({
	...{ ...call, operation: 'void', reference },
	idempotencyKey: keyOf(call.orderId, 'void', 1),
});

function asking(
	{ status }: Payment,
	open: NonNullable<Payment['open']>,
	now: Instant,
): Pick<PaymentCall, 'asksFirst' | 'mayCall' | 'mayConclude' | 'keyAged'> {
	const keyAged = keyHasAged(open, now);
	const { operation, rememberedAt } = open;
	const asksOnly = operation === 'authorize' && (status === 'ActionRequired' || status === 'Authorized');
	// The provider's own state keeps a second capture or void from happening; nothing else keeps a second authorise.
	const mayCallAgain = rememberedAt === null && !(keyAged && operation === 'authorize');
	const anotherKey = operation === 'authorize' ? 'no' : 'next key';
	return {
		asksFirst: open.attempts > 1,
		mayCall: asksOnly ? 'no' : mayCallAgain ? 'same key' : anotherKey,
		mayConclude: !asksOnly && operation === 'authorize' && rememberedAt !== null && now - rememberedAt >= SETTLED_AFTER,
		keyAged: keyAged && !asksOnly,
	};
}

/** See `Order.applyPaymentOutcome`. */
export function applyOutcome(draft: Draft, call: MadeCall, outcome: CallOutcome, moment: Moment): boolean {
	if (call.operation === 'refund') return applyRefundOutcome(draft, call, outcome, moment);
	const before = draft.payment;
	const after = settle(before, call.operation, call.attempt, outcome, moment.now, moment.random());
	if (after === before) return false;
	draft.payment = noted(before, after, call, outcome, moment.now);
	follow(draft, before, call, outcome, moment);
	return true;
}

/** What was tried for the operation that has just ended, for its event. */
const attempted = ({ payment }: Draft): { readonly attempts: readonly Attempt[] } => ({ attempts: payment.tried });

/** What the order does about a payment whose state has just changed. */
export function follow(draft: Draft, before: Payment, call: MadeCall, outcome: CallOutcome, moment: Moment): void {
	const reason = 'reason' in outcome ? outcome.reason : null;
	switch (draft.payment.status) {
		case 'Authorized':
			authorized(draft, before, moment);
			break;
		case 'ActionRequired':
			waits(draft, before, call, outcome, moment);
			break;
		case 'Declined':
			if (before.status === 'Declined') {
				draft.lookAgain(moment.now); // of what was left behind at the provider
				break;
			}
			draft.event(moment, 'PaymentDeclined', { reason, ...attempted(draft) });
			draft.payment = { ...draft.payment, tried: [] };
			if (draft.record.status === 'CancelRequested') draft.cancelled(moment);
			else draft.failed(moment, reason);
			break;
		case 'Captured':
			draft.event(moment, 'PaymentCaptured', {
				amountMinor: draft.record.amount.minor.toString(),
				...attempted(draft),
			});
			break;
		case 'Failed':
			failed(draft, reason, moment);
			break;
		case 'Voided':
			voided(draft, moment);
			break;
		default:
			draft.lookAgain(moment.now);
	}
	draft.payment = forgotten(draft.payment);
}

function authorized(draft: Draft, before: Payment, moment: Moment): void {
	const { captureBefore } = draft.payment;
	if (before.status === 'Authorized') {
		draft.lookAgain(moment.now); // it is held, as we knew
		return;
	}
	const holdsUntil = captureBefore === null ? {} : { captureBefore: toIso(captureBefore) };
	draft.event(moment, 'PaymentAuthorized', { ...holdsUntil, ...attempted(draft) });
	const { status, heldAt, holdExpiresAt, pendingUntil } = draft.record;
	const limit = latestEnd(draft.record, captureBefore, heldAt ?? moment.now);
	if (status === 'OnHold' && holdExpiresAt !== null && limit < holdExpiresAt) {
		draft.change({ holdExpiresAt: limit });
		draft.arm('HoldExpired', limit, moment);
		draft.lookAgain(moment.now);
	}
	// Its window is over; it was not confirmed, because the buyer had not acted yet.
	const wasWaiting = before.status === 'ActionRequired';
	if (wasWaiting && status === 'Pending' && moment.now >= pendingUntil) draft.confirm(moment, 'authorization');
}

/** The buyer must act. At the end of the window the provider is asked once more, and that answer decides. */
function waits(draft: Draft, before: Payment, call: MadeCall, outcome: CallOutcome, moment: Moment): void {
	const isFirst = before.status !== 'ActionRequired';
	if (isFirst) draft.event(moment, 'PaymentActionRequired');
	else draft.lookAgain(moment.now);
	if (outcome.kind !== 'actionRequired') return; // no answer decides nothing
	const { status, pendingUntil } = draft.record;
	const isOver = status === 'Confirmed' || (status === 'Pending' && moment.now >= pendingUntil);
	if (!isOver) return;
	const askedInTime = call.intendedAt >= pendingUntil && !(status === 'Confirmed' && isFirst);
	draft.payment = askedInTime ? giveUp(draft.payment) : askNow(draft.payment, moment.now);
	if (askedInTime && status === 'Pending') draft.requestCancel(moment, 'authentication');
	else draft.lookAgain(moment.now);
}

function failed(draft: Draft, reason: string | null, moment: Moment): void {
	if (draft.record.status === 'CancelRequested') {
		// The hold has lapsed while its release was asked for: nothing is held, as was wanted.
		draft.payment = { ...draft.payment, status: 'Voided' };
		voided(draft, moment);
	} else {
		draft.failed(moment, reason);
		draft.event(moment, 'PaymentFailed', { reason, ...attempted(draft) });
	}
}

export function voided(draft: Draft, moment: Moment, reason = NOT_AUTHENTICATED): void {
	draft.event(moment, 'PaymentVoided', attempted(draft));
	if (draft.record.status === 'CancelRequested') draft.cancelled(moment);
	else {
		draft.failed(moment, reason);
		draft.event(moment, 'PaymentFailed', { reason });
	}
}

function cancelWithoutCall(draft: Draft, moment: Moment): void {
	const { status } = draft.payment;
	if (status === 'Requested') {
		draft.payment = voidUnasked(draft.payment);
		draft.event(moment, 'PaymentVoided');
		draft.cancelled(moment);
	} else if (status === 'Declined' || status === 'Voided') draft.cancelled(moment);
}
