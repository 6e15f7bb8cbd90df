import { setTimeout as pause } from 'node:timers/promises';
import type pg from 'pg';
import { backOff, type Duration, SECOND } from '../../domain/time.ts';
import { type Log, WaitLog } from '../runtime/index.ts';

/** Longer than a statement waits for its lock, so that those behind it go on between two tries. */
const FIRST_PAUSE: Duration = SECOND;
const LONGEST_PAUSE: Duration = 10 * SECOND;
/** SQLSTATE of a lock that was not to be had within `lock_timeout` */
export const LOCKED_OUT = '55P03';

/** The open transactions that hold a lock on a table, the oldest first, without ours. */
const HOLDERS = `SELECT DISTINCT a.pid, a.application_name AS application, l.relation::regclass::text AS relation,
		round(extract(epoch FROM clock_timestamp() - a.xact_start))::int AS age
	FROM pg_locks l JOIN pg_stat_activity a USING (pid) JOIN pg_class c ON c.oid = l.relation
	WHERE l.granted AND l.database = (SELECT oid FROM pg_database WHERE datname = current_database())
		AND c.relkind = 'r' AND c.relnamespace <> 'pg_catalog'::regnamespace AND a.pid <> pg_backend_pid()
	ORDER BY age DESC NULLS LAST LIMIT 1`;

/** The oldest open transaction: what CREATE INDEX CONCURRENTLY waits for, whatever it has locked. */
const OLDEST = `SELECT pid, application_name AS application, NULL AS relation,
		round(extract(epoch FROM clock_timestamp() - xact_start))::int AS age
	FROM pg_stat_activity WHERE datname = current_database() AND xact_start IS NOT NULL AND pid <> pg_backend_pid()
	ORDER BY xact_start LIMIT 1`;

/** Waits for locks that others hold: briefly, again and again, up to a limit; logs whose transaction it waits for. */
export class LockTurns {
	readonly #client: pg.ClientBase;
	readonly #waiting: WaitLog;
	readonly #deadline: number;
	readonly #patience: Duration;

	constructor(client: pg.ClientBase, log: Log, patience: Duration) {
		this.#client = client;
		this.#waiting = new WaitLog(log, { quiet: 2 * SECOND });
		this.#patience = patience;
		this.#deadline = performance.now() + patience;
	}

	/** Takes an advisory lock, which the session holds until its end. */
	async take(lock: number): Promise<void> {
		const tryOnce = async (): Promise<boolean> => {
			const { rows } = await this.#client.query<{ taken: boolean }>('SELECT pg_try_advisory_lock($1) AS taken', [lock]);
			return rows[0]?.taken === true;
		};
		while (!(await tryOnce())) await this.#wait('another process migrates', SECOND / 10);
		this.#waiting.over('the other process is done');
	}

	/** Does it, and repeats it while a lock on a table, or the end of older transactions, is not to be had. */
	async repeat(name: string, action: () => Promise<void>, what: 'table' | 'transaction' = 'table'): Promise<void> {
		for (let tries = 1; ; tries += 1) {
			try {
				await action();
				this.#waiting.over(`migration ${name} has its locks`);
				return;
			} catch (error) {
				if ((error as { readonly code?: string }).code !== LOCKED_OUT) throw error;
				const why =
					what === 'table'
						? `needs a lock that ${await this.#who(HOLDERS)} holds`
						: `needs the end of ${await this.#who(OLDEST)}`;
				await this.#wait(`migration ${name} ${why}`, backOff(tries, FIRST_PAUSE, LONGEST_PAUSE));
			}
		}
	}

	async #who(question: string): Promise<string> {
		const { rows } = await this.#client.query<{
			pid: number;
			application: string;
			relation: string | null;
			age: number;
		}>(question);
		const [row] = rows;
		if (row === undefined) return 'another transaction';
		const { age, pid, application, relation } = row;
		const where = relation === null ? '' : `, ${relation}`;
		return `a transaction of ${age ?? 0} s (pid ${pid}, ${application || 'no name'}${where})`;
	}

	async #wait(reason: string, rest: Duration): Promise<void> {
		const left = this.#deadline - performance.now();
		if (left <= 0) throw new Error(`waited ${this.#patience / SECOND} s: ${reason}`);
		this.#waiting.warn(`waiting: ${reason}`, 'waiting');
		await pause(Math.min(rest, left));
	}
}
