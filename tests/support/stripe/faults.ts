/** What goes wrong with a request, by seed or by order. */
import { between, pick, type Random } from '../random.ts';
import type { EndpointName } from './endpoints.ts';

/**
 * - `timeout before`, `timeout after`: no answer; the work is not done, or is done.
 * - `late`: the request arrives when the caller has given up already.
 * - `slow`: the work begins at once, holds the key, and is done when the caller has given up.
 * - `error before`, `error after`, `error and later`: a 500 that Stripe keeps; not done, done, done a while later.
 * - `burst`: 429 for a while, on this endpoint.
 * - `cut`: done, and half of the answer. `trickle`: done, and the answer comes in drops, without an end.
 * - `reset`: done, and the connection ends without an answer.
 * - `gateway`: an HTML page with 502 from something in between; not done.
 * - `lapse`: done, and the bank lets the money go soon after. `unseen lapse`: the intent shows it later.
 * - `revoked`: 401 for a while, on all endpoints.
 */
export const FAULTS = [
	...(['timeout before', 'timeout after', 'late', 'slow', 'error before', 'error after', 'error and later'] as const),
	...(['burst', 'cut', 'trickle', 'reset', 'gateway', 'lapse', 'unseen lapse', 'revoked'] as const),
] as const;
export type Fault = (typeof FAULTS)[number];

/** A GET does no work, so these mean nothing for it. */
const FOR_POST: ReadonlySet<Fault> = new Set<Fault>([
	...(['late', 'slow', 'error before', 'error after', 'error and later', 'lapse', 'unseen lapse'] as const),
]);
/** What hits all requests for a while comes no more often than this, in milliseconds: it would never end. */
const APART: Partial<Record<Fault, number>> = { revoked: 20_000, burst: 4_000 };
const FOR_CREATE: ReadonlySet<Fault> = new Set<Fault>(['lapse', 'unseen lapse']);

export interface RandomFaults {
	readonly random: Random;
	/** the share of requests that meet a fault */
	readonly share: number;
	readonly kinds?: readonly Fault[];
}

export class Faults {
	/** how many there were of each kind */
	readonly counts: Partial<Record<Fault, number>> = {};
	/** the caller's time-out in milliseconds */
	readonly patience: number;
	readonly #ordered: { readonly on: EndpointName; readonly fault: Fault }[] = [];
	readonly #last = new Map<Fault, number>();
	#random: RandomFaults | undefined;

	constructor(patience: number) {
		this.patience = patience;
	}

	/** The next request to this endpoint meets this fault; several wait for their turn. */
	order(on: EndpointName, fault: Fault): void {
		this.#ordered.push({ on, fault });
	}

	atRandom(faults: RandomFaults | undefined): void {
		this.#random = faults;
	}

	next(endpoint: EndpointName): Fault | undefined {
		const place = this.#ordered.findIndex(({ on }) => on === endpoint);
		const fault = place === -1 ? this.#drawn(endpoint) : this.#ordered.splice(place, 1)[0]?.fault;
		if (fault !== undefined) this.counts[fault] = (this.counts[fault] ?? 0) + 1;
		return fault;
	}

	/** A length of time that is past the caller's patience. */
	beyondPatience(): number {
		const random = this.#random?.random ?? (() => 0.5);
		return between(random, this.patience * 1.1, this.patience * 3);
	}

	#drawn(endpoint: EndpointName): Fault | undefined {
		if (this.#random === undefined || this.#random.random() >= this.#random.share) return undefined;
		const { random, kinds = FAULTS } = this.#random;
		const isPost = ['create', 'capture', 'cancel', 'refund'].includes(endpoint);
		const [first, ...rest] = kinds.filter(
			(kind) => (isPost || !FOR_POST.has(kind)) && (endpoint === 'create' || !FOR_CREATE.has(kind)),
		);
		const fault = first && pick(random, [first, ...rest]);
		return fault === undefined || this.#isTooSoon(fault) ? undefined : fault;
	}

	#isTooSoon(fault: Fault): boolean {
		const apart = APART[fault];
		if (apart === undefined) return false;
		const now = performance.now();
		if (now < (this.#last.get(fault) ?? Number.NEGATIVE_INFINITY) + apart) return true;
		this.#last.set(fault, now);
		return false;
	}
}
