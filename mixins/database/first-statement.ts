import pg from 'pg';
import type { Statement } from './statement.ts';

/** What `pg`'s own query does with a connection; its types leave it out. */
interface Wire {
	parse(message: { text: string }): void;
	bind(message: Record<string, never>): void;
	execute(message: Record<string, never>): void;
}

interface Completed {
	prepare(connection: Wire): void;
	handleCommandComplete(message: { readonly text: string }, connection: Wire): void;
}

const PgQuery = pg.Query as unknown as new (
	config: pg.QueryConfig & { readonly queryMode: 'extended' },
	callback: (error: Error | null | undefined, result: pg.QueryResult) => void,
) => Completed & pg.Submittable;

/**
 * `BEGIN` and the first statement of a transaction as one message: where the first fails, the server skips the second
 * (PostgreSQL manual, "Extended Query", on Sync). Two messages would run the statement without a transaction.
 */
class FirstStatement extends PgQuery {
	/** the server has begun the transaction */
	begun = false;

	override prepare(connection: Wire): void {
		connection.parse({ text: 'BEGIN' });
		connection.bind({});
		connection.execute({});
		super.prepare(connection);
	}

	override handleCommandComplete(message: { readonly text: string }, connection: Wire): void {
		if (this.begun) super.handleCommandComplete(message, connection);
		this.begun = true;
	}
}

/** A transaction that could not be begun: nothing was done in it. */
export class NotBegun extends Error {
	override readonly name = 'NotBegun';
}

/** Begins a transaction with this statement, in one round trip. Rejects with `NotBegun` where that was refused. */
export function begin<R extends object>(client: pg.ClientBase, { name, text, values }: Statement): Promise<R[]> {
	const { promise, resolve, reject } = Promise.withResolvers<R[]>();
	const query = new FirstStatement({ name, text, values: [...values], queryMode: 'extended' }, (error, result) => {
		if (error === null || error === undefined) resolve(result.rows as R[]);
		else if (query.begun) reject(error);
		else reject(new NotBegun(`no transaction was begun: ${error.message}`, { cause: error }));
	});
	client.query(query);
	return promise;
}
