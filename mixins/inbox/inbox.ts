import { performance } from 'node:perf_hooks';
import pg from 'pg';
import type { Moment } from '../../domain/commands.ts';
import type { Order } from '../../domain/order.ts';
import { type Duration, MINUTE, SECOND } from '../../domain/time.ts';
import { type Delivery, type Failure, traceOf } from '../brokers/index.ts';
import {
	type Database,
	IMPATIENT,
	isNobodysFault,
	isTimeOut,
	isTransient,
	limited,
	type Transaction,
} from '../database/index.ts';
import { type Cause, NO_TRACING, type OpenSpan, processing, type Tracing } from '../observability/index.ts';
import { byRelay, type Free, insertInbox, Outbox, type Outgoing, UnitOfWork } from '../outbox/index.ts';
import { bisect, crashPoint, errorMessage, isNew, type Log, type TransactionName } from '../runtime/index.ts';
import { MOST_ATTEMPTS } from './dead-letters.ts';

/** Applies one message to its order; may return something to do after the commit, which `cause` has caused. */
export type Decide<R> = (order: Order, delivery: Delivery, moment: Moment, cause: Cause) => R | null;

export interface Handled<R> {
	/** what the decisions returned; all of them are committed, or will be with `within` */
	readonly results: readonly R[];
	readonly failures: readonly Failure[];
	/** the carrier's transaction, if all this is part of it */
	readonly within: Transaction | undefined;
}

interface Understood {
	readonly delivery: Delivery;
	readonly traceparent: string | null;
}

/** How a batch is handled. */
interface Handling<R> {
	readonly transaction: TransactionName;
	readonly consumer: string;
	readonly decide: Decide<R>;
	readonly results: R[];
	readonly failures: Failure[];
	/** in milliseconds since 1970, for spans */
	readonly begun: number;
	within: Transaction | undefined;
}

/** After an order was found locked by others, batches do not wait for locked orders for this long. */
const CAUTION: Duration = MINUTE;
/** The same after a transaction that had to be undone: what is repeated at once does not wait in vain again. */
const CAUTION_AT_ONCE: Duration = 2 * SECOND;
/** How many messages of batches that took too long are remembered. */
const MOST_SUSPECTS = 5_000;
const NONE: ReadonlySet<string> = new Set();

/**
 * Handles messages once for each consumer: inbox rows, changed orders and new messages are one transaction, which may be
 * the one that has taken the messages from the carrier. A message that cannot be handled, whose statements take too long,
 * or whose order is locked by others fails alone. A message that was handled before has no effect and is no failure.
 */
export class Inbox {
	readonly #outbox: Outbox;
	readonly #outgoing: Outgoing;
	readonly #log: Log;
	readonly #tracing: Tracing;
	/** messages of batches that took too long; they are handled apart */
	readonly #suspects = new Set<string>();
	#cautiousUntil = Number.NEGATIVE_INFINITY;

	constructor(database: Database, outgoing: Outgoing, log: Log, tracing = NO_TRACING) {
		this.#outbox = new Outbox(database, byRelay(outgoing));
		this.#outgoing = outgoing;
		this.#log = log;
		this.#tracing = tracing;
	}

	/** `within`: as with `BatchHandler`. */
	async handle<R>(
		transaction: TransactionName,
		consumer: string,
		deliveries: readonly Delivery[],
		decide: Decide<R>,
		within?: Transaction,
	): Promise<Handled<R>> {
		const handling: Handling<R> = {
			...{ transaction, consumer, decide, results: [], failures: [] },
			begun: Date.now(),
			within: undefined,
		};
		const understood = understand(deliveries, handling.failures);
		const isSuspect = ({ delivery }: Understood): boolean => this.#suspects.has(delivery.id);
		const { suspects = [], others = [] } = Object.groupBy(understood, (one) =>
			isSuspect(one) ? 'suspects' : 'others',
		);
		if (others.length > 0 && suspects.length === 0 && within !== undefined) await this.#join(handling, others, within);
		else if (others.length > 0) await this.#handleAll(handling, others);
		if (suspects.length > 0) await this.#handleSuspects(handling, suspects);
		if (this.#tracing.isOn && handling.failures.length > 0) this.#traceFailures(handling, understood);
		return handling;
	}

	#traceFailures({ consumer, failures, begun }: Handling<unknown>, messages: readonly Understood[]): void {
		const failed = new Set(failures.map(({ id }) => id));
		for (const { delivery, traceparent } of messages) {
			if (!failed.has(delivery.id) || traceparent === null) continue;
			processing(this.#tracing, consumer, delivery, { cause: traceparent, begun }).end({ error: 'failed' });
		}
	}

	/** Handles all in the carrier's transaction, or throws; then nothing is handled. */
	async #join<R>(handling: Handling<R>, messages: readonly Understood[], tx: Transaction): Promise<void> {
		handling.within = tx;
		tx.commitDurably();
		tx.afterFailure((error) => {
			if (isTimeOut(error)) this.#suspect(messages);
			if (isTransient(error)) this.#beCautious(CAUTION_AT_ONCE);
		});
		const work = new UnitOfWork(tx, this.#outgoing);
		const applied = await this.#apply(handling, messages, { work, tx, cautious: this.#isCautious });
		this.#note(handling, messages, applied);
		crashPoint(`before:${handling.transaction}`);
		tx.afterCommit(() => {
			crashPoint(`after:${handling.transaction}`);
			for (const span of applied.spans) span.end();
		});
	}

	/** Throws if nothing could be handled. If a part was handled, the rest comes again later. */
	async #handleAll<R>(handling: Handling<R>, messages: readonly Understood[]): Promise<void> {
		const rest = new Set(messages);
		const { failures, consumer } = handling;
		try {
			await bisect(
				messages,
				async (group) => {
					await this.#handleGroup(handling, group, false);
					for (const message of group) rest.delete(message);
				},
				(message, error) => {
					rest.delete(message);
					failures.push({ id: message.delivery.id, error: errorMessage(error) });
					this.#tell(consumer, error);
				},
				isTransient,
			);
		} catch (error) {
			if (isTimeOut(error)) this.#suspect(rest);
			if (rest.size === messages.length) throw error;
			for (const { delivery } of rest) this.#putOff(handling, delivery, errorMessage(error));
		}
	}

	/** One message may make every statement that contains it take too long; then it fails alone. */
	async #handleSuspects<R>(handling: Handling<R>, suspects: readonly Understood[]): Promise<void> {
		const rest = new Set(suspects);
		try {
			await bisect(
				suspects,
				limited(async (group) => {
					await this.#handleGroup(handling, group, true);
					for (const message of group) {
						rest.delete(message);
						this.#suspects.delete(message.delivery.id);
					}
				}),
				(message, error) => {
					rest.delete(message);
					handling.failures.push({ id: message.delivery.id, error: errorMessage(error) });
				},
				isNobodysFault,
			);
		} catch (error) {
			for (const { delivery } of rest) this.#putOff(handling, delivery, errorMessage(error));
		}
	}

	#suspect(messages: Iterable<Understood>): void {
		if (this.#suspects.size > MOST_SUSPECTS) this.#suspects.clear();
		for (const { delivery } of messages) this.#suspects.add(delivery.id);
	}

	/** For a message that is not at fault: it comes again, and after its last attempt the sweeper takes over. */
	#putOff({ consumer, failures }: Handling<unknown>, { id, type, key, attempt }: Delivery, reason: string): void {
		if (attempt < MOST_ATTEMPTS) failures.push({ id, error: reason });
		else this.#log.warn(`${consumer} leaves order ${key} to the sweeper, ${type} ${id} has come in vain: ${reason}`);
	}

	/** An error in a decision may be a programming error; a database error says everything in its message. */
	#tell(consumer: string, error: unknown): void {
		if (!(error instanceof Error) || error instanceof pg.DatabaseError || !isNew(this.#log, error)) return;
		this.#log.error(`${consumer} cannot handle a message: ${error.message}`, error);
	}

	async #handleGroup<R>(handling: Handling<R>, group: readonly Understood[], impatient: boolean): Promise<void> {
		const applied = await this.#outbox.transaction(handling.transaction, async (work, tx, tries) => {
			if (impatient) await tx.query(IMPATIENT);
			// After a wait in vain, or a deadlock, do not wait for locked orders any more.
			return this.#apply(handling, group, { work, tx, cautious: impatient || tries > 1 || this.#isCautious });
		});
		for (const span of applied.spans) span.end();
		this.#note(handling, group, applied);
	}

	/** Applies messages to their orders, and stores what comes of it with the transaction. */
	async #apply<R>(
		{ consumer, decide, begun }: Handling<R>,
		group: readonly Understood[],
		{ work, tx, cautious }: { readonly work: UnitOfWork; readonly tx: Transaction; readonly cautious: boolean },
	): Promise<Applied<R>> {
		const take = cautious ? takeFree : takeAll;
		const { fresh, orders, busy } = await take(tx, work, consumer, group);
		const results: R[] = [];
		const spans: OpenSpan[] = [];
		for (const { delivery, traceparent } of group) {
			if (!fresh.has(delivery.id)) continue;
			const order = orders.get(delivery.key);
			if (order === undefined) throw new Error(`no order ${delivery.key}`);
			// A wake-up has no trace of its own, but its order has.
			const cause = traceparent ?? work.traceOf(delivery.key);
			const span = processing(this.#tracing, consumer, delivery, { cause, begun });
			spans.push(span);
			work.trace(delivery.key, span.traceparent);
			const result = decide(order, delivery, work.moment, span.traceparent);
			if (result !== null) results.push(result);
		}
		work.save();
		return { results, busy, spans };
	}

	#note<R>(handling: Handling<R>, group: readonly Understood[], { results, busy }: Applied<R>): void {
		handling.results.push(...results);
		if (busy.size === 0) return;
		this.#beCautious(CAUTION);
		for (const { delivery } of group)
			if (busy.has(delivery.key)) this.#putOff(handling, delivery, 'somebody else holds the order');
	}

	get #isCautious(): boolean {
		return performance.now() < this.#cautiousUntil;
	}

	#beCautious(time: Duration): void {
		this.#cautiousUntil = Math.max(this.#cautiousUntil, performance.now() + time);
	}
}

/** What came of messages, before the commit. */
interface Applied<R> {
	readonly results: readonly R[];
	/** the orders that others hold */
	readonly busy: ReadonlySet<string>;
	readonly spans: readonly OpenSpan[];
}

interface Taken extends Free {
	/** the ids of the messages that were not handled before */
	readonly fresh: ReadonlySet<string>;
}

type Take = (tx: Transaction, work: UnitOfWork, consumer: string, group: readonly Understood[]) => Promise<Taken>;

/** Waits for orders that others have locked. One round trip. */
const takeAll: Take = async (tx, work, consumer, group) => {
	const deliveries = group.map(({ delivery }) => delivery);
	const [fresh, orders] = await Promise.all([
		insertInbox(tx, consumer, deliveries),
		work.lock(deliveries.map(({ key }) => key)),
	]);
	return { fresh, orders, busy: NONE };
};

/** Leaves out orders that others have locked, and their messages. */
const takeFree: Take = async (tx, work, consumer, group) => {
	const { orders, busy } = await work.lockFree(group.map(({ delivery }) => delivery.key));
	const free = group.filter(({ delivery }) => !busy.has(delivery.key)).map(({ delivery }) => delivery);
	return { fresh: free.length > 0 ? await insertInbox(tx, consumer, free) : NONE, orders, busy };
};

const UUID = /^[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}$/;

/** Drops doubles within the batch, and fails what is not one of our messages. */
function understand(deliveries: readonly Delivery[], failures: Failure[]): Understood[] {
	const once = new Map(deliveries.map((delivery) => [delivery.id, delivery]));
	return [...once.values()].flatMap((delivery) => {
		try {
			if (!UUID.test(delivery.key)) throw new Error('the key is not an order id');
			return [{ delivery, traceparent: traceOf(delivery.body) }];
		} catch (error) {
			failures.push({ id: delivery.id, error: `not understood: ${errorMessage(error)}` });
			return [];
		}
	});
}
