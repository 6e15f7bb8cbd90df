/** What an order is given to decide with, and the calls that it asks for. */
import type { PaymentRequest, ProviderOperation } from './provider.ts';
import type { Instant } from './time.ts';

/** The database's clock as read under the order's lock, and new message ids. */
export interface Moment {
	readonly now: Instant;
	/** a new UUID v7 */
	readonly newId: (at: Instant) => string;
	/** a random number from 0 to 1 */
	readonly random: () => number;
}

/** A call to the payment provider whose intent is about to be stored. */
export interface PaymentCall extends PaymentRequest {
	readonly operation: ProviderOperation;
	readonly attempt: number;
	/** when the intent was made */
	readonly intendedAt: Instant;
	/** the provider is asked first what became of the operation, because it may have been called before */
	readonly asksFirst: boolean;
	/** what may be done if it was not done: the call under the same key, the call under the next key, or nothing */
	readonly mayCall: 'same key' | 'next key' | 'no';
	/** the last answer was an error that the provider remembers, long enough ago for its list to show what was done */
	readonly mayConclude: boolean;
	/** the key is too old to be trusted: a person decides what asking does not answer */
	readonly keyAged: boolean;
}

/** A hand-over to the parcel service whose intent is about to be stored. */
export interface HandOverCall {
	readonly orderId: string;
	readonly attempt: number;
}
