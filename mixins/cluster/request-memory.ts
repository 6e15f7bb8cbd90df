import type { Duration } from '../../domain/time.ts';

/** Some 15 MB; more than ten thousand requests a second need. */
const MOST = 150_000;

/**
 * The requests that this process has had. One is remembered until no caller waits for it; a copy that comes later is
 * too late to be begun anyway. If there are too many, the oldest are forgotten first, and every request that is old
 * enough to be a copy of a forgotten one counts as known.
 */
export class RequestMemory {
	readonly #known = new Map<string, { readonly until: Duration; readonly forgetAt: Duration }>();
	readonly #most: number;
	#dropped = Number.NEGATIVE_INFINITY;

	constructor(most = MOST) {
		this.#most = most;
	}

	get size(): number {
		return this.#known.size;
	}

	/** False for a request that was here before, or may have been. `until` is when it may begin at the latest. */
	isNew(id: string, until: Duration, forgetAt: Duration, now: Duration): boolean {
		this.#forget(now);
		if (this.#known.has(id) || until <= this.#dropped) return false;
		this.#known.set(id, { until, forgetAt });
		if (this.#known.size > this.#most) this.#dropOldest();
		return true;
	}

	#forget(now: Duration): void {
		for (const [id, { forgetAt }] of this.#known) {
			if (forgetAt > now) return;
			this.#known.delete(id);
		}
	}

	#dropOldest(): void {
		for (const [id, { until }] of this.#known) {
			this.#known.delete(id);
			this.#dropped = Math.max(this.#dropped, until);
			return;
		}
	}
}
