import type { Instant } from '../../../domain/time.ts';

interface Entry<T> {
	readonly at: Instant;
	readonly turn: number;
	readonly item: T;
}

/** Things that wait, the earliest first, and of those for one moment the one that came first: a binary heap. */
export class Schedule<T> {
	readonly #heap: Entry<T>[] = [];
	#turns = 0;

	get size(): number {
		return this.#heap.length;
	}

	/** When the earliest is due; infinite if nothing waits. */
	get next(): Instant {
		return this.#heap[0]?.at ?? Number.POSITIVE_INFINITY;
	}

	add(at: Instant, item: T): void {
		const entry = { at, turn: this.#turns, item };
		this.#turns += 1;
		const heap = this.#heap;
		let place = heap.length;
		while (place > 0) {
			const above = (place - 1) >> 1;
			const parent = heap[above];
			if (parent === undefined || !isBefore(entry, parent)) break;
			heap[place] = parent;
			place = above;
		}
		heap[place] = entry;
	}

	/** Takes out what is due at `now`, in its order. */
	due(now: Instant): T[] {
		const items: T[] = [];
		for (let first = this.#heap[0]; first !== undefined && first.at <= now; first = this.#heap[0]) {
			items.push(first.item);
			this.#removeFirst();
		}
		return items;
	}

	#removeFirst(): void {
		const heap = this.#heap;
		const entry = heap.pop();
		if (entry === undefined || heap.length === 0) return;
		let place = 0;
		for (;;) {
			const left = heap[2 * place + 1];
			const right = heap[2 * place + 2];
			if (left === undefined) break;
			const [child, index] =
				right !== undefined && isBefore(right, left) ? [right, 2 * place + 2] : [left, 2 * place + 1];
			if (!isBefore(child, entry)) break;
			heap[place] = child;
			place = index;
		}
		heap[place] = entry;
	}
}

const isBefore = (a: Entry<unknown>, b: Entry<unknown>): boolean => a.at < b.at || (a.at === b.at && a.turn < b.turn);
