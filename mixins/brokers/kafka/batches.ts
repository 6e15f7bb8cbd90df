import { setTimeout as pause } from 'node:timers/promises';
import { backOff, type Duration, SECOND } from '../../../domain/time.ts';
import type { Clock } from '../../database/index.ts';
import { type Log, tell } from '../../runtime/index.ts';
import { type BatchHandler, retryDelay } from '../carrier.ts';
import type { Held } from './partition.ts';
import { type Carried, type Outgoing, toDelivery } from './records.ts';
import type { Topics } from './topics.ts';

const FIRST_PAUSE: Duration = SECOND / 10;
const LONGEST_PAUSE: Duration = SECOND;
/** The first few failures are not logged, because they may pass; after that one line a minute says what is wrong. */
const QUIET_FAILURES = 3;
const SAY_EVERY = 60;

export interface BatchesOptions {
	readonly group: string;
	readonly batch: number;
	readonly concurrency: number;
	readonly handle: BatchHandler;
	readonly send: (records: readonly Outgoing[]) => Promise<void>;
	/** they need nothing more */
	readonly done: (batch: readonly Held[]) => void;
	readonly topics: Topics;
	readonly clock: Clock;
	readonly log: Log;
}

/** Gives due messages to the handler in batches, several at once, and publishes again what has to wait longer. */
export class Batches {
	readonly #options: BatchesOptions;
	readonly #stopped = new AbortController();
	readonly #inHand = new Set<Promise<void>>();
	#queue: Held[] = [];
	#halted = false;
	#scheduled = false;

	constructor(options: BatchesOptions) {
		this.#options = options;
	}

	add(held: Held): void {
		this.#queue.push(held);
		this.#schedule();
	}

	/** Begins no batch until `resume`; those in hand go on. */
	halt(): void {
		this.#halted = true;
	}

	/** Starts again without the waiting messages. */
	restart(): void {
		this.#queue = [];
		this.#halted = false;
	}

	/** Resolves when the batches that are in hand now are done. */
	async idle(): Promise<void> {
		await Promise.all(this.#inHand);
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
		const { batch, concurrency } = this.#options;
		while (!this.#halted && !this.#stopped.signal.aborted && this.#inHand.size < concurrency) {
			const some = this.#queue.splice(0, batch);
			if (some.length === 0) return;
			const work = this.#work(some).finally(() => {
				this.#inHand.delete(work);
				this.#begin();
			});
			this.#inHand.add(work);
		}
	}

	/** A message is done when the handler has it, or when Kafka has it in the topic where it waits on. */
	async #work(batch: readonly Held[]): Promise<void> {
		const { group, handle, clock } = this.#options;
		const now = clock.now();
		const isEarly = ({ message: { due } }: Held): boolean => due !== null && due > now;
		await this.#sendOn(batch.filter(isEarly), ({ message }) => message);

		const due = batch.filter((held) => !isEarly(held));
		const failures = await this.#persist(`consumer ${group}`, async () => {
			const rest = due.filter(isOurs);
			return rest.length === 0 ? [] : handle(rest.map(({ message }) => toDelivery(message)));
		});
		if (failures === undefined) return;
		const failed = new Set(failures.map(({ id }) => id));
		const { again = [], well = [] } = Object.groupBy(due.filter(isOurs), ({ message: { id } }) =>
			failed.has(id) ? 'again' : 'well',
		);
		this.#options.done(well);
		await this.#sendOn(again, ({ message }) => {
			const attempts = message.attempts + 1;
			return { ...message, attempts, due: Math.ceil(clock.now() + retryDelay(attempts)) };
		});
	}

	/** Publishes them to the rungs for the rest of their delays. */
	async #sendOn(batch: readonly Held[], toMessage: (held: Held) => Carried): Promise<void> {
		const { group, send, topics, clock, done } = this.#options;
		if (batch.length === 0) return;
		const sent = await this.#persist(`forwarding for ${group}`, async () => {
			const rest = batch.filter(isOurs);
			await send(rest.map((held) => topics.later(group, toMessage(held), clock.now())));
			return rest;
		});
		if (sent !== undefined) done(sent);
	}

	/**
	 * Repeats what fails until it works; undefined if the consumer is closed before. A throw counts as no message's
	 * failure.
	 */
	async #persist<T>(what: string, action: () => Promise<T>): Promise<T | undefined> {
		for (let failures = 1; ; failures += 1) {
			try {
				return await action();
			} catch (error) {
				const level = failures % SAY_EVERY === QUIET_FAILURES + 1 ? 'warn' : 'debug';
				tell(this.#options.log, level, `${what} has failed ${failures} times`, error);
				const { signal } = this.#stopped;
				await pause(backOff(failures, FIRST_PAUSE, LONGEST_PAUSE), undefined, { signal }).catch(() => {});
				if (signal.aborted) return undefined;
			}
		}
	}
}

const isOurs = ({ home }: Held): boolean => !home.gone;
