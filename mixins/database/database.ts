import { setTimeout as pause } from 'node:timers/promises';
import pg from 'pg';
import { type Duration, SECOND } from '../../domain/time.ts';
import { crashPoint, type Log, type TransactionName, WaitLog } from '../runtime/index.ts';
import type { DatabaseAddress } from '../settings/index.ts';
import { CONNECT, clientConfig, verify } from './client.ts';
import { Clients } from './clients.ts';
import { CoalescingSocket } from './coalescing-socket.ts';
import { begin, NotBegun } from './first-statement.ts';
import { OpenTransaction, run, runSlowly, type Transaction } from './open-transaction.ts';
import { PoolGrowth } from './pool-growth.ts';
import { PoolSize } from './pool-size.ts';
import { HOT, parseTypes } from './session.ts';
import type { Statement } from './statement.ts';
import {
	DatabaseUnavailable,
	isNoAnswer,
	isRepeatable,
	isTransient,
	reasonOf,
	sessionsToo,
	speaksOfRoom,
	speaksOfSession,
	unavailable,
} from './trouble.ts';

export type { Transaction } from './open-transaction.ts';
export { DatabaseUnavailable, isTransient } from './trouble.ts';

const MOST_REPEATS = 8;
/** Connections that were unused for this long are closed, because other processes may need them. */
const IDLE: Duration = 15 * SECOND;
/** How soon to try again for a connection where the server takes no more; one of ours may be free by then. */
const FULL_PAUSE: Duration = SECOND / 10;

/** The connections of one process, and the only way to a transaction. */
export class Database {
	readonly #pool: pg.Pool;
	readonly #size: PoolSize;
	readonly #growth: PoolGrowth;
	readonly #clients = new Clients();
	/** not to be used again */
	readonly #retired = new WeakSet<pg.ClientBase>();
	readonly #troubles: WaitLog;
	readonly #log: Log;
	#open = false;
	#ended = false;

	constructor(address: DatabaseAddress, log: Log, connections = 20) {
		this.#log = log;
		this.#troubles = new WaitLog(log);
		this.#pool = new pg.Pool({
			...clientConfig(address, HOT),
			Client: this.#clients.Client,
			max: connections,
			idleTimeoutMillis: IDLE,
			connectionTimeoutMillis: CONNECT,
			types: parseTypes,
			stream: () => new CoalescingSocket(),
			onConnect: (client: pg.ClientBase) => verify(client, HOT),
		} as pg.PoolConfig);
		this.#size = new PoolSize(this.#pool, connections);
		this.#growth = new PoolGrowth(this.#pool);
		this.#pool.on('error', (error) => log.debug(`an idle connection ended: ${error.message}`));
	}

	/** False while the schema is not known to be right; then every use is refused. */
	get isOpen(): boolean {
		return this.#open;
	}

	/** True once it was closed or cut off: it is not opened again. */
	get hasEnded(): boolean {
		return this.#ended;
	}

	open(): void {
		this.#open = !this.#ended;
	}

	/** Refuses every further use until it is opened again. */
	shut(): void {
		this.#open = false;
	}

	/** How the pool is used, for operators. */
	get connections(): { readonly total: number; readonly idle: number; readonly waiting: number } {
		return { total: this.#pool.totalCount, idle: this.#pool.idleCount, waiting: this.#pool.waitingCount };
	}

	/** Looks at the database through a connection of the pool, also while it is not open. */
	async inspect<T>(look: (client: pg.ClientBase) => Promise<T>): Promise<T> {
		const client = await this.#take();
		let broken = true;
		try {
			const seen = await look(client);
			broken = false;
			return seen;
		} catch (error) {
			this.hear(error);
			throw error;
		} finally {
			client.release(broken || this.#size.isOver);
		}
	}

	/** Runs a statement in a transaction that is undone. Also while the database is not open. */
	async rehearse(statement: Statement): Promise<void> {
		await this.inspect(async (client) => {
			await begin(client, statement);
			await client.query('ROLLBACK');
		});
	}

	/** One statement in a transaction of its own. */
	async query<R extends object>(statement: Statement): Promise<R[]> {
		const client = await this.#connect();
		let broken = false;
		try {
			return await (statement.isSlow ? runSlowly<R>(client, statement) : run<R>(client, statement));
		} catch (error) {
			broken = isNoAnswer(error) || speaksOfSession(error);
			if (broken) this.hear(error);
			throw broken || isTransient(error) ? unavailable(error) : error;
		} finally {
			client.release(broken || this.#size.isOver);
		}
	}

	/**
	 * Runs `work` in one transaction (read committed). Conflicts with other transactions repeat it as a whole, so
	 * `work` must have no effect outside the transaction. Throws `DatabaseUnavailable` if the server went away; the
	 * commit may then have happened or not. A violation of `unique`, a constraint, counts as a conflict.
	 */
	async transaction<T>(name: TransactionName, work: (tx: Transaction) => Promise<T>, unique?: string): Promise<T> {
		for (let attempt = 1; ; attempt += 1) {
			try {
				return await this.#attempt(name, work);
			} catch (error) {
				if (!isRepeatable(error, unique)) throw error;
				if (attempt === MOST_REPEATS) throw unavailable(error);
				await pause(Math.random() * 10 * 2 ** attempt);
			}
		}
	}

	async close(): Promise<void> {
		this.#ended = true;
		this.#open = false;
		await this.#clients.atEnd(this.#pool.end());
	}

	/** Ends what is under way, whether it gets an answer or not, and refuses everything else. */
	cutOff(): void {
		this.#ended = true;
		this.#open = false;
		this.#clients.cutOff();
	}

	async #attempt<T>(name: TransactionName, work: (tx: Transaction) => Promise<T>): Promise<T> {
		const client = await this.#connect();
		const transaction = new OpenTransaction(client);
		let broken = false;
		let result: T;
		try {
			result = await work(transaction);
			crashPoint(`before:${name}`);
			await transaction.commit();
			crashPoint(`after:${name}`);
		} catch (error) {
			broken = error instanceof NotBegun || speaksOfSession(error) || !(await rolledBack(client));
			this.#tell(
				name,
				transaction.failed.map((hear) => () => hear(error)),
			);
			if (broken) this.hear(error);
			throw broken ? unavailable(error) : error;
		} finally {
			client.release(broken || this.#size.isOver);
		}
		this.#tell(name, transaction.committed);
		return result;
	}

	/** Runs the actions for a transaction's end; an error in one of them cannot undo the commit. */
	#tell(name: TransactionName, observers: readonly (() => void)[]): void {
		for (const observe of observers) {
			try {
				observe();
			} catch (error) {
				this.#log.error(`who is told of the end of ${name} failed: ${(error as Error)?.stack ?? error}`);
			}
		}
	}

	async #connect(): Promise<pg.PoolClient> {
		if (!this.#open) throw new DatabaseUnavailable('the database is not ready');
		try {
			return await this.#take();
		} catch (error) {
			this.hear(error);
			throw unavailable(error);
		}
	}

	async #take(): Promise<pg.PoolClient> {
		const deadline = performance.now() + CONNECT;
		for (;;) {
			try {
				const client = await this.#growth.connect();
				if (!this.#retired.has(client)) return client;
				client.release(true);
			} catch (error) {
				if (!speaksOfRoom(error) || this.#pool.totalCount === 0 || performance.now() > deadline) throw error;
				this.hear(error);
				await pause(FULL_PAUSE);
			}
		}
	}

	/** Closes other sessions if the error concerns them too, and logs what will not pass by itself. */
	hear(error: unknown): void {
		if (speaksOfRoom(error)) this.#size.shrink();
		const { line, lasts } = reasonOf(error);
		if (this.#open && lasts) this.#troubles.warn(line); // before that the gate tells it
		const before = sessionsToo(error, HOT.answer);
		for (const client of this.#clients) if (client.heardAt < before) this.#retired.add(client);
	}
}

async function rolledBack(client: pg.ClientBase): Promise<boolean> {
	try {
		await client.query('ROLLBACK');
		return true;
	} catch {
		return false;
	}
}
