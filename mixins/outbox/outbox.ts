import type { Database, Transaction } from '../database/index.ts';
import type { TransactionName } from '../runtime/index.ts';
import { defineMixin, type Mixin } from '../service.ts';
import { type OnStored, UnitOfWork } from './unit-of-work.ts';

/** `tries` is 1 for the first time; a transaction that fails for a transient reason is repeated. */
export type Change<T> = (work: UnitOfWork, tx: Transaction, tries: number) => Promise<T>;

/** Changes orders, and stores the messages that they raise in the same transaction. */
export class Outbox {
	readonly #database: Pick<Database, 'transaction'>;
	readonly #onStored: OnStored;

	constructor(database: Pick<Database, 'transaction'>, onStored: OnStored) {
		this.#database = database;
		this.#onStored = onStored;
	}

	/** One transaction, in which `change` locks orders, changes and saves them. `unique`: as in `Database.transaction`. */
	transaction<T>(name: TransactionName, change: Change<T>, unique?: string): Promise<T> {
		let tries = 0;
		const work = (tx: Transaction): Promise<T> => {
			tries += 1;
			return change(new UnitOfWork(tx, this.#onStored), tx, tries);
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
			this.outbox = new Outbox(this.platform.database, this.platform.stored);
		},
	});
