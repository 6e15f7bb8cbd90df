import { type Duration, SECOND } from '../../domain/time.ts';

/** After this time a group no longer occupies a place: it may wait for a lock or a dead connection. */
const SLOW: Duration = SECOND / 2;
/** The most such groups. What they wait for has a time limit. */
const MOST_SLOW = 4;

interface Waiting<I, O> {
	readonly item: I;
	readonly resolve: (result: O) => void;
	readonly reject: (error: unknown) => void;
}

export interface BatcherOptions {
	/** at most this many items in one group */
	readonly size: number;
	/** at most this many groups at once */
	readonly inFlight: number;
	/**
	 * The fewest items for which a second group begins in parallel. Fewer wait until no group is at work; more are divided
	 * among the free places, so that one group waits while another is worked on. Unset: all that wait go in one group.
	 */
	readonly worthwhile?: number;
}

/**
 * Lets callers that wait at the same time share one piece of work, such as a transaction: all that wait when a place
 * becomes free are handled as one group. `handle` returns a result for each item, in their order; if it throws, the
 * whole group fails. A group that hangs holds up no other.
 */
export class Batcher<I, O> {
	readonly #handle: (items: readonly I[]) => Promise<readonly O[]>;
	readonly #options: BatcherOptions;
	#waiting: Waiting<I, O>[] = [];
	/** groups that have a place */
	#active = 0;
	#slow = 0;
	/** items of the groups that have a place */
	#inHand = 0;
	#scheduled = false;
	#idle: (() => void)[] = [];

	constructor(options: BatcherOptions, handle: (items: readonly I[]) => Promise<readonly O[]>) {
		this.#options = options;
		this.#handle = handle;
	}

	/** The number of waiting items plus the number of groups in progress; 0 when idle. */
	get size(): number {
		return this.#waiting.length + this.#active + this.#slow;
	}

	add(item: I): Promise<O> {
		return new Promise((resolve, reject) => {
			this.#waiting.push({ item, resolve, reject });
			if (this.#isGroup()) this.#begin();
			else this.#schedule();
		});
	}

	/** Resolves once nothing waits and nothing is under way. */
	drained(): Promise<void> {
		if (this.size === 0) return Promise.resolve();
		return new Promise((resolve) => this.#idle.push(resolve));
	}

	/** While other groups are in progress, a full group begins at once and does not wait for the end of this turn. */
	#isGroup(): boolean {
		return this.#active > 0 && this.#active < this.#options.inFlight && this.#waiting.length >= this.#share();
	}

	/** Begins after the present turn of the event loop, so that what arrives together goes together. */
	#schedule(): void {
		if (this.#scheduled) return;
		this.#scheduled = true;
		setImmediate(() => {
			this.#scheduled = false;
			this.#begin();
		});
	}

	#begin(): void {
		while (this.#waiting.length > 0 && this.#active < this.#options.inFlight && this.#isWorthwhile()) {
			const group = this.#waiting.splice(0, this.#share());
			const leave = this.#enter(group.length);
			void this.#run(group).finally(() => {
				leave();
				this.#begin();
				if (this.size === 0) for (const resolve of this.#idle.splice(0)) resolve();
			});
		}
	}

	/** Takes a place, and returns how to give it back; it is given back before that where the group takes long. */
	#enter(items: number): () => void {
		this.#active += 1;
		this.#inHand += items;
		const giveBack = (): void => {
			this.#active -= 1;
			this.#inHand -= items;
		};
		let isSlow = false;
		const timer = setInterval(() => {
			if (this.#slow === MOST_SLOW) return;
			clearInterval(timer);
			isSlow = true;
			this.#slow += 1;
			giveBack();
			this.#begin();
		}, SLOW);
		return () => {
			clearInterval(timer);
			if (isSlow) this.#slow -= 1;
			else giveBack();
		};
	}

	#isWorthwhile(): boolean {
		return this.#active === 0 || this.#waiting.length >= (this.#options.worthwhile ?? 1);
	}

	#share(): number {
		const { size, inFlight, worthwhile = size } = this.#options;
		const share = Math.ceil((this.#waiting.length + this.#inHand) / inFlight);
		return Math.min(size, Math.max(share, worthwhile));
	}

	async #run(group: readonly Waiting<I, O>[]): Promise<void> {
		try {
			const results = await this.#handle(group.map(({ item }) => item));
			group.forEach(({ resolve, reject }, index) => {
				const result = results[index];
				if (result === undefined) reject(new Error('a group was answered in part'));
				else resolve(result);
			});
		} catch (error) {
			for (const { reject } of group) reject(error);
		}
	}
}
