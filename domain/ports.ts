import type { Money } from './money.ts';
import type { PaymentOperation, ProviderOutcome } from './payment.ts';
import type { HandOverOutcome } from './shipment.ts';

/** What a payment provider is asked. It takes one order at a time, as real providers do. */
export interface PaymentRequest {
	readonly orderId: string;
	/** the same for every repetition of one operation of one order */
	readonly idempotencyKey: string;
	readonly amount: Money;
	/** the provider's own token for the buyer's card */
	readonly paymentMethod: string;
	/** the provider's name for the authorisation; null before there is one */
	readonly reference: string | null;
}

/**
 * A company that moves money. A call that throws, or does not answer in time, has an unknown outcome. When its time is
 * over, `signal` is aborted: the call must end at once then, and give back its connection; what it did stays done.
 */
export interface PaymentProvider {
	/** holds the amount */
	authorize(request: PaymentRequest, signal: AbortSignal): Promise<ProviderOutcome>;
	/** takes what is held */
	capture(request: PaymentRequest, signal: AbortSignal): Promise<ProviderOutcome>;
	/** releases what is held */
	void(request: PaymentRequest, signal: AbortSignal): Promise<ProviderOutcome>;
	/** what became of an operation; undefined if the provider knows nothing of it */
	find(operation: PaymentOperation, request: PaymentRequest, signal: AbortSignal): Promise<ProviderOutcome | undefined>;
}

/**
 * A company that carries parcels. A call that throws has an unknown outcome and is repeated under the same key, without
 * end: a service that forgets keys must be asked first whether it has the parcel. For `signal` see the provider's.
 */
export interface ParcelService {
	handOver(
		request: { readonly orderId: string; readonly idempotencyKey: string },
		signal: AbortSignal,
	): Promise<HandOverOutcome>;
}
