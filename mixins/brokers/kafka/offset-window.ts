/** A record that was taken and is not committed yet. */
interface Taken {
	readonly offset: number;
	/** tells it from another record at the same offset */
	readonly identity: string;
	done: boolean;
}

/**
 * What was taken from one partition, in the order of the offsets. Records may be done in any order; committed is only
 * up to the first that is not, so that a process that dies has passed over none.
 */
export class OffsetWindow<T extends Taken> {
	#taken: T[] = [];
	/** how many at the front of `#taken` are committed and only not cleared away yet */
	#gone = 0;
	/** what can be committed lies before this place of `#taken` */
	#prefix = 0;

	/** How many were taken and are not committed. */
	get size(): number {
		return this.#taken.length - this.#gone;
	}

	/** The last record that was taken and is not committed. */
	get last(): T | undefined {
		return this.size > 0 ? this.#taken.at(-1) : undefined;
	}

	/**
	 * What a record is that has just been read: `next` one that was not taken yet, `known` one that was. `other` is a
	 * record where another one was: the topic was made anew, or somebody else's commit set the group back.
	 */
	look(offset: number, identity: string): 'next' | 'known' | 'other' {
		const { last } = this;
		if (last === undefined || offset > last.offset) return 'next';
		const found = this.#taken[this.#placeOf(offset)];
		return found?.offset === offset && found.identity === identity ? 'known' : 'other';
	}

	add(taken: T): void {
		this.#taken.push(taken);
	}

	/** The offset to commit: behind the last record of those at the front that are done; undefined if there is none. */
	committable(): number | undefined {
		while (this.#taken[this.#prefix]?.done) this.#prefix += 1;
		const last = this.#prefix > this.#gone ? this.#taken[this.#prefix - 1] : undefined;
		return last === undefined ? undefined : last.offset + 1;
	}

	/** Kafka has the commit of this offset, ours or another's; answers what needs to be kept no longer. */
	committed(offset: number): readonly T[] {
		const from = this.#gone;
		while ((this.#taken[this.#gone]?.offset ?? offset) < offset) this.#gone += 1;
		const removed = this.#taken.slice(from, this.#gone);
		this.#prefix = Math.max(this.#prefix, this.#gone);
		if (this.#gone >= 1_000 || this.#gone === this.#taken.length) {
			this.#taken = this.#taken.slice(this.#gone);
			this.#prefix = Math.max(0, this.#prefix - this.#gone);
			this.#gone = 0;
		}
		return removed;
	}

	/** Forgets all; answers what it forgot. */
	clear(): readonly T[] {
		const all = this.#taken.slice(this.#gone);
		this.#taken = [];
		this.#gone = 0;
		this.#prefix = 0;
		return all;
	}

	/** The place of the first record at or behind an offset. */
	#placeOf(offset: number): number {
		let [low, high] = [this.#gone, this.#taken.length];
		while (low < high) {
			const middle = (low + high) >> 1;
			if ((this.#taken[middle]?.offset ?? Number.POSITIVE_INFINITY) < offset) low = middle + 1;
			else high = middle;
		}
		return low;
	}
}
