import Stripe from 'stripe';
import type {
	Finding,
	PaymentOperation,
	PaymentProvider,
	PaymentRequest,
	ProviderOperation,
	ProviderOutcome,
	ProviderPayment,
	ProviderTraits,
	Trail,
} from '../../../domain/provider.ts';
import { type Duration, HOUR, type Instant, SECOND } from '../../../domain/time.ts';
import type { StripeSettings } from '../../settings/index.ts';
import { refusalOf } from './amounts.ts';
import { type Endpoint, StripeClient } from './client.ts';
import { outcomeOfError } from './errors.ts';
import { findingOf, paymentOf } from './intents.ts';
import { pages } from './pages.ts';
import { findingOfRefund } from './refunds.ts';
import { type Requests, requestsOf } from './requests.ts';
import { Search } from './search.ts';
import { traitsOf } from './traits.ts';

type Answer<T> = T & { readonly lastResponse: Stripe.Response<object>['lastResponse'] };

/** How long a key may have been in use for a repetition under it to be answered with what there is. */
const KEY_LASTS: Duration = 22 * HOUR;
/** The most refunds of one payment that are looked through. */
const MOST_REFUNDS = 100;

/**
 * Stripe, by PaymentIntents whose money is taken later. Without a key it says what it is like, and calls throw. Errors of
 * Stripe's library never leave it: they hold what only the buyer may know.
 */
export class StripeProvider implements PaymentProvider {
	readonly traits: ProviderTraits;
	readonly #client: StripeClient | undefined;
	readonly #lookUp: Search | undefined;
	readonly #isLive: boolean | undefined;
	readonly #timeout: Duration;

	constructor({ apiKey, apiBase, callsPerSecond, isLive }: StripeSettings, timeout: Duration) {
		this.traits = traitsOf(callsPerSecond);
		this.#isLive = isLive;
		this.#timeout = timeout;
		if (apiKey === undefined) return;
		this.#client = new StripeClient({ apiKey, apiBase, timeout, callsPerSecond });
		this.#lookUp = new Search(this.#client, timeout);
	}

	authorize(request: PaymentRequest, signal: AbortSignal): Promise<ProviderOutcome> {
		return this.#change('authorize', 'create', request, signal, ({ paymentIntents }, requests, options) =>
			paymentIntents.create(requests.authorize(request), options),
		);
	}

	capture(request: PaymentRequest, signal: AbortSignal): Promise<ProviderOutcome> {
		return this.#change('capture', 'capture', request, signal, ({ paymentIntents }, requests, options) =>
			paymentIntents.capture(intentOf(request), requests.capture(request), options),
		);
	}

	void(request: PaymentRequest, signal: AbortSignal): Promise<ProviderOutcome> {
		return this.#change('void', 'cancel', request, signal, ({ paymentIntents }, requests, options) =>
			paymentIntents.cancel(intentOf(request), requests.void(request), options),
		);
	}

	async refund(request: PaymentRequest, signal: AbortSignal): Promise<ProviderOutcome> {
		if (refusalOf(request.amount) !== undefined)
			return { kind: 'refused', reason: 'Stripe cannot give back this amount.' };
		return outcomeOf(
			await this.#ask('refund', signal, request, async (client) => {
				const { send, options } = requestOf(request);
				const refund = await client.call('refund', signal, ({ refunds }) =>
					refunds.create(send.refund(request), options),
				);
				return { ...findingOfRefund(refund), ...trailOf(refund) };
			}),
		);
	}

	find(operation: ProviderOperation, request: PaymentRequest, signal: AbortSignal): Promise<Finding> {
		return this.#ask(undefined, signal, request, async (client) => {
			if (operation === 'refund') return findRefund(client, request, signal);
			const { reference } = request;
			if (reference === null) return this.#search(operation, request, signal);
			const intent = await client.call('retrieve', signal, ({ paymentIntents }) =>
				paymentIntents.retrieve(reference, { expand: ['latest_charge'] }),
			);
			return { ...findingOf(operation, intent, request), ...trailOf(intent) };
		});
	}

	async *list(since: Instant, until: Instant, signal: AbortSignal): AsyncIterable<ProviderPayment> {
		const created = { gte: Math.floor(since / SECOND), lte: Math.floor(until / SECOND) };
		try {
			for await (const page of pages(this.#open(), created, this.#timeout / 2, signal)) yield* page.map(paymentOf);
		} catch (error) {
			if (!(error instanceof Stripe.errors.StripeError)) throw error;
			const outcome = outcomeOfError(error);
			throw new Error('reason' in outcome ? outcome.reason : outcome.kind);
		}
	}

	pageOf(reference: string): string | null {
		if (this.#isLive === undefined || !/^pi_\w+$/.test(reference)) return null;
		return `https://dashboard.stripe.com/${this.#isLive ? '' : 'test/'}payments/${reference}`;
	}

	async #change(
		operation: PaymentOperation,
		endpoint: Endpoint,
		request: PaymentRequest,
		signal: AbortSignal,
		send: (stripe: Stripe, requests: Requests, options: Stripe.RequestOptions) => Promise<Answer<Stripe.PaymentIntent>>,
	): Promise<ProviderOutcome> {
		if (operation !== 'void' && refusalOf(request.amount) !== undefined) {
			return { kind: operation === 'capture' ? 'refused' : 'declined', reason: 'Stripe cannot take this amount.' };
		}
		return outcomeOf(
			await this.#ask(operation, signal, request, async (client) => {
				const { send: requests, options } = requestOf(request);
				const intent = await client.call(endpoint, signal, (stripe) => send(stripe, requests, options));
				return { ...findingOf(operation, intent, request), ...trailOf(intent) };
			}),
		);
	}

	async #ask(
		operation: ProviderOperation | undefined,
		signal: AbortSignal,
		request: PaymentRequest,
		ask: (client: StripeClient) => Promise<Finding>,
	): Promise<Finding> {
		try {
			return await ask(this.#open());
		} catch (error) {
			signal.throwIfAborted();
			if (error instanceof Stripe.errors.StripeError) return outcomeOfError(error, operation, request);
			throw error;
		}
	}

	#open(): StripeClient {
		if (this.#client === undefined)
			throw new Error('STRIPE_API_KEY is not set in this process: it cannot call Stripe.');
		return this.#client;
	}

	/**
	 * A payment whose answer never came. If those of its time are too many to be looked through, a key that still lasts needs
	 * no more: a repetition of the call is answered with the payment that there is.
	 */
	async #search(operation: PaymentOperation, request: PaymentRequest, signal: AbortSignal): Promise<Finding> {
		this.#open();
		const found = (await this.#lookUp?.find(request, signal)) ?? 'none';
		if (typeof found === 'object') return findingOf(operation, found, request);
		if (found === 'none') return { kind: 'notFound' };
		if (Date.now() - request.keyUsedAt < KEY_LASTS) return { kind: 'notFound', inPart: found === 'unread' };
		return { kind: 'unknown', reason: 'Stripe has too many payments of that time to look through.' };
	}
}

async function findRefund(client: StripeClient, request: PaymentRequest, signal: AbortSignal): Promise<Finding> {
	const { refund: asked } = request;
	if (asked === null) throw new Error('No refund was asked for.');
	const { reference } = asked;
	if (reference !== null) {
		const refund = await client.call('find refund', signal, ({ refunds }) => refunds.retrieve(reference));
		return { ...findingOfRefund(refund), ...trailOf(refund) };
	}
	const params = { payment_intent: intentOf(request), limit: MOST_REFUNDS };
	const { data, has_more } = await client.call('find refund', signal, ({ refunds }) => refunds.list(params));
	const refund = data.find(({ metadata }) => metadata?.refund_id === asked.id);
	if (refund !== undefined) return findingOfRefund(refund);
	return has_more ? { kind: 'unknown', reason: 'Stripe has too many refunds of this payment.' } : { kind: 'notFound' };
}

function intentOf({ reference }: PaymentRequest): string {
	if (reference === null) throw new Error('The payment has no name at Stripe yet.');
	return reference;
}

function requestOf({ version, idempotencyKey }: PaymentRequest) {
	const send = requestsOf(version);
	return { send, options: { idempotencyKey, apiVersion: send.apiVersion } };
}

/** With the fetch client, and against the library's types, the headers of an answer are those of `fetch`. */
function trailOf({ lastResponse: { headers, requestId } }: Answer<object>): Trail {
	const isReplayed = (headers as unknown as Headers).get('idempotent-replayed') === 'true';
	return { requestId: requestId ?? null, ...(isReplayed ? { remembered: true } : {}) };
}

/** An answer to a call cannot say that the call was not made. */
function outcomeOf(found: Finding): ProviderOutcome {
	if (found.kind !== 'notDone' && found.kind !== 'notFound') return found;
	return { ...found, kind: 'unknown', reason: 'Stripe answered, and shows that nothing was done.' };
}
