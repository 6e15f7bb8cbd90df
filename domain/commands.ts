/** What an order is given to decide with, and the calls that it asks for. */
import type { Money } from './money.ts';
import type { PaymentOperation } from './payment.ts';
import type { Instant } from './time.ts';

/** The database's clock as read under the order's lock, and new message ids. */
export interface Moment {
	readonly now: Instant;
	/** a new UUID v7 */
	readonly newId: (at: Instant) => string;
}

/** A call to the payment provider whose intent is about to be stored. */
export interface PaymentCall {
	readonly orderId: string;
	readonly operation: PaymentOperation;
	readonly attempt: number;
	readonly amount: Money;
	readonly paymentMethod: string;
	readonly reference: string | null;
	/** the key is too old to be trusted: ask what happened before repeating */
	readonly keyAged: boolean;
}

/** A hand-over to the parcel service whose intent is about to be stored. */
export interface HandOverCall {
	readonly orderId: string;
	readonly attempt: number;
}
