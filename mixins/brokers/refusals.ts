import { type Duration, MINUTE } from '../../domain/time.ts';
import type { Log } from '../runtime/index.ts';
import { brokerRefusal } from './trouble.ts';

/**
 * What is refused is tried again within half of this time. If it was not, another process does it now, or it was given
 * up.
 */
const REPEATED_WITHIN: Duration = MINUTE;

interface Refusal {
	readonly reason: string;
	readonly at: number;
}

/**
 * What a broker refuses, from the first refusal until the same thing succeeds: a right is missing, or it cannot store.
 * Each reason is logged once while it lasts, and not again within a minute.
 */
export class Refusals {
	readonly #log: Log;
	/** by what was asked for */
	readonly #current = new Map<string, Refusal>();
	/** when each reason was told */
	readonly #told = new Map<string, number>();
	#isTold = false;

	constructor(log: Log) {
		this.#log = log;
	}

	/** One of the reasons, as a sentence that names no host and no login; undefined if nothing is refused. */
	get reason(): string | undefined {
		const now = performance.now();
		for (const [what, { at }] of this.#current) if (now - at > REPEATED_WITHIN) this.done(what);
		return this.#current.values().next().value?.reason;
	}

	/** Does something and remembers, under `what`, whether the broker has refused it. */
	async watch<T>(what: string, work: () => Promise<T>): Promise<T> {
		try {
			const result = await work();
			this.done(what);
			return result;
		} catch (error) {
			this.failed(what, error);
			throw error;
		}
	}

	/** Other errors do not change what is remembered. */
	failed(what: string, error: unknown): void {
		const reason = brokerRefusal(error);
		if (reason !== undefined) this.refused(what, reason);
	}

	refused(what: string, reason: string): void {
		const now = performance.now();
		const isKnown = [...this.#current.values()].some((refusal) => refusal.reason === reason);
		this.#current.set(what, { reason, at: now });
		if (isKnown || now - (this.#told.get(reason) ?? Number.NEGATIVE_INFINITY) < MINUTE) return;
		this.#told.set(reason, now);
		this.#isTold = true;
		this.#log.warn(reason);
	}

	/** The broker has taken these messages, except the refused ones; each type may have a queue or topic of its own. */
	taken(
		messages: readonly { readonly id: string; readonly type: string }[],
		refused: ReadonlyMap<string, string>,
	): void {
		for (const [type, some] of Map.groupBy(messages, (message) => message.type)) {
			const reason = some.map(({ id }) => refused.get(id)).find((found) => found !== undefined);
			if (reason === undefined) this.done(type);
			else this.refused(type, reason);
		}
	}

	/** The broker has done it. */
	done(what: string): void {
		if (!this.#current.delete(what) || this.#current.size > 0 || !this.#isTold) return;
		this.#isTold = false;
		this.#log.info('the broker does all that it is asked for again');
	}
}
