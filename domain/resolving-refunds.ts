/** A person decides what became of a refund; see `resolving.ts`. */
import { mayArriveUntil } from './attempts.ts';
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
import type { CallOutcome, CallTerms } from './payment.ts';
import type { Finding } from './provider.ts';
import { nextRefundCall, notedRefund, settleRefund } from './refund.ts';
import { applyRefundOutcome, followRefund, intendedRefund } from './refunding.ts';
import { ok, type Result, refuse } from './result.ts';

const FAILED = 'The money could not be given back.';

/** The question whose answer counts more than the decision. */
export function beginRefundResolution(
	draft: Draft,
	{ refundId, outcome }: Resolution,
	moment: Moment,
	terms: CallTerms,
): Result<PaymentCall, Refusal> {
	const refund = draft.refunds.find(({ id }) => id === refundId);
	if (refund === undefined) return refuse(invalidState('The order has no such refund.'));
	const { open, status } = refund;
	if (status !== 'Unknown' || open === null) {
		return refuse(invalidState(`The refund is ${status}: there is nothing to decide.`));
	}
	if (!FITTING.refund.includes(outcome)) {
		return refuse(invalidState(`A refund can end as ${FITTING.refund.join(', ')}, not as ${outcome}.`));
	}
	const until = mayArriveUntil(refund, open, 'refund', terms.timeout);
	if (moment.now < until) return refuse(underWay(until));
	return ok(intendedRefund(draft, nextRefundCall(refund, moment.now, terms), moment));
}

/** Applies the provider's answer, or the decision where the provider says nothing clear. */
export function resolveRefund(
	draft: Draft,
	call: PaymentCall,
	found: Finding | null,
	resolution: Resolution,
	moment: Moment,
): Result<void, Refusal> {
	const before = draft.refunds.find(({ id }) => id === call.refund?.id);
	if (before?.open?.attempts !== call.attempt) return refuse(MEANWHILE);
	const { outcome, reference } = resolution;
	const verdict = compare('refund', outcome, found);
	if (found !== null && verdict === 'contradicts') {
		applyRefundOutcome(draft, call, told(found), moment);
		return refuse(contradiction('refund', resolution, found));
	}
	resolved(draft, 'refund', resolution, moment);
	if (found !== null && verdict === 'agrees') applyRefundOutcome(draft, call, told(found), moment);
	else {
		const said: CallOutcome =
			outcome === 'succeeded' ? { kind: 'succeeded', reference } : { kind: 'declined', reason: FAILED };
		const after = settleRefund(before, call.attempt, said, moment.now, moment.random());
		followRefund(draft, before, notedRefund(before, after, call, NOT_TOLD, moment.now), moment);
	}
	return ok(undefined);
}
