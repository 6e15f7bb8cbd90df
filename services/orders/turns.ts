import type { Duration } from '../../domain/time.ts';

export interface TurnsOptions {
	/** the most that wait for one key */
	readonly most: number;
	/** how long one waits for its turn */
	readonly patience: Duration;
	/** the error for those that are too many or have waited that long */
	readonly refusal: () => Error;
}

/**
 * Runs work on one key one after the other, in the order of arrival. Work that waits here holds nothing that others
 * need. Work without predecessors begins at once.
 */
export class Turns {
	readonly #options: TurnsOptions;
	/** for each key in use: the work that waits for it */
	readonly #queues = new Map<string, Set<() => void>>();

	constructor(options: TurnsOptions) {
		this.#options = options;
	}

	async take<T>(key: string, work: () => Promise<T>): Promise<T> {
		const queue = this.#queues.get(key);
		if (queue === undefined) this.#queues.set(key, new Set());
		else await this.#wait(queue);
		try {
			return await work();
		} finally {
			this.#next(key);
		}
	}

	#wait(queue: Set<() => void>): Promise<void> {
		const { most, patience, refusal } = this.#options;
		if (queue.size >= most) throw refusal();
		return new Promise((resolve, reject) => {
			const begin = (): void => {
				clearTimeout(timer);
				resolve();
			};
			const timer = setTimeout(() => {
				queue.delete(begin);
				reject(refusal());
			}, patience);
			queue.add(begin);
		});
	}

	#next(key: string): void {
		const queue = this.#queues.get(key);
		const [begin] = queue ?? [];
		if (begin === undefined) this.#queues.delete(key);
		else {
			queue?.delete(begin);
			begin();
		}
	}
}
