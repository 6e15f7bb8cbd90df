/** A fixed number of places for work that must not pile up, such as calls to a provider. */
export class Semaphore {
	readonly total: number;
	#free: number;
	#queue: { readonly most: number; readonly resolve: (taken: number) => void }[] = [];
	#idle: (() => void)[] = [];

	constructor(total: number) {
		this.total = total;
		this.#free = total;
	}

	/** Takes up to `most` places, at least one: waits until one is free. */
	acquire(most: number): Promise<number> {
		if (this.#queue.length === 0 && this.#free > 0) return Promise.resolve(this.tryAcquire(most));
		return new Promise((resolve) => this.#queue.push({ most, resolve }));
	}

	/** Takes what is free, up to `most`, without waiting; may be none. */
	tryAcquire(most: number): number {
		const taken = Math.min(most, this.#free);
		this.#free -= taken;
		return taken;
	}

	release(places: number): void {
		this.#free += places;
		while (this.#free > 0) {
			const next = this.#queue.shift();
			if (next === undefined) break;
			next.resolve(this.tryAcquire(next.most));
		}
		if (this.#free === this.total) for (const resolve of this.#idle.splice(0)) resolve();
	}

	/** Resolves once every place is free. */
	idle(): Promise<void> {
		return this.#free === this.total ? Promise.resolve() : new Promise((resolve) => this.#idle.push(resolve));
	}
}
