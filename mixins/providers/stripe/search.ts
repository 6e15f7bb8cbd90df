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

/**
 * The payment; that there is none; or that there are too many of the time after it was asked for to be looked through
 * (`too many`), or too many of the time when it was (`unread`).
 */
export type Found = Stripe.PaymentIntent | 'none' | 'too many' | 'unread';

interface Seeker extends Sought {
	/** Answers at once, though others are still looked for. */
	readonly tell: (found: Stripe.PaymentIntent) => void;
	/** aborted once nobody waits for the answer any more */
	readonly gone: AbortSignal;
}

/** In whole seconds since 1970, both ends within. */
interface Stretch {
	readonly from: number;
	readonly to: number;
}

/**
 * Looks for payments, all that are sought at the same time together: after an outage they are many, and of the same
 * minutes. First among those made when they were asked for first, then among those made later. Each is told as soon as it
 * is found. A page that Stripe does not give, though asked for it several times, ends the search for those not found yet.
 */
export class Search {
	readonly #client: StripeClient;
	readonly #timeout: Duration;
	readonly #together: Batcher<Seeker, Found>;

	constructor(client: StripeClient, timeout: Duration) {
		this.#client = client;
		this.#timeout = timeout;
		this.#together = new Batcher({ size: 500, inFlight: 1 }, (seekers) => this.#lookFor(seekers));
	}

	find(sought: Sought, signal: AbortSignal): Promise<Found> {
		const told = new AbortController();
		const { promise, resolve } = Promise.withResolvers<Found>();
		const tell = (found: Stripe.PaymentIntent): void => {
			resolve(found);
			told.abort();
		};
		const searched = this.#together.add({ ...sought, tell, gone: AbortSignal.any([signal, told.signal]) });
		return abortable(Promise.race([promise, searched]), signal);
	}

	/** Takes half of a call's time at most: the other half is for the call, where nothing is found. */
	async #lookFor(all: readonly Seeker[]): Promise<Found[]> {
		const over = AbortSignal.timeout(this.#timeout / 2);
		const signal = AbortSignal.any([over, whenAll(all.map(({ gone }) => gone))]);
		const round = new Round(this.#client, all, this.#timeout / 8, signal);
		const near = ({ keyUsedAt }: Sought): Stretch => stretch(keyUsedAt - SKEW, keyUsedAt + this.#timeout + SKEW);
		try {
			await round.read(near, 'unread');
			await round.read((one) => ({ from: near(one).to + 1, to: stretch(0, one.keyUsedAt + LONGEST).to }), 'too many');
		} catch (error) {
			// Pages come, but they are too many for the time that there is.
			if (!over.aborted || round.pages === 0) throw error;
		}
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
	readonly #patience: Duration;
	readonly #signal: AbortSignal;
	/** by order */
	readonly #found = new Map<string, Stripe.PaymentIntent>();
	/** not found yet, by order */
	readonly #missing: Map<string, Seeker>;
	/** what is said of a missing one: until its stretches have been read as a whole, that they were not */
	readonly #results = new Map<string, 'none' | 'too many' | 'unread'>();
	#pages = 0;

	constructor(client: StripeClient, all: readonly Seeker[], patience: Duration, signal: AbortSignal) {
		this.#client = client;
		this.#patience = patience;
		this.#signal = signal;
		this.#missing = new Map(all.map((one) => [one.orderId, one]));
	}

	/** how many have been read */
	get pages(): number {
		return this.#pages;
	}

	resultOf(orderId: string): Found {
		return this.#found.get(orderId) ?? this.#results.get(orderId) ?? 'unread';
	}

	/**
	 * Reads the stretch of each payment that is missing; those that overlap are read once. `inPart` is said of a payment
	 * whose stretch cannot be read as a whole, unless more than that was said of it before.
	 */
	async read(of: (one: Sought) => Stretch, inPart: 'too many' | 'unread'): Promise<void> {
		for (const id of this.#missing.keys()) {
			if (this.#results.get(id) !== 'unread') this.#results.set(id, inPart);
		}
		for (const whole of merged(Array.from(this.#missing.values(), of))) {
			const readFrom = await this.#readStretch(whole);
			for (const one of this.#missing.values()) {
				const { from, to } = of(one);
				const isRead = from >= Math.max(whole.from, readFrom) && to <= whole.to;
				if (isRead && this.#results.get(one.orderId) === inPart) this.#results.set(one.orderId, 'none');
			}
		}
	}

	/** Returns from which second on it has been read: the first one, unless it has too many pages. */
	async #readStretch({ from, to }: Stretch): Promise<number> {
		let oldest = Number.POSITIVE_INFINITY;
		let read = 0;
		const hasRoom = (): boolean => read < MOST_PAGES.ofStretch && this.#pages < MOST_PAGES.ofSearch;
		if (!hasRoom()) return oldest;
		const created = { gte: from, lte: to };
		for await (const page of pages(this.#client, created, this.#patience, this.#signal, this.#pages)) {
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
		const seeker = orderId === null ? undefined : this.#missing.get(orderId);
		if (seeker === undefined) return;
		this.#missing.delete(seeker.orderId);
		this.#found.set(seeker.orderId, intent);
		seeker.tell(intent);
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
