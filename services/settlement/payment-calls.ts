import type { PaymentCall } from '../../domain/commands.ts';
import type { ProviderOutcome } from '../../domain/payment.ts';
import type { PaymentRequest } from '../../domain/ports.ts';
import { type Calls, NOT_BEGUN, type Perform } from '../../mixins/calls/index.ts';
import { crashPoint } from '../../mixins/runtime/index.ts';

export type PaymentCalls = Calls<PaymentCall, ProviderOutcome>;

/** Asks the payment provider for one operation on the money of an order. */
export const callProvider: Perform<PaymentCall, ProviderOutcome> = async function (call, isInTime, signal) {
	const { provider } = this.platform;
	const request: PaymentRequest = {
		orderId: call.orderId,
		idempotencyKey: `${call.orderId}:${call.operation}`,
		amount: call.amount,
		paymentMethod: call.paymentMethod,
		reference: call.reference,
	};
	if (call.keyAged) {
		const found = await provider.find(call.operation, request, signal);
		if (found !== undefined) return found;
		if (call.operation === 'authorize') {
			this.logger.error(
				`order ${call.orderId}: the provider knows nothing of an authorisation asked for long ago; a person must decide`,
			);
			return { kind: 'unknown', reason: 'not found at the provider under a key that has aged' };
		}
	}
	// `find` may have taken long; by now another process may be making the call.
	if (call.keyAged && !isInTime()) return { kind: 'unknown', reason: NOT_BEGUN };
	crashPoint('before:provider.call');
	const outcome = await provider[call.operation](request, signal);
	crashPoint('after:provider.call');
	return outcome;
};
