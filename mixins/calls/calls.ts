import { setTimeout as pause } from 'node:timers/promises';
import type { Duration } from '../../domain/time.ts';
import type { BatchHandler, Failure } from '../brokers/index.ts';
import type { Consuming, Decide } from '../inbox/index.ts';
import type { Cause } from '../observability/index.ts';
import { Batcher, errorMessage, type Log, Semaphore, tell } from '../runtime/index.ts';

/**
 * When something happened, on two clocks of this process: one that never jumps, and one that goes on while the machine
 * is suspended.
 */
export interface Stamp {
	readonly monotonic: number;
	readonly wall: number;
}

export const stamp = (): Stamp => ({ monotonic: performance.now(), wall: Date.now() });

/** The time since then, by the clock that shows more. */
const since = ({ monotonic, wall }: Stamp): Duration => Math.max(performance.now() - monotonic, Date.now() - wall);

/** A call and what became of it. */
export interface Done<C, O> {
	readonly call: C;
	readonly outcome: O;
	/** what the call was made for */
	readonly cause: Cause;
}

/** A call, and what it is made for. */
export interface Caused<C> {
	readonly call: C;
	readonly cause: Cause;
}

interface Made<O> {
	readonly outcome: O;
	/** if the call was aborted: resolves when it has ended */
	readonly ending?: Promise<void>;
}

export interface CallsOptions<C, O> {
	/** the most calls at once */
	readonly slots: number;
	/** how long one call may take, counted from its intent */
	readonly timeout: Duration;
	/**
	 * makes the call; a throw means that the outcome is not known. If it waits for something before the call itself, it
	 * must ask `isInTime` after that: after the time-out others may repeat the call. Then `signal` is aborted, and the
	 * call must end.
	 */
	readonly perform: (call: C, isInTime: () => boolean, signal: AbortSignal, cause: Cause) => Promise<O>;
	/** the outcome of a call that threw or took too long */
	readonly unknown: (reason: string) => O;
	/** stores outcomes in one transaction; returns for each the next call of that order, or null */
	readonly store: (done: readonly Done<C, O>[]) => Promise<readonly (C | null)[]>;
	readonly log: Log;
}

/** The reason of an unknown outcome if the call was not made. */
export const NOT_BEGUN = 'not begun in time';

/** How long an aborted call may keep its slot, if it does not end. */
const GRACE: Duration = 2_000;

/** How long a service that stops waits for its calls. */
export const STOP_PATIENCE: Duration = 3_000;

/** Outcomes that arrive while others are stored are stored together, at most so many. */
const GROUP = { size: 500, inFlight: 1 };

/**
 * Calls to the outside whose intent has been committed. They run side by side, never more than there are slots; their
 * outcomes are stored in groups as they arrive, so that a slow call delays no other. An outcome that cannot be stored
 * is dropped: the sweeper repeats the call, under the same key.
 */
export class Calls<C, O> {
	readonly slots: Semaphore;
	readonly #options: CallsOptions<C, O>;
	readonly #outcomes: Batcher<Done<C, O>, { readonly next: C | null; readonly intended: Stamp }>;

	constructor(options: CallsOptions<C, O>) {
		this.#options = options;
		this.slots = new Semaphore(options.slots);
		this.#outcomes = new Batcher(GROUP, async (done) => {
			const intended = stamp();
			return (await options.store(done)).map((next) => ({ next, intended }));
		});
	}

	/**
	 * Makes a call for which the caller has taken a slot; the slot is given back in the end. `intended` was taken before
	 * the transaction that stored the intent: after its time-out others may repeat the call, so it is not begun then.
	 */
	start(call: C, intended: Stamp, cause: Cause = null): void {
		void this.#run(call, intended, cause);
	}

	/** Handles messages that lead to calls. */
	consuming(how: Consuming<C>): BatchHandler {
		return intentHandler(this, how);
	}

	/**
	 * Resolves once no call is under way and every outcome has been stored, or after `patience`: a call that takes longer
	 * is repeated by the next process that runs.
	 */
	async idle(patience: Duration): Promise<void> {
		const giveUp = new AbortController();
		const tooLong = pause(patience, undefined, { signal: giveUp.signal }).catch(() => {});
		await Promise.race([this.slots.idle(), tooLong]);
		giveUp.abort();
	}

	async #run(first: C, firstIntended: Stamp, cause: Cause): Promise<void> {
		let intended = firstIntended;
		let ending: Promise<void> | undefined;
		try {
			for (let call: C | null = first; call !== null; ) {
				const { outcome, ...made }: Made<O> = await this.#perform(call, intended, cause);
				ending = made.ending;
				({ next: call, intended } = await this.#outcomes.add({ call, outcome, cause }));
			}
		} catch (error) {
			tell(this.#options.log, 'warn', 'an outcome was not stored', error);
		} finally {
			await ending;
			this.slots.release(1);
		}
	}

	async #perform(call: C, intended: Stamp, cause: Cause): Promise<Made<O>> {
		const { log, perform, timeout, unknown } = this.#options;
		const left = timeout - since(intended);
		if (left <= 0) return { outcome: unknown(NOT_BEGUN) };
		const abort = new AbortController();
		const { promise: tooLate, resolve } = Promise.withResolvers<Made<O>>();
		const made = perform(call, () => since(intended) < timeout, abort.signal, cause).then(
			(outcome): Made<O> => ({ outcome }),
			(error: unknown): Made<O> => {
				tell(log, 'debug', 'a call has failed', error);
				return { outcome: unknown(errorMessage(error)) };
			},
		);
		const timer = setTimeout(() => {
			resolve({ outcome: unknown('no answer in time'), ending: Promise.race([made, pause(GRACE)]).then(() => {}) });
			abort.abort();
		}, left);
		try {
			return await Promise.race([made, tooLate]);
		} finally {
			clearTimeout(timer);
		}
	}
}

/**
 * Handles messages that lead to calls. Intents are committed only for as many messages as there are free call slots,
 * so a batch goes in parts if need be; each call begins after its intent's commit.
 */
function intentHandler<C, O>(calls: Calls<C, O>, options: Consuming<C>): BatchHandler {
	const { inbox, transaction, consumer } = options;
	const decide: Decide<Caused<C>> = (order, delivery, moment, cause) => {
		const call = options.decide(order, delivery, moment, cause);
		return call === null ? null : { call, cause };
	};
	return async (deliveries, within) => {
		const failures: Failure[] = [];
		for (let done = 0; done < deliveries.length; ) {
			const slots = await calls.slots.acquire(deliveries.length - done);
			const since = stamp();
			const begin = (intended: readonly Caused<C>[]): void => {
				calls.slots.release(slots - intended.length);
				for (const { call, cause } of intended) calls.start(call, since, cause);
			};
			const part = deliveries.slice(done, done + slots);
			// Only all together: the slots for the rest would wait for calls that begin after the commit.
			const together = part.length === deliveries.length ? within : undefined;
			const handled = await inbox.handle(transaction, consumer, part, decide, together).catch((error: unknown) => {
				calls.slots.release(slots);
				throw error;
			});
			failures.push(...handled.failures);
			if (handled.within === undefined) begin(handled.results);
			else {
				handled.within.afterCommit(() => begin(handled.results));
				handled.within.afterFailure(() => begin([]));
			}
			done += slots;
		}
		return failures;
	};
}
