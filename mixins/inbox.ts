import pg from 'pg';
import type { Moment, Order } from '../domain/order.ts';
import type { Delivery, Failure } from './brokers/carrier.ts';
import type { TransactionName } from './crash-points.ts';
import { type Database, isTransient } from './database/database.ts';
import { insertInbox } from './database/messages-store.ts';
import { type OnStored, UnitOfWork } from './database/unit-of-work.ts';
import { traceOf } from './envelope.ts';
import { isNew, sentence } from './errors.ts';
import { isolate } from './isolate.ts';
import type { Log } from './loop.ts';

/** What one message asks of its order; may answer with something to do after the commit. */
export type Decide<R> = (order: Order, delivery: Delivery, moment: Moment) => R | null;

export interface Handled<R> {
	/** what the decisions answered, all committed */
	readonly results: readonly R[];
	readonly failures: readonly Failure[];
}

interface Understood {
	readonly delivery: Delivery;
	readonly traceparent: string | null;
}

/**
 * Handles messages once for each consumer: inbox rows, changed orders and new messages are one transaction. A message
 * that cannot be handled is set aside alone. What was handled before has no effect and is no failure.
 */
export class Inbox {
	readonly #database: Database;
	readonly #onStored: OnStored;
	readonly #log: Log;

	constructor(database: Database, onStored: OnStored, log: Log) {
		this.#database = database;
		this.#onStored = onStored;
		this.#log = log;
	}

	async handle<R>(
		transaction: TransactionName,
		consumer: string,
		deliveries: readonly Delivery[],
		decide: Decide<R>,
	): Promise<Handled<R>> {
		const results: R[] = [];
		const failures: Failure[] = [];
		await isolate(
			understand(deliveries, failures),
			async (group) => {
				results.push(...(await this.#handleGroup(transaction, consumer, group, decide)));
			},
			({ delivery }, error) => {
				failures.push({ id: delivery.id, error: sentence(error) });
				this.#tell(consumer, error);
			},
			isTransient,
		);
		return { results, failures };
	}

	/** A decision that threw may be a mistake of ours; what the database refuses says all in its message. */
	#tell(consumer: string, error: unknown): void {
		if (!(error instanceof Error) || error instanceof pg.DatabaseError || !isNew(this.#log, error)) return;
		this.#log.error(`${consumer} cannot handle a message: ${error.message}`, error);
	}

	#handleGroup<R>(
		transaction: TransactionName,
		consumer: string,
		group: readonly Understood[],
		decide: Decide<R>,
	): Promise<R[]> {
		return this.#database.transaction(transaction, async (tx) => {
			const results: R[] = [];
			const work = new UnitOfWork(tx, this.#onStored);
			const deliveries = group.map(({ delivery }) => delivery);
			const [fresh, orders] = await Promise.all([
				insertInbox(tx, consumer, deliveries),
				work.lock(deliveries.map(({ key }) => key)),
			]);
			const messages = group.filter(({ delivery }) => fresh.has(delivery.id));
			for (const { delivery, traceparent } of messages) {
				const order = orders.get(delivery.key);
				if (order === undefined) throw new Error(`no order ${delivery.key}`);
				work.trace(delivery.key, traceparent);
				const result = decide(order, delivery, work.moment);
				if (result !== null) results.push(result);
			}
			work.save();
			return results;
		});
	}
}

const UUID = /^[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}$/;

/** Leaves out what comes twice in one batch, and sets aside what is not one of our messages. */
function understand(deliveries: readonly Delivery[], failures: Failure[]): Understood[] {
	const once = new Map(deliveries.map((delivery) => [delivery.id, delivery]));
	return [...once.values()].flatMap((delivery) => {
		try {
			if (!UUID.test(delivery.key)) throw new Error('the key is not an order id');
			return [{ delivery, traceparent: traceOf(delivery.body) }];
		} catch (error) {
			failures.push({ id: delivery.id, error: `not understood: ${sentence(error)}` });
			return [];
		}
	});
}
