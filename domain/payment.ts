import { IllegalTransition } from './errors.ts';
import type { OrderStatus } from './order-record.ts';
import { backOff, type Duration, HOUR, type Instant, MINUTE, SECOND } from './time.ts';

export const PAYMENT_STATUSES = [
	'Requested',
	'Authorized',
	'Declined',
	'Captured',
	'Voided',
	'Failed',
	'Unknown',
] as const;

export type PaymentStatus = (typeof PAYMENT_STATUSES)[number];

export const PAYMENT_OPERATIONS = ['authorize', 'capture', 'void'] as const;

export type PaymentOperation = (typeof PAYMENT_OPERATIONS)[number];

/** How long a provider is trusted to remember an idempotency key, from its first use. */
export const KEY_LIFETIME: Duration = 23 * HOUR;

const FIRST_RETRY: Duration = SECOND;
const LONGEST_RETRY: Duration = MINUTE;

/** A call that was intended and whose outcome is not known yet. */
export interface OpenOperation {
	readonly operation: PaymentOperation;
	/** when its idempotency key was first used */
	readonly keyUsedAt: Instant;
	/** the call is not repeated before this moment */
	readonly attemptUntil: Instant;
	/** 1 for the first call */
	readonly attempts: number;
}

/** The payment of one order; immutable. */
export interface Payment {
	readonly status: PaymentStatus;
	readonly open: OpenOperation | null;
	/** the provider's name for the authorisation */
	readonly reference: string | null;
}

/** One whose outcome is awaited. */
export type OpenPayment = Payment & { readonly open: OpenOperation };

/** What became of one call to the provider. */
export type ProviderOutcome =
	| { readonly kind: 'succeeded'; readonly reference: string | null }
	/** the buyer's bank said no to an authorisation */
	| { readonly kind: 'declined'; readonly reason: string }
	/** refused for good */
	| { readonly kind: 'refused'; readonly reason: string }
	/** refused because nothing is held any more: expired, or released elsewhere */
	| { readonly kind: 'gone'; readonly reason: string }
	/** no answer, or none that says what happened */
	| { readonly kind: 'unknown'; readonly reason: string };

export const newPayment = (): Payment => ({ status: 'Requested', open: null, reference: null });

/** The states of an order in which an authorisation may be under way, and in which its refusal fails the order. */
export const AUTHORIZES: ReadonlySet<OrderStatus> = new Set(['Pending', 'OnHold', 'Confirmed']);

/** The operation that an order in this state asks for, whether or not it may begin yet. */
export function operationFor(order: OrderStatus, { status, open }: Payment): PaymentOperation | null {
	if (open !== null) return open.operation;
	if (status === 'Requested' && AUTHORIZES.has(order)) return 'authorize';
	if (status !== 'Authorized') return null;
	return order === 'Confirmed' ? 'capture' : order === 'CancelRequested' ? 'void' : null;
}

/** True if the operation may be begun from this state. */
export const mayBegin = (payment: Payment, operation: PaymentOperation): boolean =>
	payment.open === null && payment.status === (operation === 'authorize' ? 'Requested' : 'Authorized');

/** Opens an operation: the intent that must be stored before the call. `timeout` is the call's own. */
export function begin(payment: Payment, operation: PaymentOperation, now: Instant, timeout: Duration): OpenPayment {
	if (!mayBegin(payment, operation)) throw new IllegalTransition(`${operation} of a payment ${payment.status}`);
	return { ...payment, open: { operation, keyUsedAt: now, attemptUntil: now + timeout, attempts: 1 } };
}

/** True if an open call may be repeated now: its answer is overdue. */
export const mayRepeat = (payment: Payment, now: Instant): boolean =>
	payment.open !== null && now >= payment.open.attemptUntil;

/** Moves an overdue open operation on to its next attempt, under the same key. */
export function repeat(payment: Payment, now: Instant, timeout: Duration): OpenPayment {
	if (payment.open === null || !mayRepeat(payment, now)) throw new IllegalTransition('nothing to repeat');
	return { ...payment, open: { ...payment.open, attemptUntil: now + timeout, attempts: payment.open.attempts + 1 } };
}

/** The intent for the first or the next attempt. */
export const beginOrRepeat = (
	payment: Payment,
	operation: PaymentOperation,
	now: Instant,
	timeout: Duration,
): OpenPayment => (payment.open === null ? begin(payment, operation, now, timeout) : repeat(payment, now, timeout));

/** True if the key of the open operation is too old for the provider to be trusted to know it. */
export const keyHasAged = (open: OpenOperation, now: Instant): boolean => now - open.keyUsedAt >= KEY_LIFETIME;

const close = (payment: Payment, status: PaymentStatus): Payment => ({ ...payment, status, open: null });

function unknown(payment: Payment, open: OpenOperation, attempt: number, now: Instant): Payment {
	// A later attempt is in progress: its `attemptUntil` stays, or two calls would run at once.
	if (attempt < open.attempts) return payment;
	const attemptUntil = now + backOff(open.attempts, FIRST_RETRY, LONGEST_RETRY);
	return { ...payment, status: 'Unknown', open: { ...open, attemptUntil } };
}

function settled(
	payment: Payment,
	open: OpenOperation,
	outcome: Exclude<ProviderOutcome, { kind: 'unknown' }>,
): Payment {
	switch (open.operation) {
		case 'authorize':
			return outcome.kind === 'succeeded'
				? { status: 'Authorized', open: null, reference: outcome.reference }
				: close(payment, 'Declined');
		case 'capture':
			return close(payment, outcome.kind === 'succeeded' ? 'Captured' : 'Failed');
		case 'void':
			return close(payment, 'Voided');
	}
}

/**
 * Applies the outcome of attempt number `attempt` of `operation`. An outcome counts only while that operation is
 * open; otherwise the same payment comes back. A void that is refused though money is held stays `Unknown`.
 */
export function settle(
	payment: Payment,
	operation: PaymentOperation,
	attempt: number,
	outcome: ProviderOutcome,
	now: Instant,
): Payment {
	const { open } = payment;
	if (open === null || open.operation !== operation) return payment;
	const voidRefused = operation === 'void' && (outcome.kind === 'refused' || outcome.kind === 'declined');
	if (outcome.kind === 'unknown' || voidRefused) return unknown(payment, open, attempt, now);
	return settled(payment, open, outcome);
}

/** `Requested → Voided` without a provider call: nothing was ever asked of the provider. */
export function voidUnasked(payment: Payment): Payment {
	if (payment.status !== 'Requested' || payment.open !== null) {
		throw new IllegalTransition(`void without a call of a payment ${payment.status}`);
	}
	return close(payment, 'Voided');
}
