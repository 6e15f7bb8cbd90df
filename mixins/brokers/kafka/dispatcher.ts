import { setTimeout as pause } from 'node:timers/promises';
import { backOff, type Duration, SECOND } from '../../../domain/time.ts';
import { type Log, tell } from '../../runtime/index.ts';
import type { BatchHandler, Failure } from '../carrier.ts';
import type { Held, LanePartition } from './lane-partition.ts';

const FIRST_PAUSE: Duration = SECOND / 10;
const LONGEST_PAUSE: Duration = SECOND;
const QUIET_FAILURES = 3;
const SAY_EVERY = 60;

export interface DispatcherOptions {
	readonly name: string;
	readonly batch: number;
	readonly concurrency: number;
	readonly handle: BatchHandler;
	/** what becomes of a batch that was handled */
	readonly settle: (batch: readonly Held[], failures: readonly Failure[]) => void;
	readonly log: Log;
}

/** Gives what is due to the handler, in batches, so many at once. */
export class Dispatcher {
	readonly #options: DispatcherOptions;
	/** what is due, by partition; the next batch begins with the first */
	readonly #due = new Map<LanePartition, Held[]>();
	readonly #inHand = new Map<Promise<void>, readonly Held[]>();
	readonly #stopped = new AbortController();
	#halted = false;
	#scheduled = false;

	constructor(options: DispatcherOptions) {
		this.#options = options;
	}

	add(held: Held): void {
		const { home } = held;
		const queue = this.#due.get(home);
		if (queue === undefined) this.#due.set(home, [held]);
		else queue.push(held);
		this.#schedule();
	}

	/** Begins no batch until `resume`; those in hand go on. */
	halt(): void {
		this.#halted = true;
	}

	resume(): void {
		this.#halted = false;
		this.#schedule();
	}

	/** Drops what waits of a partition. */
	drop(home: LanePartition): void {
		this.#due.delete(home);
	}

	/** Whether a batch in hand holds something of a partition. */
	works(home: LanePartition): boolean {
		return [...this.#inHand.values()].some((batch) => batch.some((held) => held.home === home));
	}

	/** Resolves when the batches that are in hand now are done. */
	async idle(): Promise<void> {
		await Promise.all(this.#inHand.keys());
	}

	/** Finishes the batches in hand and begins no other. */
	async close(): Promise<void> {
		this.#stopped.abort();
		await this.idle();
	}

	/** After the present turn of the event loop, so that what is read together is handled together. */
	#schedule(): void {
		if (this.#scheduled) return;
		this.#scheduled = true;
		setImmediate(() => {
			this.#scheduled = false;
			this.#begin();
		});
	}

	#begin(): void {
		while (!this.#halted && !this.#stopped.signal.aborted && this.#inHand.size < this.#options.concurrency) {
			const batch = this.#take();
			if (batch.length === 0) return;
			const work = this.#work(batch).finally(() => {
				this.#inHand.delete(work);
				this.#begin();
			});
			this.#inHand.set(work, batch);
		}
	}

	/** From as few partitions as possible: those that have nothing in hand can change hands without a message twice. */
	#take(): Held[] {
		const batch: Held[] = [];
		for (const [home, queue] of this.#due) {
			const some = queue.splice(0, this.#options.batch - batch.length);
			this.#due.delete(home);
			if (queue.length > 0) this.#due.set(home, queue);
			batch.push(...some);
			if (batch.length === this.#options.batch) break;
		}
		return batch;
	}

	/** If the handler throws, nobody is to blame, and all come again. */
	async #work(batch: readonly Held[]): Promise<void> {
		const { handle, settle, log, name } = this.#options;
		for (let failures = 0; ; ) {
			const rest = batch.filter(({ gone }) => !gone);
			if (rest.length === 0) return;
			try {
				settle(rest, await handle(rest.map(toDelivery)));
				return;
			} catch (error) {
				failures += 1;
				// The first few may pass by themselves; after that one line a minute says what is wrong.
				const level = failures % SAY_EVERY === QUIET_FAILURES + 1 ? 'warn' : 'debug';
				tell(log, level, `${name} has failed ${failures} times`, error);
				await this.#wait(backOff(failures, FIRST_PAUSE, LONGEST_PAUSE));
				if (this.#stopped.signal.aborted) return;
			}
		}
	}

	#wait(delay: Duration): Promise<void> {
		return pause(delay, undefined, { signal: this.#stopped.signal }).catch(() => {});
	}
}

const toDelivery = ({ message: { id, type, key, body, deliverAt, attempts } }: Held) => ({
	id,
	type,
	key,
	body,
	deliverAt,
	attempt: attempts + 1,
});
