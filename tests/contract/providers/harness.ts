import type { Money } from '../../../domain/money.ts';
import type { PaymentAction, PaymentOperation, PaymentProvider, ProviderOperation } from '../../../domain/provider.ts';

/** A payment provider in the hands of the contract suite. What a provider cannot be brought to do is left out. */
export interface ProviderHarness {
	/** the provider's own tokens */
	readonly cards: {
		readonly good: string;
		readonly declined: string;
		readonly needsBuyer: string;
		/** authorised, and then the capture is refused for good */
		readonly refusesCapture?: string;
	};
	/** amounts of currencies with 0, 2 and 3 decimals, among them those that the provider writes in another way */
	readonly amounts: readonly Money[];
	/** amounts that it cannot take, and why */
	readonly impossible: readonly (readonly [field: 'amount' | 'currency', amount: Money])[];
	/** Once before all tests. */
	start(): Promise<void>;
	/** Once after all tests. */
	stop(): Promise<void>;
	/** A provider with connections of its own, as another process would have it. */
	open(): PaymentProvider;
	/** What the buyer's bank hears from the buyer; false if nobody waits for it any more. */
	answer?(reference: string, action: PaymentAction, outcome: 'succeeded' | 'failed'): Promise<boolean>;
	/** The bank lets the money of an order go by itself, as after the longest time that it holds money. */
	lapse?(orderId: string): Promise<void>;
	/** The errors that the provider can be made to keep under a key: of which operation, which it has done or not. */
	readonly keptErrors: readonly (readonly [ProviderOperation, 'done' | 'not done'])[];
	/** The first call of this operation ends in such an error. Answers the card to pay with. */
	keepError?(operation: ProviderOperation, work: 'done' | 'not done'): string;
	/** The first call of this operation is done, and nobody hears so. Answers the card to pay with. */
	loseAnswer?(operation: PaymentOperation): string;
	/** Until it is released, the provider answers nobody. */
	stall?(): Promise<() => Promise<void>>;
	/** How many calls the provider believes to be under way. */
	underWay?(): number;
	/** What must never show, such as keys and tokens of cards. */
	readonly secrets: readonly string[];
}
