import type { Moment, PaymentCall } from '../../domain/commands.ts';
import type { Order } from '../../domain/order.ts';
import type { CallOutcome, CallTerms } from '../../domain/payment.ts';
import type { Finding, ProviderOperation, ProviderOutcome } from '../../domain/provider.ts';
import { SECOND } from '../../domain/time.ts';
import { type Calls, NOT_BEGUN, outside, type Perform } from '../../mixins/calls/index.ts';
import { pausesOf } from '../../mixins/inbox/index.ts';
import type { Platform } from '../../mixins/platform.ts';
import { crashPoint } from '../../mixins/runtime/index.ts';
import { providerGateOf } from './provider-gate.ts';

/** The next call that an order needs, if any; none while the group is paused, or while the provider refuses us. */
export function nextCall(platform: Platform, order: Order, moment: Moment): PaymentCall | null {
	if (pausesOf(platform).of('settlement') !== undefined) return null;
	if (order.needsCall(moment.now) && !providerGateOf(platform).opens()) return null;
	return order.beginPayment(moment, termsOf(platform));
}

export type PaymentCalls = Calls<PaymentCall, CallOutcome>;

/** What calls to the provider are made with from now on. */
export const termsOf = ({ provider, settings }: Platform): CallTerms => ({
	timeout: settings.providerTimeout,
	requestVersion: provider.traits.requestVersion,
});

/**
 * How many calls are made at once: those that a provider takes in half of a call's time, at least one. More would wait for
 * their turn until no time is left for the call itself.
 */
export const mostCalls = ({ provider, settings }: Platform): number =>
	Math.max(1, Math.floor((provider.traits.callsPerSecond * settings.providerTimeout) / (2 * SECOND)));

/**
 * Asks the payment provider for one operation on the money of an order. If it may have been asked before, it is asked
 * first what became of that: a provider keeps its first answer to a key, errors included, so that repeating alone could go
 * on for a day.
 */
export const callProvider: Perform<PaymentCall, CallOutcome> = async function (call, isInTime, signal, cause) {
	const { provider } = this.platform;
	const gate = providerGateOf(this.platform);
	const { operation, orderId } = call;
	const find = async (reference = call.reference): Promise<Finding> =>
		gate.heard(
			await outside(this.platform, { operation: 'find', orderId, cause }, () =>
				provider.find(operation, { ...call, reference }, signal),
			),
		);
	if (call.asksFirst) {
		const found = await find();
		if (isOutcome(found)) return { ...found, found: true };
		if (call.mayCall !== 'same key') return withoutCall(call, found, (line) => this.logger.error(line));
		// To ask may have taken long; by now another process may be making the call.
		if (!isInTime()) return { kind: 'unknown', reason: NOT_BEGUN };
	}
	crashPoint('before:provider.call');
	const outcome = gate.heard(
		await outside(this.platform, { operation, orderId, cause }, () => provider[operation](call, signal)),
	);
	crashPoint('after:provider.call');
	if (outcome.remembered !== true || !isInTime()) return outcome;
	// It says what was, not what is. The payment that it names may be older than the key, as far as we know.
	const named = call.operation === 'authorize' && 'reference' in outcome ? outcome.reference : null;
	const found = await find(named ?? call.reference);
	if (isOutcome(found)) return { ...found, found: true };
	const isError = outcome.kind === 'unknown' || outcome.kind === 'refused';
	if (isError && found.kind === 'notDone' && hasNextKey(call)) return notDone();
	return outcome.kind === 'succeeded'
		? { kind: 'unknown', reason: 'the provider does not show what it said' }
		: outcome;
};

/** A second authorise or refund could move money a second time. */
const hasNextKey = ({ operation }: PaymentCall): boolean => operation === 'capture' || operation === 'void';

const isOutcome = (found: Finding): found is ProviderOutcome => found.kind !== 'notDone' && found.kind !== 'notFound';

const notDone = (): CallOutcome => ({
	kind: 'notDone',
	reason: 'the provider remembers an error under this key, and has done nothing; the next key is used',
	found: true,
});

/** What asking without a call after it comes to. */
function withoutCall(call: PaymentCall, found: Finding, tellPerson: (line: string) => void): CallOutcome {
	const wasLookedAt = found.kind !== 'notFound' || found.inPart !== true;
	if (call.mayConclude && wasLookedAt) return { kind: 'declined', reason: 'provider error', found: true };
	if (call.mayCall === 'next key' && found.kind === 'notDone') return notDone();
	if (!call.keyAged) return { kind: 'unknown', reason: 'the provider shows nothing yet', found: true };
	const what = call.refund === null ? `the ${call.operation}` : `refund ${call.refund.id}`;
	const say = toResolve(call.orderId, call.operation, call.refund?.id);
	tellPerson(
		`order ${call.orderId}: the provider knows nothing of ${what} asked for long ago; a person must decide. If nothing was done there: ${say}`,
	);
	return { kind: 'unknown', reason: 'not found at the provider under a key that has aged', found: true };
}

const NOTHING_DONE = { authorize: 'declined', capture: 'failed', void: 'voided', refund: 'failed' } as const;

/** What a person types into the REPL once nothing was done, or nothing is held, at the provider. */
export function toResolve(orderId: string, operation: ProviderOperation, refundId?: string): string {
	const decision = { orderId, refundId, outcome: NOTHING_DONE[operation], note: 'looked at the provider' };
	return `call payments.resolve '${JSON.stringify(decision)}'`;
}
