import type { HandOverOutcome } from './shipment.ts';

/**
 * A company that carries parcels. A call that throws has an unknown outcome and is repeated under the same key, without
 * end: a service that forgets keys must be asked first whether it has the parcel. For `signal` see `PaymentProvider`.
 */
export interface ParcelService {
	handOver(
		request: { readonly orderId: string; readonly idempotencyKey: string },
		signal: AbortSignal,
	): Promise<HandOverOutcome>;
}
