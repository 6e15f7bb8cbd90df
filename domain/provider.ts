/** What a payment provider can say, in the words of the order. */
import type { Money } from './money.ts';
import type { Duration, Instant } from './time.ts';

/** What is asked of a provider for the money of an order. */
export const PAYMENT_OPERATIONS = ['authorize', 'capture', 'void'] as const;
export type PaymentOperation = (typeof PAYMENT_OPERATIONS)[number];
export type ProviderOperation = PaymentOperation | 'refund';

/** What the buyer has to do before the bank decides (3-D Secure, for example). */
export interface PaymentAction {
	readonly type: 'redirect' | 'client_secret';
	/** where the buyer's browser goes; null for `client_secret` */
	readonly url: string | null;
	/** what the provider's script in the buyer's browser needs; a secret of the buyer's */
	readonly clientSecret: string | null;
}

/** For the provider's support, and for the history of an order. */
export interface Trail {
	/** the provider's name for this request */
	readonly requestId?: string | null;
	/** the provider's word for what happened, such as `insufficient_funds` */
	readonly code?: string | null;
	/** the provider gave the answer that it remembers under the key: it says what was, not what is */
	readonly remembered?: boolean;
}

/** What became of one call to the provider. */
export type ProviderOutcome = Trail &
	(
		| {
				readonly kind: 'succeeded';
				/** the provider's name for the authorisation or the refund; null where it has none of its own */
				readonly reference: string | null;
				/** when the provider lets the held money go by itself; null or missing if it does not say */
				readonly captureBefore?: Instant | null;
		  }
		/** accepted; what becomes of it is heard later, or asked for */
		| { readonly kind: 'pending'; readonly reference: string; readonly reason: string }
		/** the buyer must act before the bank decides; nothing is held yet */
		| { readonly kind: 'actionRequired'; readonly reference: string; readonly action: PaymentAction }
		/** the buyer's bank said no to an authorisation, or a refund has failed */
		| { readonly kind: 'declined'; readonly reason: string }
		/** refused for good */
		| { readonly kind: 'refused'; readonly reason: string }
		/** refused because nothing is held any more: expired, or released elsewhere */
		| { readonly kind: 'gone'; readonly reason: string }
		/** no answer, or none that says what happened */
		| { readonly kind: 'unknown'; readonly reason: string }
		/** the provider does not talk to us (credentials, mode, a request of ours that it cannot read): no order is meant */
		| { readonly kind: 'refusesUs'; readonly reason: string }
	);

/** What a provider answers when it is asked what became of an operation. */
export type Finding =
	| ProviderOutcome
	/** the payment is there, and shows that the operation has not been done */
	| (Trail & { readonly kind: 'notDone' })
	/** the provider knows nothing of it; or, `inPart`, it has too many payments of that time for all to be looked at */
	| (Trail & { readonly kind: 'notFound'; readonly inPart?: boolean });

/** One operation on the money of one order. */
export interface PaymentRequest {
	readonly orderId: string;
	/** the same for every repetition of one operation */
	readonly idempotencyKey: string;
	/** when that key was first used */
	readonly keyUsedAt: Instant;
	/** how the provider makes its request of these facts: a repetition must be equal to the first, whatever release makes it */
	readonly version: number;
	/** what to hold, to take (perhaps less than is held), to release or to give back */
	readonly amount: Money;
	/** the provider's own token for the buyer's card */
	readonly paymentMethod: string;
	/** the provider's name for the authorisation; null before it is known */
	readonly reference: string | null;
	/** the refund that is asked for; null for other operations */
	readonly refund: { readonly id: string; readonly reference: string | null } | null;
}

/** The money of one order as the provider has it, for reconciliation. */
export interface ProviderPayment {
	/** from the provider's metadata; null if the payment is not one of ours */
	readonly orderId: string | null;
	readonly reference: string;
	readonly createdAt: Instant;
	readonly currency: string;
	/** in our minor units, like the next two */
	readonly held: bigint;
	readonly captured: bigint;
	readonly refunded: bigint;
	/** it waits for the buyer, and could still hold money */
	readonly waits: boolean;
}

/** What a provider says of itself. */
export interface ProviderTraits {
	readonly name: 'sandbox' | 'stripe';
	/** the version of the requests that are made from now on */
	readonly requestVersion: number;
	/** how long it promises to hold money, at least */
	readonly holdsFor: Duration;
	/** the most calls a second of one operation; infinite if it has no limit */
	readonly callsPerSecond: number;
	/** the `paymentMethod` of an order that names none; null if each order has to name one */
	readonly defaultPaymentMethod: string | null;
	/** why it cannot take this amount or currency, as a sentence for the client; undefined if it can */
	refuses(amount: Money): { readonly field: 'amount' | 'currency'; readonly message: string } | undefined;
}

/**
 * A company that moves money. A call that throws, or does not answer in time, has an unknown outcome. When its time is
 * over, `signal` is aborted: the call must end at once then, and give back its connection; what it did stays done. One
 * call is one request: nothing is retried inside. A question moves nothing, and may be asked again inside.
 */
export interface PaymentProvider {
	readonly traits: ProviderTraits;
	/** holds the amount */
	authorize(request: PaymentRequest, signal: AbortSignal): Promise<ProviderOutcome>;
	/** takes the amount of what is held; the rest is released */
	capture(request: PaymentRequest, signal: AbortSignal): Promise<ProviderOutcome>;
	/** releases what is held, or ends what waits for the buyer */
	void(request: PaymentRequest, signal: AbortSignal): Promise<ProviderOutcome>;
	/** gives captured money back */
	refund(request: PaymentRequest, signal: AbortSignal): Promise<ProviderOutcome>;
	/**
	 * What became of an operation, and what is true of it now: of an authorisation also that it waits for the buyer
	 * (`actionRequired`) or has lapsed (`gone`). `notFound` only from a list or an object, never from a search index.
	 */
	find(operation: ProviderOperation, request: PaymentRequest, signal: AbortSignal): Promise<Finding>;
	/** all payments created in this time, for reconciliation */
	list(since: Instant, until: Instant, signal: AbortSignal): AsyncIterable<ProviderPayment>;
	/** the page of a payment for the merchant's people; null if there is none */
	pageOf(reference: string): string | null;
}
