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

	/** Does it, and repeats it while the lock cannot be had. */
	async repeat(name: string, action: () => Promise<void>): Promise<void> {
		for (let tries = 1; ; tries += 1) {
			try {
				await action();
				this.#waiting.over(`migration ${name} has its locks`);
				return;
			} catch (error) {
				if ((error as { readonly code?: string }).code !== LOCKED_OUT) throw error;
				await this.#wait(
					`migration ${name} needs a lock that ${await this.#holder()}`,
					backOff(tries, FIRST_PAUSE, LONGEST_PAUSE),
				);
			}
		}
	}

	async #holder(): Promise<string> {
		const { rows } = await this.#client.query<{ pid: number; application: string; relation: string; age: number }>(
			HOLDERS,
		);
		const [row] = rows;
		if (row === undefined) return 'others hold';
		return `a transaction of ${row.age ?? 0} s holds (pid ${row.pid}, ${row.application || 'no name'}, ${row.relation})`;
	}

	async #wait(reason: string, rest: Duration): Promise<void> {
		const left = this.#deadline - performance.now();
		if (left <= 0) throw new Error(`waited ${this.#patience / SECOND} s: ${reason}`);
		this.#waiting.warn(`waiting: ${reason}`, 'waiting');
		await pause(Math.min(rest, left));
	}
}
