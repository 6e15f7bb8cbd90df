/** What a provider says by itself (webhooks): that there is news of a payment. What the news is, it is asked. */
import type { Instant } from '../../domain/time.ts';
import type { Settings } from '../settings/index.ts';

/** What there is news of: whether an authorisation came to be, whether money is still held, a refund. */
export const NEWS = ['authorization', 'hold', 'refund'] as const;

/** Nothing of it is believed: it only says what to ask about. */
export interface ProviderNews {
	/** the provider's name for this message, the same each time it is sent */
	readonly id: string;
	/** it speaks of real money */
	readonly isLive: boolean;
	/** null: of nothing that matters here */
	readonly about: (typeof NEWS)[number] | null;
	/** the provider's name for the payment; null if it names none */
	readonly reference: string | null;
	/** the order that the payment is said to be of; null if it names none */
	readonly orderId: string | null;
	/** the provider's name for the refund whose outcome has changed; null if none has */
	readonly refund: string | null;
}

/** A message that is not the provider's; the reason is for who sent it. */
export class Forged extends Error {
	override readonly name = 'Forged';
}

export interface NewsReader {
	/** Throws `Forged` for what the provider has not signed, or not within the last minutes. */
	read(body: Uint8Array, signature: string | undefined, now: Instant): ProviderNews;
}

/** Reads what this system's provider sends; undefined if it sends nothing that could be checked. */
export async function newsReaderOf({ paymentProvider, stripe }: Settings): Promise<NewsReader | undefined> {
	if (paymentProvider !== 'stripe' || stripe.webhookSecrets.length === 0) return undefined;
	// Not loaded by those who need none of it.
	const { StripeNews } = await import('./stripe/news.ts');
	return new StripeNews(stripe.webhookSecrets);
}
