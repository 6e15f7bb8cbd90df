import type pg from 'pg';
import { type Duration, SECOND } from '../../domain/time.ts';
import { begin } from './first-statement.ts';
import { HOT } from './session.ts';
import { type Statement, together, writes } from './statement.ts';

/** What code inside a transaction may do. */
export interface Transaction {
	/** Statements begun without waiting for each other run one after the other, in one round trip. */
	query<R extends object>(statement: Statement): Promise<R[]>;
	/**
	 * Writes whose result is not needed. They go with the commit, all in one statement; if one fails, the commit fails.
	 */
	write(statement: Statement): void;
	/** runs `action` once the transaction has been committed, and never if it has not */
	afterCommit(action: () => void): void;
	/** runs `action` once the transaction has failed, or when nobody knows whether it was committed; with the reason */
	afterFailure(action: (error: unknown) => void): void;
	/** the commit need not wait for the disk; only for what may be lost without harm */
	commitLazily(): void;
	/** the commit waits for the disk, whatever was said before */
	commitDurably(): void;
}

/** A transaction from its first statement on. */
export class OpenTransaction implements Transaction {
	/** to be called once it is committed */
	readonly committed: (() => void)[] = [];
	/** to be called if it fails */
	readonly failed: ((error: unknown) => void)[] = [];
	readonly #client: pg.ClientBase;
	readonly #writes: Statement[] = [];
	#lazy = false;
	/** the first statement, which begins the transaction */
	#first: Promise<object[]> | undefined;

	constructor(client: pg.ClientBase) {
		this.#client = client;
	}

	async query<R extends object>(statement: Statement): Promise<R[]> {
		if (this.#first === undefined) {
			const first = begin<R>(this.#client, statement);
			this.#first = first;
			return first;
		}
		// A read outside the transaction does no harm; its result is dropped with the rest.
		if (writes(statement)) await this.#first;
		return run<R>(this.#client, statement);
	}

	write(statement: Statement): void {
		this.#writes.push(statement);
	}

	afterCommit(action: () => void): void {
		this.committed.push(action);
	}

	afterFailure(action: (error: unknown) => void): void {
		this.failed.push(action);
	}

	commitLazily(): void {
		this.#lazy = true;
	}

	commitDurably(): void {
		this.#lazy = false;
	}

	/** The writes and the commit share a round trip: where a write fails, the server takes the commit for a rollback. */
	async commit(): Promise<void> {
		const client = this.#client;
		const rest = this.#writes.length > 0 ? together(this.#writes) : undefined;
		if (this.#first === undefined && rest === undefined) return;
		await this.#first; // resolved already, unless the code did not wait for it
		const written = rest && (this.#first === undefined ? begin(client, rest) : run(client, rest));
		const lazy = this.#lazy ? client.query('SET LOCAL synchronous_commit = off') : undefined;
		const committed = client.query('COMMIT');
		// If a write fails, so do the statements behind it, but only its own error says why.
		for (const behind of [lazy, committed]) behind?.catch(() => {});
		await written;
		await lazy;
		const { command } = await committed;
		if (command !== 'COMMIT') throw new Error('the transaction had failed before its commit');
	}
}

/** One statement on a connection. */
export async function run<R extends object>(client: pg.ClientBase, { name, text, values }: Statement): Promise<R[]> {
	const { rows } = await client.query<R>({ name, text, values: [...values] });
	return rows;
}

/** How long a statement may take that a person asked for and that looks at, or makes, any number of rows. */
const SLOW: Duration = 30 * SECOND;

/** The same with more time, in the same round trip. */
export async function runSlowly<R extends object>(client: pg.ClientBase, { text, values }: Statement): Promise<R[]> {
	const [, { rows }] = await Promise.all([
		client.query(`SET statement_timeout = '${SLOW}ms'`),
		client.query<R>({ text, values: [...values], ...{ query_timeout: SLOW + SECOND } }),
		client.query(`SET statement_timeout = '${HOT.settings.statement_timeout}'`),
	]);
	return rows;
}
