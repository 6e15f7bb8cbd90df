import { AsyncLocalStorage } from 'node:async_hooks';
import PQueue from 'p-queue';
import Stripe from 'stripe';
import { type Duration, SECOND } from '../../../domain/time.ts';
import type { StripeBase } from '../../settings/index.ts';

export interface ClientOptions {
	/** a secret */
	readonly apiKey: string;
	readonly apiBase: StripeBase | undefined;
	readonly timeout: Duration;
	readonly callsPerSecond: number;
}

/** Into how many portions the calls of a second are divided. */
const PORTIONS = 5;

/** Stripe limits the calls of each of these by itself. */
export type Endpoint = 'create' | 'capture' | 'cancel' | 'retrieve' | 'list' | 'refund' | 'find refund';

/** Stripe's library, with one request for each call, a signal that ends it, and a pace. It is never shown: it has the key. */
export class StripeClient {
	readonly #stripe: Stripe;
	/** The library passes no signal on to `fetch`. */
	readonly #signals = new AsyncLocalStorage<AbortSignal>();
	readonly #paces = new Map<Endpoint, PQueue>();
	readonly #callsPerSecond: number;

	constructor({ apiKey, apiBase, timeout, callsPerSecond }: ClientOptions) {
		this.#callsPerSecond = callsPerSecond;
		// Not the default client: that one has no limit for the whole exchange, and repeats a call whose connection broke.
		const httpClient = Stripe.createFetchHttpClient((url, init) => this.#fetch(url, init));
		const own = { httpClient, maxNetworkRetries: 0, telemetry: false, timeout };
		this.#stripe = new Stripe(apiKey, { apiVersion: '2026-10-28.endive', ...own, ...apiBase });
	}

	/**
	 * One request, once the pace allows it. Rejects as soon as the signal is aborted; the connection is given back then.
	 * Of the calls that wait, those of the highest priority go first.
	 */
	async call<T>(
		endpoint: Endpoint,
		signal: AbortSignal,
		send: (stripe: Stripe) => Promise<T>,
		priority = 0,
	): Promise<T> {
		await this.#paceOf(endpoint).add(() => {}, { signal, priority });
		return this.#signals.run(signal, () => send(this.#stripe));
	}

	/** A redirect would carry the key to another host. */
	#fetch(url: string | URL | Request, { signal, ...init }: RequestInit = {}): Promise<Response> {
		const ends = [signal, this.#signals.getStore()].filter((one) => one != null);
		return fetch(url, { ...init, redirect: 'error', signal: AbortSignal.any(ends) });
	}

	#paceOf(endpoint: Endpoint): PQueue {
		let pace = this.#paces.get(endpoint);
		if (pace === undefined) {
			// In small portions: calls that leave together may arrive within one second with those of the next.
			const portion = Math.ceil(this.#callsPerSecond / PORTIONS);
			const interval = (portion * SECOND) / this.#callsPerSecond;
			pace = new PQueue({ interval, intervalCap: portion, strict: true });
			this.#paces.set(endpoint, pace);
		}
		return pace;
	}
}
