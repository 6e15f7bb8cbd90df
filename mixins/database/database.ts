import { setTimeout as pause } from 'node:timers/promises';
import pg from 'pg';
import { crashPoint, type TransactionName } from '../crash-points.ts';
import type { Log } from '../loop.ts';
import { CoalescingSocket } from './coalescing-socket.ts';
import { HOT_SESSION, parseTypes } from './session.ts';
import { type Statement, together } from './statement.ts';

/** What work inside a transaction may do. */
export interface Transaction {
	/** Statements begun without waiting for each other run one after the other, in one round trip. */
	query<R extends object>(statement: Statement): Promise<R[]>;
	/** Writes whose answer nobody needs: they go with the commit, all in one statement, and fail it if they fail. */
	write(statement: Statement): void;
	/** runs `action` once the transaction has been committed, and never if it has not */
	afterCommit(action: () => void): void;
	/** lets the commit answer before it is on disk; only for what may be lost without harm */
	commitLazily(): void;
}

/** The database cannot be used now; what was tried may be tried again later. */
export class DatabaseUnavailable extends Error {
	override readonly name = 'DatabaseUnavailable';
	/** as an action's error: HTTP's 503 */
	readonly code = 503;
	readonly type = 'Service.Unavailable';
}

/** deadlock, lock time-out, serialisation failure: the transaction is repeated as a whole */
const REPEATABLE = new Set(['40P01', '55P03', '40001']);
/** SQLSTATE of a unique violation, and where it means that the snapshot which looked for an idempotency key was too old */
const STALE_KEY = { code: '23505', constraint: 'idempotency_keys_pkey' };
const MOST_REPEATS = 8;

/** SQLSTATE classes and codes that speak of the connection or the server, not of the statement (PostgreSQL, appendix A). */
const UNAVAILABLE = /^(08...|57P0[1-5]|53...|58...|25P03|57014)$/;

function isRepeatable(error: unknown): boolean {
	if (!(error instanceof pg.DatabaseError)) return false;
	const { code = '', constraint } = error;
	return REPEATABLE.has(code) || (code === STALE_KEY.code && constraint === STALE_KEY.constraint);
}

/** True for an error that is nobody's fault: the database was away, or the transaction lost a conflict too often. */
export function isTransient(error: unknown): boolean {
	return error instanceof DatabaseUnavailable || isRepeatable(error) || isUnavailable(error);
}

/** The connections of one process, and the only way to a transaction. */
export class Database {
	readonly #pool: pg.Pool;
	#open = false;

	constructor(connection: pg.PoolConfig, log: Log, connections = 20) {
		this.#pool = new pg.Pool({
			...connection,
			options: HOT_SESSION,
			application_name: 'protected-payment',
			max: connections,
			idleTimeoutMillis: 0,
			connectionTimeoutMillis: 5_000,
			keepAlive: true,
			types: parseTypes,
			// Statements that do not wait for each other's answers share a round trip; the server runs them in order.
			pipeline: true,
			stream: () => new CoalescingSocket(),
		} as pg.PoolConfig);
		this.#pool.on('error', (error) => log.debug(`an idle connection ended: ${error.message}`));
		// One that ends while in use says so here as well as to its user; without a listener the process would end.
		this.#pool.on('connect', (client) =>
			client.on('error', (error) => log.debug(`a connection ended: ${error.message}`)),
		);
	}

	/** False until the schema is known to be right; until then every use is refused. */
	get isOpen(): boolean {
		return this.#open;
	}

	open(): void {
		this.#open = true;
	}

	/** Refuses every use until `open` is called again. */
	shut(): void {
		this.#open = false;
	}

	/** How the pool is used, for operators. */
	get connections(): { readonly total: number; readonly idle: number; readonly waiting: number } {
		return { total: this.#pool.totalCount, idle: this.#pool.idleCount, waiting: this.#pool.waitingCount };
	}

	/** Rejects with `DatabaseUnavailable` unless the database answers. */
	async ping(): Promise<void> {
		await this.query({ name: 'ping', text: 'SELECT 1', values: [] });
	}

	/** One statement in a transaction of its own. */
	async query<R extends object>(statement: Statement): Promise<R[]> {
		const client = await this.#connect();
		let broken = false;
		try {
			return await run<R>(client, statement);
		} catch (error) {
			broken = isTransient(error) || !isServerError(error);
			throw broken ? unavailable(error) : error;
		} finally {
			client.release(broken);
		}
	}

	/**
	 * Runs `work` in one transaction (read committed). Conflicts with other transactions repeat it as a whole, so
	 * `work` must have no effect outside the transaction. Throws `DatabaseUnavailable` if the server went away; the
	 * commit may then have happened or not.
	 */
	async transaction<T>(name: TransactionName, work: (tx: Transaction) => Promise<T>): Promise<T> {
		for (let attempt = 1; ; attempt += 1) {
			try {
				return await this.#attempt(name, work);
			} catch (error) {
				if (!isRepeatable(error)) throw error;
				if (attempt === MOST_REPEATS) throw unavailable(error);
				await pause(Math.random() * 10 * 2 ** attempt);
			}
		}
	}

	async close(): Promise<void> {
		this.#open = false;
		await this.#pool.end();
	}

	async #attempt<T>(name: TransactionName, work: (tx: Transaction) => Promise<T>): Promise<T> {
		const client = await this.#connect();
		const writes: Statement[] = [];
		const committed: (() => void)[] = [];
		let broken = false;
		let result: T;
		try {
			void client.query('BEGIN').catch(() => {}); // what follows fails too
			result = await work({
				query: (statement) => run(client, statement),
				write: (statement) => writes.push(statement),
				afterCommit: (action) => committed.push(action),
				commitLazily: () => void client.query('SET LOCAL synchronous_commit = off').catch(() => {}),
			});
			crashPoint(`before:${name}`);
			await commit(client, writes);
			crashPoint(`after:${name}`);
		} catch (error) {
			broken = !(await rolledBack(client));
			throw broken || isUnavailable(error) ? unavailable(error) : error;
		} finally {
			client.release(broken);
		}
		for (const action of committed) action();
		return result;
	}

	async #connect(): Promise<pg.PoolClient> {
		if (!this.#open) throw new DatabaseUnavailable('the database is not ready');
		try {
			return await this.#pool.connect();
		} catch (error) {
			throw unavailable(error);
		}
	}
}

async function run<R extends object>(client: pg.ClientBase, { name, text, values }: Statement): Promise<R[]> {
	const { rows } = await client.query<R>({ name, text, values: [...values] });
	return rows;
}

/** The writes and the commit share a round trip: where a write fails, the server takes the commit for a rollback. */
async function commit(client: pg.ClientBase, writes: readonly Statement[]): Promise<void> {
	const written = writes.length > 0 ? run(client, together(writes)) : undefined;
	const [{ command }] = await Promise.all([client.query('COMMIT'), written]);
	if (command !== 'COMMIT') throw new Error('the transaction had failed before its commit');
}

async function rolledBack(client: pg.ClientBase): Promise<boolean> {
	try {
		await client.query('ROLLBACK');
		return true;
	} catch {
		return false;
	}
}

const isServerError = (error: unknown): boolean => error instanceof pg.DatabaseError;

const isUnavailable = (error: unknown): boolean =>
	error instanceof Error && 'code' in error && UNAVAILABLE.test(String(error.code));

const unavailable = (error: unknown): DatabaseUnavailable =>
	error instanceof DatabaseUnavailable
		? error
		: new DatabaseUnavailable(error instanceof Error ? error.message : String(error), { cause: error });
