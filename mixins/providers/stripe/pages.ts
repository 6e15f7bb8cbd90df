import type Stripe from 'stripe';
import type { Duration } from '../../../domain/time.ts';
import type { StripeClient } from './client.ts';
import { insist } from './insist.ts';

const PAGE = 100;

/**
 * Payments of a time, newest first, with their charges. A page that does not come is asked for again, and once more where
 * it has not come after `patience`. `read` is how many pages the caller has had before: a list that has been begun is read
 * to its end before another one begins.
 */
export async function* pages(
	client: StripeClient,
	created: Stripe.RangeQueryParam,
	patience: Duration,
	signal: AbortSignal,
	read = 0,
): AsyncGenerator<readonly Stripe.PaymentIntent[]> {
	let after: { starting_after?: string } = {};
	for (let page = read; ; page += 1) {
		const params = { created, limit: PAGE, expand: ['data.latest_charge'], ...after };
		const ask = (inTime: AbortSignal) =>
			client.call('list', inTime, (stripe) => stripe.paymentIntents.list(params), page);
		const { data, has_more } = await insist(ask, patience, signal);
		yield data;
		const last = data.at(-1);
		if (!has_more || last === undefined) return;
		after = { starting_after: last.id };
	}
}
