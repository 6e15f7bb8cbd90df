/** Payments that were asked for and whose answer never came: Stripe can be asked for them only by their time. */
import type Stripe from 'stripe';
import { type Duration, HOUR, type Instant, SECOND } from '../../../domain/time.ts';
import { abortable, Batcher } from '../../runtime/index.ts';
import type { StripeClient } from './client.ts';
import { orderOf } from './intents.ts';
import { pages } from './pages.ts';

/** How far Stripe's clock and the database's may be apart. */
const SKEW: Duration = 5 * SECOND;
/** A key is in use for no longer. */
const LONGEST: Duration = 24 * HOUR;
/** The most pages of one stretch of time, and of all that one search reads. */
const MOST_PAGES = { ofStretch: 6, ofSearch: 12 };

export interface Sought {
	readonly orderId: string;
	readonly keyUsedAt: Instant;
}

/** The payment; that there is none; or that there are too many of that time to be looked through. */
export type Found = Stripe.PaymentIntent | 'none' | 'too many';

/** In whole seconds since 1970, both ends within. */
interface Stretch {
	readonly from: number;
	readonly to: number;
}

/**
 * Looks for payments, all that are sought at the same time together: after an outage they are many, and of the same
 * minutes. First among those made when they were asked for first, then among those made later.
 */
export class Search {
	readonly #client: StripeClient;
	readonly #timeout: Duration;
	readonly #together: Batcher<Sought & { readonly signal: AbortSignal }, Found>;

	constructor(client: StripeClient, timeout: Duration) {
		this.#client = client;
		this.#timeout = timeout;
		this.#together = new Batcher({ size: 500, inFlight: 1 }, (sought) => this.#lookFor(sought));
	}

	find(sought: Sought, signal: AbortSignal): Promise<Found> {
		return abortable(this.#together.add({ ...sought, signal }), signal);
	}

	async #lookFor(all: readonly (Sought & { readonly signal: AbortSignal })[]): Promise<Found[]> {
		const signal = AbortSignal.any([AbortSignal.timeout(this.#timeout), whenAll(all.map((one) => one.signal))]);
		const round = new Round(this.#client, all, signal);
		const near = ({ keyUsedAt }: Sought): Stretch => stretch(keyUsedAt - SKEW, keyUsedAt + this.#timeout + SKEW);
		await round.read(near);
		await round.read((one) => ({ from: near(one).to + 1, to: stretch(0, one.keyUsedAt + LONGEST).to }));
		return all.map(({ orderId }) => round.resultOf(orderId));
	}
}

/** Aborted once the last one is. */
function whenAll(signals: readonly AbortSignal[]): AbortSignal {
	const all = new AbortController();
	let left = signals.length;
	const leave = (): void => {
		left -= 1;
		if (left === 0) all.abort();
	};
	for (const signal of signals) {
		if (signal.aborted) leave();
		else signal.addEventListener('abort', leave, { once: true });
	}
	return all.signal;
}

const stretch = (from: Instant, to: Instant): Stretch => ({
	from: Math.floor(from / SECOND),
	to: Math.floor(to / SECOND),
});

/** One search for several payments. */
class Round {
	readonly #client: StripeClient;
	readonly #signal: AbortSignal;
	/** by order */
	readonly #found = new Map<string, Stripe.PaymentIntent>();
	/** not found yet, by order */
	readonly #missing: Map<string, Sought>;
	/** those whose time was not read as a whole */
	readonly #inPart = new Set<string>();
	#pages = 0;

	constructor(client: StripeClient, all: readonly Sought[], signal: AbortSignal) {
		this.#client = client;
		this.#signal = signal;
		this.#missing = new Map(all.map((one) => [one.orderId, one]));
	}

	resultOf(orderId: string): Found {
		return this.#found.get(orderId) ?? (this.#inPart.has(orderId) ? 'too many' : 'none');
	}

	/** Reads the stretch of each payment that is missing; those that overlap are read once. */
	async read(of: (one: Sought) => Stretch): Promise<void> {
		const stretches = Array.from(this.#missing.values(), of);
		for (const whole of merged(stretches)) {
			const readFrom = await this.#readStretch(whole);
			for (const one of this.#missing.values()) {
				const { from, to } = of(one);
				if (from >= whole.from && to <= whole.to && from < readFrom) this.#inPart.add(one.orderId);
			}
		}
	}

	/** Returns from which second on it has been read: the first one, unless it has too many pages. */
	async #readStretch({ from, to }: Stretch): Promise<number> {
		let oldest = Number.POSITIVE_INFINITY;
		let read = 0;
		const hasRoom = (): boolean => read < MOST_PAGES.ofStretch && this.#pages < MOST_PAGES.ofSearch;
		if (!hasRoom()) return oldest;
		for await (const page of pages(this.#client, { gte: from, lte: to }, this.#signal, this.#pages)) {
			read += 1;
			this.#pages += 1;
			for (const intent of page) this.#note(intent);
			oldest = (page.at(-1)?.created ?? oldest) + 1; // others may have been made in the same second
			if (this.#missing.size === 0 || !hasRoom()) return oldest;
		}
		return from;
	}

	#note(intent: Stripe.PaymentIntent): void {
		const orderId = orderOf(intent);
		if (orderId !== null && this.#missing.delete(orderId)) this.#found.set(orderId, intent);
	}
}

function merged(stretches: readonly Stretch[]): Stretch[] {
	const all: { from: number; to: number }[] = [];
	for (const { from, to } of [...stretches].sort((a, b) => a.from - b.from)) {
		const last = all.at(-1);
		if (last !== undefined && from <= last.to + 1) last.to = Math.max(last.to, to);
		else all.push({ from, to });
	}
	return all.reverse();
}
