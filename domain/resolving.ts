/** A person decides what became of a payment that the provider does not tell. */
import { isUndecided, sinceWhen } from './attempts.ts';
import type { Moment } from './commands.ts';
import type { Draft } from './draft.ts';
import { invalidState, type Refusal } from './errors.ts';
import { follow, voided } from './paying.ts';
import { type CallOutcome, operationFor, type Payment, settle } from './payment.ts';
import type { PaymentOperation } from './provider.ts';
import { ok, type Result, refuse } from './result.ts';
import { type Instant, toIso } from './time.ts';

export const RESOLUTION_OUTCOMES = ['authorized', 'declined', 'captured', 'voided', 'failed'] as const;
export type ResolutionOutcome = (typeof RESOLUTION_OUTCOMES)[number];

/** What a person has found out at the provider. */
export interface Resolution {
	readonly outcome: ResolutionOutcome;
	/** the provider's name for the authorisation; null if it is known already, or if there is none */
	readonly reference: string | null;
	/** why, for the history */
	readonly note: string;
	/** who decides */
	readonly by: string;
}

/** What a person may say of each operation. A cancelled order's money is never taken, so a void only ends one way. */
const FITTING: Readonly<Record<PaymentOperation, readonly ResolutionOutcome[]>> = {
	authorize: ['authorized', 'declined', 'voided'],
	capture: ['captured', 'failed', 'voided'],
	void: ['voided'],
};

/** Why the buyer's payment has failed, where a person said so. */
const REASONS = {
	declined: 'The payment was declined.',
	failed: 'The payment could not be taken.',
	voided: 'The money is no longer held.',
} as const;

/** See `Order.resolvePayment`. */
export function resolvePayment(draft: Draft, resolution: Resolution, moment: Moment): Result<void, Refusal> {
	const before = draft.payment;
	const operation = before.open?.operation ?? 'void';
	const refusal = refusesResolution(draft, operation, resolution, moment.now);
	if (refusal !== undefined) return refuse(refusal);
	const { outcome, reference, note, by } = resolution;
	draft.event(moment, 'PaymentResolved', { by, note, operation, outcome, reference });
	if (outcome === 'voided') {
		draft.payment = sinceWhen(before, { ...before, status: 'Voided', open: null, action: null }, moment.now);
		voided(draft, moment, REASONS.voided);
		draft.payment = { ...draft.payment, tried: [] };
	} else {
		const attempt = before.open?.attempts ?? 0;
		const said = asOutcome(resolution);
		draft.payment = sinceWhen(before, settle(before, operation, attempt, said, moment.now), moment.now);
		// Nothing was called: of the call only the operation is known.
		const call = { operation, attempt, intendedAt: moment.now, idempotencyKey: '' };
		follow(draft, before, call, said, moment);
	}
	if (operationFor(draft.record.status, draft.payment) !== null) draft.arm('PaymentDue', moment.now, moment);
	return ok(undefined);
}

function asOutcome({ outcome, reference }: Resolution): CallOutcome {
	if (outcome === 'declined') return { kind: 'declined', reason: REASONS.declined };
	if (outcome === 'failed') return { kind: 'refused', reason: REASONS.failed };
	return { kind: 'succeeded', reference };
}

function refusesResolution(
	{ payment, record }: Draft,
	operation: PaymentOperation,
	{ outcome, reference }: Resolution,
	now: Instant,
): Refusal | undefined {
	if (!isUndecided(payment)) return invalidState(`The payment is ${payment.status}: there is nothing to decide.`);
	if (isUnderWay(payment, now)) {
		const until = toIso(payment.open?.attemptUntil ?? now);
		return invalidState(`A call to the provider is under way, until ${until} at the latest. Decide after that.`);
	}
	if (operation === 'void' && outcome !== 'voided') {
		return invalidState(
			'The money of this order is to be released, and never taken (I3). Release it at the provider, or give it back there; then decide "voided".',
		);
	}
	if (!FITTING[operation].includes(outcome)) {
		return invalidState(
			`The open operation is ${operation}: it can end as ${FITTING[operation].join(', ')}, not as ${outcome}.`,
		);
	}
	if (outcome === 'captured' && record.status !== 'Confirmed')
		return invalidState(`The order is ${record.status}: its money is not taken (I1).`);
	if (outcome === 'authorized' && reference === null && payment.reference === null)
		return invalidState('The provider has told no name for this payment: give it as "reference".');
	return undefined;
}

/** True from the intent of a call until its outcome is stored, or its time is over. */
function isUnderWay({ open, tried }: Payment, now: Instant): boolean {
	if (open === null || now >= open.attemptUntil) return false;
	const last = tried.at(-1);
	return last?.operation !== open.operation || last.attempt !== open.attempts;
}
