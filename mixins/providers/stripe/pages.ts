import type Stripe from 'stripe';
import type { StripeClient } from './client.ts';

const PAGE = 100;

/**
 * Payments of a time, newest first, with their charges. `read` is how many pages the caller has had before: a list that
 * has been begun is read to its end before another one begins.
 */
export async function* pages(
	client: StripeClient,
	created: Stripe.RangeQueryParam,
	signal: AbortSignal,
	read = 0,
): AsyncGenerator<readonly Stripe.PaymentIntent[]> {
	let after: { starting_after?: string } = {};
	for (let page = read; ; page += 1) {
		const params = { created, limit: PAGE, expand: ['data.latest_charge'], ...after };
		const { data, has_more } = await client.call('list', signal, (stripe) => stripe.paymentIntents.list(params), page);
		yield data;
		const last = data.at(-1);
		if (!has_more || last === undefined) return;
		after = { starting_after: last.id };
	}
}
