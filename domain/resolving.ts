/**
 * A person decides what became of a payment or a refund that the provider does not tell. That takes two steps, with a
 * question to the provider between them: what it says clearly counts more than any decision.
 */
import { isUndecided, kept, mayArriveUntil, sinceWhen } from './attempts.ts';
import type { Moment, PaymentCall } from './commands.ts';
import {
	compare,
	contradiction,
	FITTING,
	MEANWHILE,
	NOT_TOLD,
	type Resolution,
	resolved,
	told,
	underWay,
} from './decision.ts';
import type { Draft } from './draft.ts';
import { invalidState, type Refusal } from './errors.ts';
import { applyOutcome, follow, intended, voided } from './paying.ts';
import { begin, type CallOutcome, type CallTerms, nextAttempt, operationFor, type Payment, settle } from './payment.ts';
import type { Finding, PaymentOperation } from './provider.ts';
import { beginRefundResolution, resolveRefund } from './resolving-refunds.ts';
import { ok, type Result, refuse } from './result.ts';

/** Why the buyer's payment has failed, where a person said so. */
const REASONS = {
	declined: 'The payment was declined.',
	failed: 'The payment could not be taken.',
	voided: 'The money is no longer held.',
} as const;

/** See `Order.beginResolution`. */
export function beginResolution(
	draft: Draft,
	resolution: Resolution,
	moment: Moment,
	terms: CallTerms,
): Result<PaymentCall, Refusal> {
	if (resolution.refundId !== null) return beginRefundResolution(draft, resolution, moment, terms);
	const { payment } = draft;
	const operation = operationFor(draft.record.status, payment) ?? 'void';
	const refusal = refusesResolution(draft, operation, resolution);
	if (refusal !== undefined) return refuse(refusal);
	const { open } = payment;
	if (open?.operation !== operation) return ok(intended(draft, begin(payment, operation, moment.now, terms), moment));
	const until = mayArriveUntil(payment, open, operation, terms.timeout);
	if (moment.now < until) return refuse(underWay(until));
	return ok(intended(draft, nextAttempt(payment, open, moment.now, terms), moment));
}

/** See `Order.resolve`. */
export function resolve(
	draft: Draft,
	call: PaymentCall,
	found: Finding | null,
	resolution: Resolution,
	moment: Moment,
): Result<void, Refusal> {
	const step = call.refund === null ? resolvePayment : resolveRefund;
	const result = step(draft, call, found, resolution, moment);
	// What the order asks for now is begun by settlement.
	if (operationFor(draft.record.status, draft.payment) !== null) draft.arm('PaymentDue', moment.now, moment);
	return result;
}

function resolvePayment(
	draft: Draft,
	call: PaymentCall,
	found: Finding | null,
	resolution: Resolution,
	moment: Moment,
): Result<void, Refusal> {
	const before = draft.payment;
	const { operation, attempt } = call;
	const { outcome, reference } = resolution;
	if (operation === 'refund' || before.open?.operation !== operation || before.open.attempts !== attempt) {
		return refuse(MEANWHILE);
	}
	const verdict = compare(operation, outcome, found);
	if (found !== null && verdict === 'contradicts') {
		applyOutcome(draft, call, told(found), moment);
		return refuse(contradiction(operation, resolution, found));
	}
	if (verdict === 'silent' && outcome === 'authorized' && reference === null && before.reference === null) {
		applyOutcome(draft, call, NOT_TOLD, moment);
		return refuse(invalidState(NO_NAME));
	}
	resolved(draft, operation, resolution, moment);
	if (found !== null && verdict === 'agrees') applyOutcome(draft, call, told(found), moment);
	else decide(draft, before, call, operation, resolution, moment);
	return ok(undefined);
}

/** Nobody but the person knows. */
function decide(
	draft: Draft,
	before: Payment,
	call: PaymentCall,
	operation: PaymentOperation,
	resolution: Resolution,
	moment: Moment,
): void {
	const tried = kept(before, call, NOT_TOLD, moment.now);
	const decided = (after: Payment): Payment => ({ ...sinceWhen(before, after, moment.now), tried });
	if (resolution.outcome === 'voided') {
		draft.payment = decided({ ...before, status: 'Voided', open: null, action: null });
		voided(draft, moment, REASONS.voided);
		draft.payment = { ...draft.payment, tried: [] };
		return;
	}
	const said = asOutcome(resolution);
	draft.payment = decided(settle(before, operation, call.attempt, said, moment.now, moment.random()));
	follow(draft, before, call, said, moment);
}

function asOutcome({ outcome, reference }: Resolution): CallOutcome {
	if (outcome === 'declined') return { kind: 'declined', reason: REASONS.declined };
	if (outcome === 'failed') return { kind: 'refused', reason: REASONS.failed };
	return { kind: 'succeeded', reference };
}

const NO_NAME = 'The provider has told no name for this payment: give it as "reference".';

function refusesResolution(
	{ payment, record }: Draft,
	operation: PaymentOperation,
	{ outcome }: Resolution,
): Refusal | undefined {
	if (!isUndecided(payment)) return invalidState(`The payment is ${payment.status}: there is nothing to decide.`);
	if (operation === 'void' && outcome !== 'voided') {
		return invalidState(
			'The money of this order is to be released, and never taken (I3). Release it at the provider, or give it back there; then decide "voided".',
		);
	}
	if (!FITTING[operation].includes(outcome)) {
		const ends = FITTING[operation].join(', ');
		return invalidState(`The open operation is ${operation}: it can end as ${ends}, not as ${outcome}.`);
	}
	if (outcome === 'captured' && record.status !== 'Confirmed')
		return invalidState(`The order is ${record.status}: its money is not taken (I1).`);
	return undefined;
}
