/** What a person may say of an operation whose outcome is not known, and how that fits to what the provider says of it. */
import type { Moment } from './commands.ts';
import type { Draft } from './draft.ts';
import { invalidState, type Refusal } from './errors.ts';
import type { CallOutcome } from './payment.ts';
import type { Finding, ProviderOperation } from './provider.ts';
import { type Instant, toIso } from './time.ts';

export const PAYMENT_OUTCOMES = ['authorized', 'declined', 'captured', 'voided', 'failed'] as const;
export const REFUND_OUTCOMES = ['succeeded', 'failed'] as const;
export const RESOLUTION_OUTCOMES = [...new Set([...PAYMENT_OUTCOMES, ...REFUND_OUTCOMES])] as const;
export type ResolutionOutcome = (typeof RESOLUTION_OUTCOMES)[number];

/** What a person has found out at the provider. */
export interface Resolution {
	/** the refund that is meant; null: the payment itself */
	readonly refundId: string | null;
	readonly outcome: ResolutionOutcome;
	/** the provider's name for the authorisation or the refund; null if it is known already, or if there is none */
	readonly reference: string | null;
	/** why, for the history */
	readonly note: string;
	/** who decides */
	readonly by: string;
}

/** How each operation can end. A cancelled order's money is never taken, so a void only ends one way. */
export const FITTING: Readonly<Record<ProviderOperation, readonly ResolutionOutcome[]>> = {
	authorize: ['authorized', 'declined', 'voided'],
	capture: ['captured', 'failed', 'voided'],
	void: ['voided'],
	refund: REFUND_OUTCOMES,
};

type Kind = Finding['kind'];
const ended = (outcomes: readonly ResolutionOutcome[]): Partial<Record<Kind, readonly ResolutionOutcome[]>> => ({
	declined: outcomes,
	refused: outcomes,
	gone: outcomes,
	pending: [],
});

/** What a person may say where the provider says this. Of what is not here the provider says nothing clear. */
const CLEAR: Readonly<Record<ProviderOperation, Partial<Record<Kind, readonly ResolutionOutcome[]>>>> = {
	authorize: { succeeded: ['authorized'], actionRequired: [], ...ended(['declined', 'voided']) },
	capture: { succeeded: ['captured'], ...ended(['failed', 'voided']) },
	// A void that was refused may have been done by hand since, or the money given back.
	void: { succeeded: ['voided'], gone: ['voided'] },
	refund: { succeeded: ['succeeded'], ...ended(['failed']) },
};

/** What says that the operation was done: not true where the provider shows that it was not. */
const DONE: Readonly<Record<ProviderOperation, ResolutionOutcome>> = {
	authorize: 'authorized',
	capture: 'captured',
	void: 'voided',
	refund: 'succeeded',
};

/** Whether the provider's answer agrees with the decision or contradicts it; `silent`: the person alone knows. */
export function compare(
	operation: ProviderOperation,
	outcome: ResolutionOutcome,
	found: Finding | null,
): 'agrees' | 'contradicts' | 'silent' {
	if (found === null) return 'silent';
	if (found.kind === 'notDone') return outcome === DONE[operation] ? 'contradicts' : 'silent';
	const clear = CLEAR[operation][found.kind];
	if (clear === undefined) return 'silent';
	return clear.includes(outcome) ? 'agrees' : 'contradicts';
}

const SAID: Readonly<Partial<Record<Kind, string>>> = {
	succeeded: 'was done',
	declined: 'was declined',
	refused: 'was refused',
	gone: 'came to nothing, because the money is not held any more',
	pending: 'is under way there',
	actionRequired: 'still waits for the buyer',
	notDone: 'was not done',
};

/** Why a decision that the provider contradicts is refused. */
export const contradiction = (operation: ProviderOperation, { outcome }: Resolution, { kind }: Finding): Refusal =>
	invalidState(
		`The provider was asked, and says that the ${operation} ${SAID[kind] ?? 'is another matter'}. That counts, and not "${outcome}".`,
	);

export const underWay = (until: Instant): Refusal =>
	invalidState(`A call to the provider may still be under way. Decide again from ${toIso(until)} on.`);

export const MEANWHILE = invalidState('The payment has changed while the provider was asked. Look at the order again.');

/** The question has shown nothing clear. */
export const NOT_TOLD: CallOutcome = { kind: 'unknown', reason: 'the provider shows nothing clear', found: true };

/** What the provider said, as the outcome of the question. */
export const told = (found: Finding): CallOutcome =>
	found.kind === 'notDone' || found.kind === 'notFound' ? NOT_TOLD : { ...found, found: true };

/** The event that keeps who has decided, and why. */
export function resolved(
	draft: Draft,
	operation: ProviderOperation,
	{ by, note, outcome, reference, refundId }: Resolution,
	moment: Moment,
): void {
	const which = refundId === null ? {} : { refundId };
	draft.event(moment, 'PaymentResolved', { by, note, operation, outcome, reference, ...which });
}
