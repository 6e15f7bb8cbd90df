import type { Duration } from '../../domain/time.ts';
import type { TestDatabase } from '../support/database.ts';

interface Column {
	readonly table: string;
	readonly column: string;
}

/**
 * Lets time pass without waiting for it: every moment that is stored anywhere goes back by the same length, in one
 * transaction, and the clocks of the process go forward by it. The code compares moments only with each other and with
 * the database's clock, so it cannot tell this from a clock that has gone on.
 */
export class Clock {
	readonly #server: TestDatabase;
	readonly #statements: readonly string[];
	readonly #realNow = performance.now.bind(performance);
	readonly #realDate = Date.now.bind(Date);
	#offset = 0;
	#drift = 0;
	#since = 0;

	private constructor(server: TestDatabase, columns: readonly Column[]) {
		this.#server = server;
		this.#statements = Object.entries(Object.groupBy(columns, ({ table }) => table)).map(([table, all = []]) => {
			const sets = all.map(({ column }) => `${column} = ${column} - $1::float8 * interval '1 millisecond'`);
			return `UPDATE ${table} SET ${sets.join(', ')}`;
		});
	}

	static async create(server: TestDatabase): Promise<Clock> {
		const columns = await server.query<Column>(
			`SELECT quote_ident(table_name) AS table, quote_ident(column_name) AS column FROM information_schema.columns
			WHERE table_schema = 'public' AND data_type = 'timestamp with time zone' AND table_name <> 'schema_migrations'`,
		);
		if (columns.length < 20) throw new Error(`only ${columns.length} columns hold moments`);
		return new Clock(server, columns);
	}

	/** From here on the process's clocks go with the database's. */
	install(): void {
		performance.now = () => this.#realNow() + this.#offset;
		Date.now = () => this.#realDate() + Math.round(this.#offset);
	}

	remove(): void {
		performance.now = this.#realNow;
		Date.now = this.#realDate;
	}

	/** A new count of how far the moments of one tick are apart. */
	begin(): void {
		this.#since = this.#realNow();
		this.#drift = 0;
	}

	/** How much time has passed beside the ticks since `begin`. */
	get drift(): Duration {
		return this.#realNow() - this.#since + this.#drift;
	}

	/** A tick of the model. */
	async tick(length: Duration): Promise<void> {
		await this.#shift(length);
	}

	/** Time within a tick. */
	async pass(length: Duration): Promise<void> {
		this.#drift += length;
		await this.#shift(length);
	}

	async #shift(length: Duration): Promise<void> {
		const values = this.#statements.map((statement) => statement.replaceAll('$1::float8', String(length)));
		await this.#server.query(`BEGIN; ${values.join('; ')}; COMMIT`);
		this.#offset += length;
	}
}
