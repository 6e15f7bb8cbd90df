import type { Attempt } from './attempts.ts';
import { IllegalTransition } from './errors.ts';
import type { OrderStatus } from './order-record.ts';
import type { PaymentAction, PaymentOperation, ProviderOutcome, Trail } from './provider.ts';
import { backOff, type Duration, HOUR, type Instant, MINUTE, SECOND, spread } from './time.ts';

export const PAYMENT_STATUSES = [
	'Requested',
	'ActionRequired',
	'Authorized',
	'Declined',
	'Captured',
	'PartiallyRefunded',
	'Refunded',
	'Voided',
	'Failed',
	'Unknown',
] as const;

export type PaymentStatus = (typeof PAYMENT_STATUSES)[number];

/** How long a provider is trusted to remember an idempotency key, from its first use. */
export const KEY_LIFETIME: Duration = 23 * HOUR;
/** A provider that waits for the buyer is asked at least this often. */
export const ASK_EVERY: Duration = MINUTE;
/** How long after a remembered error the provider's list is trusted to show what was done. */
export const SETTLED_AFTER: Duration = MINUTE;
/** A pause, and the rest of the window after it, end at least this long before the provider lets the money go. */
export const CAPTURE_MARGIN: Duration = HOUR;

const FIRST_RETRY: Duration = SECOND;
const LONGEST_RETRY: Duration = MINUTE;

/** What a call to the provider is made with. */
export interface CallTerms {
	/** how long the call may take */
	readonly timeout: Duration;
	/** `ProviderTraits.requestVersion` */
	readonly requestVersion: number;
}

/** A call that was intended and whose outcome is not known yet. */
export interface OpenOperation {
	readonly operation: PaymentOperation;
	/** when its idempotency key was first used */
	readonly keyUsedAt: Instant;
	/** the call is not repeated before this moment */
	readonly attemptUntil: Instant;
	/** 1 for the first call */
	readonly attempts: number;
	/** 1 for the first idempotency key of the operation */
	readonly keyNumber: number;
	/** when the provider answered with an error that it remembers under this key; null if it did not */
	readonly rememberedAt: Instant | null;
	/** how the provider makes its request */
	readonly requestVersion: number;
}

/** The payment of one order; immutable. */
export interface Payment {
	readonly status: PaymentStatus;
	readonly open: OpenOperation | null;
	/** the provider's name for the authorisation */
	readonly reference: string | null;
	/** the amount that the provider was asked to hold, in minor units; null before it was */
	readonly authorizedMinor: bigint | null;
	/** when the provider lets the held money go by itself; null if it does not say */
	readonly captureBefore: Instant | null;
	/** what the buyer has to do, while the bank waits for that */
	readonly action: PaymentAction | null;
	/** what was given back, in minor units */
	readonly refundedMinor: bigint;
	/** what was tried for an operation whose outcome is not known yet */
	readonly tried: readonly Attempt[];
	/** since when it has been `Unknown` or `ActionRequired` without a break; null for other states */
	readonly undecidedSince: Instant | null;
}

/** One whose outcome is awaited. */
export type OpenPayment = Payment & { readonly open: OpenOperation };

/** What became of a call: what the provider said, or what asking it has shown. */
export type CallOutcome = (
	| ProviderOutcome
	/** the key's remembered answer is an error, and the provider shows that nothing was done: the next key is free */
	| (Trail & { readonly kind: 'notDone'; readonly reason: string })
) & {
	/** asking has shown it, not a call */
	readonly found?: boolean;
};

export const newPayment = (): Payment => ({
	status: 'Requested',
	open: null,
	reference: null,
	authorizedMinor: null,
	captureBefore: null,
	action: null,
	refundedMinor: 0n,
	tried: [],
	undecidedSince: null,
});

/** The states of an order in which an authorisation may be under way, and in which its refusal fails the order. */
export const AUTHORIZES: ReadonlySet<OrderStatus> = new Set(['Pending', 'OnHold', 'Confirmed']);

/** The states of a payment whose money was taken. */
export const TAKEN: ReadonlySet<PaymentStatus> = new Set(['Captured', 'PartiallyRefunded', 'Refunded']);

/** The operation that an order in this state asks for, whether or not it may begin yet. */
export function operationFor(order: OrderStatus, { status, open }: Payment): PaymentOperation | null {
	// Nothing is held yet, and nothing shall be: it ends at the provider too.
	if (status === 'ActionRequired' && (order === 'CancelRequested' || open === null)) return 'void';
	if (open !== null) return open.operation;
	if (status === 'Requested' && AUTHORIZES.has(order)) return 'authorize';
	if (status !== 'Authorized') return null;
	return order === 'Confirmed' ? 'capture' : order === 'CancelRequested' ? 'void' : null;
}

/** True if the operation may be begun from this state. */
export function mayBegin({ open, status }: Payment, operation: PaymentOperation): boolean {
	// What waits for the buyer is asked for, which moves no money: a void need not wait for the answer.
	if (status === 'ActionRequired') return operation === 'void';
	return open === null && status === (operation === 'authorize' ? 'Requested' : 'Authorized');
}

const opened = (operation: PaymentOperation, now: Instant, { timeout, requestVersion }: CallTerms): OpenOperation => ({
	...{ operation, keyUsedAt: now, attemptUntil: now + timeout, attempts: 1, keyNumber: 1, rememberedAt: null },
	requestVersion,
});

/** Opens an operation: the intent that must be stored before the call. */
export function begin(payment: Payment, operation: PaymentOperation, now: Instant, terms: CallTerms): OpenPayment {
	if (!mayBegin(payment, operation)) throw new IllegalTransition(`${operation} of a payment ${payment.status}`);
	// If the buyer is no longer waited for, what asking shows now is dropped: it is about another operation.
	return { ...payment, action: null, open: opened(operation, now, terms) };
}

/** True if an open call may be repeated now: its answer is overdue. */
export const mayRepeat = (payment: Payment, now: Instant): boolean =>
	payment.open !== null && now >= payment.open.attemptUntil;

/** Moves an overdue open operation on to its next attempt, under the same key. */
export function repeat(payment: Payment, now: Instant, terms: CallTerms): OpenPayment {
	if (payment.open === null || !mayRepeat(payment, now)) throw new IllegalTransition('nothing to repeat');
	return nextAttempt(payment, payment.open, now, terms);
}

/** The same whether or not its time has come. */
export const nextAttempt = (
	payment: Payment,
	open: OpenOperation,
	now: Instant,
	{ timeout }: CallTerms,
): OpenPayment => ({ ...payment, open: { ...open, attemptUntil: now + timeout, attempts: open.attempts + 1 } });

/** The intent for the first or the next attempt. */
export const beginOrRepeat = (
	payment: Payment,
	operation: PaymentOperation,
	now: Instant,
	terms: CallTerms,
): OpenPayment =>
	payment.open?.operation === operation ? repeat(payment, now, terms) : begin(payment, operation, now, terms);

/** The provider is to be asked now, about a payment that waits for the buyer or about a hold that may have lapsed. */
export function askNow(payment: Payment, now: Instant): Payment {
	const { open, status } = payment;
	if (status === 'Authorized' && open === null) {
		return { ...payment, open: opened('authorize', now, { timeout: 0, requestVersion: 0 }) };
	}
	// A call may be under way, so of other payments nothing is asked before the call's time is over.
	if (status !== 'ActionRequired' || open?.operation !== 'authorize') return payment;
	return { ...payment, open: { ...open, attemptUntil: Math.min(now, open.attemptUntil) } };
}

/** True if the key of the open operation is too old for the provider to be trusted to know it. */
export const keyHasAged = (open: Pick<OpenOperation, 'keyUsedAt'>, now: Instant): boolean =>
	now - open.keyUsedAt >= KEY_LIFETIME;

const close = (payment: Payment, status: PaymentStatus): Payment => ({ ...payment, status, open: null, action: null });

/** Nothing is decided: the next attempt comes later. `status` is what the payment is until then. */
function later(payment: Payment, open: OpenOperation, status: PaymentStatus, next: Partial<OpenOperation>): Payment {
	return { ...payment, status, open: { ...open, ...next } };
}

function unknown(
	payment: Payment,
	open: OpenOperation,
	attempt: number,
	outcome: CallOutcome,
	{ now, chance }: When,
): Payment {
	// A later attempt is in progress: its `attemptUntil` stays, or two calls would run at once.
	if (attempt < open.attempts) return payment;
	// The order has ended without it; what is still there after that long is found by reconciliation.
	if (payment.status === 'Declined' && keyHasAged(open, now)) return close(payment, 'Declined');
	const waited = spread(backOff(open.attempts, FIRST_RETRY, LONGEST_RETRY), chance);
	if (payment.status === 'Authorized' && open.operation === 'authorize') return { ...payment, open: null };
	const stays =
		payment.status === 'Declined' || (payment.status === 'ActionRequired' && open.operation === 'authorize');
	const status = stays ? payment.status : 'Unknown';
	if (outcome.kind === 'notDone' && open.operation !== 'authorize') {
		const next = { keyNumber: open.keyNumber + 1, keyUsedAt: now + waited, rememberedAt: null };
		return later(payment, open, status, { ...next, attemptUntil: now + waited });
	}
	const reference = outcome.kind === 'pending' ? outcome.reference : payment.reference;
	const isRemembered = outcome.kind === 'unknown' && outcome.remembered === true;
	const rememberedAt = open.rememberedAt ?? (isRemembered ? now : null);
	return later({ ...payment, reference }, open, status, { rememberedAt, attemptUntil: now + waited });
}

/** When an outcome is stored, and by how much the next attempt is spread (`spread`). */
interface When {
	readonly now: Instant;
	readonly chance: number;
}

type Settled = Extract<CallOutcome, { kind: 'succeeded' | 'declined' | 'refused' | 'gone' }>;

/**
 * Declined though the buyer was asked to act: the buyer's browser could still pay with another card. So what waits at the
 * provider is ended; the provider is asked about it first.
 */
const leftBehind = (payment: Payment, { requestVersion }: OpenOperation, now: Instant): Payment => ({
	...close(payment, 'Declined'),
	open: opened('void', now, { timeout: 0, requestVersion }),
});

function settled(payment: Payment, open: OpenOperation, outcome: Settled, now: Instant): Payment {
	switch (open.operation) {
		case 'authorize':
			if (outcome.kind === 'succeeded') {
				const captureBefore = outcome.captureBefore ?? payment.captureBefore;
				return { ...close(payment, 'Authorized'), reference: outcome.reference ?? payment.reference, captureBefore };
			}
			if (payment.status === 'ActionRequired' && outcome.kind === 'declined') return leftBehind(payment, open, now);
			// It was held, and was let go since.
			return close(payment, payment.status === 'Authorized' ? 'Failed' : 'Declined');
		case 'capture':
			return close(payment, outcome.kind === 'succeeded' ? 'Captured' : 'Failed');
		case 'void':
			return close(payment, payment.status === 'Declined' ? 'Declined' : 'Voided');
	}
}

/**
 * Applies the outcome of attempt number `attempt` of `operation`. An outcome counts only while that operation is
 * open; otherwise the same payment comes back. A void that is refused though money is held stays `Unknown`. `chance`, from
 * 0 to 1, spreads the next attempts of many orders that have met the same trouble; at 1 each comes as late as it may.
 */
export function settle(
	payment: Payment,
	operation: PaymentOperation,
	attempt: number,
	outcome: CallOutcome,
	now: Instant,
	chance = 1,
): Payment {
	const { open } = payment;
	if (open === null || open.operation !== operation) return payment;
	switch (outcome.kind) {
		case 'actionRequired':
			if (operation !== 'authorize' || payment.status === 'Authorized') break;
			return waiting(payment, open, attempt, outcome, { now, chance });
		case 'succeeded':
		case 'gone':
			return settled(payment, open, outcome, now);
		case 'declined':
		case 'refused':
			if (operation !== 'void' || payment.status === 'Declined') return settled(payment, open, outcome, now);
	}
	return unknown(payment, open, attempt, outcome, { now, chance });
}

function waiting(
	payment: Payment,
	open: OpenOperation,
	attempt: number,
	{ reference, action }: Extract<CallOutcome, { kind: 'actionRequired' }>,
	{ now, chance }: When,
): Payment {
	const next = now + spread(backOff(open.attempts, 2 * SECOND, ASK_EVERY), chance);
	const attemptUntil = attempt < open.attempts ? open.attemptUntil : next;
	return { ...payment, status: 'ActionRequired', reference, action, open: { ...open, attemptUntil } };
}

/** `ActionRequired` without a question: the buyer had their time, and what waits at the provider is to be ended. */
export const giveUp = (payment: Payment): Payment => ({ ...payment, open: null, action: null });

/** `Requested → Voided` without a provider call: nothing was ever asked of the provider. */
export function voidUnasked(payment: Payment): Payment {
	if (payment.status !== 'Requested' || payment.open !== null) {
		throw new IllegalTransition(`void without a call of a payment ${payment.status}`);
	}
	return close(payment, 'Voided');
}
