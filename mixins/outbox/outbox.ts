import type { Database, Transaction } from '../database/index.ts';
import type { TransactionName } from '../runtime/index.ts';
import { defineMixin, type Mixin } from '../service.ts';
import { type Outgoing, UnitOfWork } from './unit-of-work.ts';

/** `tries` is 1 for the first time; a transaction that fails for a transient reason is repeated. */
export type Change<T> = (work: UnitOfWork, tx: Transaction, tries: number) => Promise<T>;

/**
 * For handlers of messages that have a transaction of their own: the relay sends what they raise. Where the carrier
 * shares the database, another transaction has taken the messages, holds the carrier's table and waits for the handler.
 * If the handler wanted the table too, whoever asks for the whole of it would stand between them, and all three would
 * wait in a circle.
 */
export const byRelay = ({ stored, unsent = () => {} }: Outgoing): Outgoing => ({ stored, unsent });

/** Changes orders, and stores the messages that they raise in the same transaction. */
export class Outbox {
	readonly #database: Pick<Database, 'transaction'>;
	readonly #outgoing: Outgoing;

	constructor(database: Pick<Database, 'transaction'>, outgoing: Outgoing) {
		this.#database = database;
		this.#outgoing = outgoing;
	}

	/** One transaction, in which `change` locks orders, changes and saves them. `unique`: as in `Database.transaction`. */
	transaction<T>(name: TransactionName, change: Change<T>, unique?: string): Promise<T> {
		let tries = 0;
		const work = (tx: Transaction): Promise<T> => {
			tries += 1;
			return change(new UnitOfWork(tx, this.#outgoing), tx, tries);
		};
		return this.#database.transaction(name, work, unique);
	}
}

export interface WithOutbox {
	readonly outbox: Outbox;
}

/** `this.outbox`: orders are changed and messages raised in one transaction; the outbox relay sends them. */
export const outbox = (): Mixin<WithOutbox> =>
	defineMixin<WithOutbox>({
		created() {
			this.outbox = new Outbox(this.platform.database, this.platform.outgoing);
		},
	});
