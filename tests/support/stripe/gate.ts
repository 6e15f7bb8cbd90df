/** What stands before the work: the secret key, and how many requests a second there may be. */
import type { EndpointName } from './endpoints.ts';
import { Refusal } from './refusal.ts';

export class Gate {
	readonly #keys: ReadonlySet<string>;
	readonly #recent = new Map<EndpointName, number[]>();
	readonly #bursts = new Map<EndpointName, number>();
	#revokedUntil = 0;
	/** the most requests a second to one endpoint; Stripe's own is 25 */
	limit = Number.POSITIVE_INFINITY;
	/** the most there ever were in one second of one endpoint */
	busiest = 0;

	constructor(keys: readonly string[]) {
		this.#keys = new Set(keys);
	}

	/** The keys are good for nothing, for so many milliseconds or until `restore`. */
	revoke(duration = Number.POSITIVE_INFINITY): void {
		this.#revokedUntil = performance.now() + duration;
	}

	restore(): void {
		this.#revokedUntil = 0;
	}

	/** 429 for so long. */
	burst(endpoint: EndpointName, duration: number): void {
		this.#bursts.set(endpoint, performance.now() + duration);
	}

	checkKey(authorization: string | undefined): void {
		const key = /^Bearer (\S+)$/.exec(authorization ?? '')?.[1];
		const isGood = key !== undefined && this.#keys.has(key) && performance.now() >= this.#revokedUntil;
		if (isGood) return;
		const message = `Invalid API Key provided: ${(key ?? '').slice(0, 8)}***`;
		throw new Refusal(401, { type: 'invalid_request_error', message }, false);
	}

	checkRate(endpoint: EndpointName): void {
		const now = performance.now();
		const recent = (this.#recent.get(endpoint) ?? []).filter((at) => at > now - 1_000);
		this.#recent.set(endpoint, recent);
		recent.push(now);
		this.busiest = Math.max(this.busiest, recent.length);
		if (recent.length <= this.limit && now >= (this.#bursts.get(endpoint) ?? 0)) return;
		const body = {
			type: 'invalid_request_error',
			code: 'rate_limit',
			message: 'Request rate limit exceeded.',
		} as const;
		throw new Refusal(429, body, false);
	}
}
