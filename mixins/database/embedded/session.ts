/** Sessions with the embedded PostgreSQL that find out how it is and hold its data folder. */
import { clientConfig, DatabaseClient } from '../client.ts';
import type { Session } from '../session.ts';

export const DATABASE = 'protected_payment';
const LOCK_KEY = '7166194832750551409'; // any number: who holds this advisory lock holds the data folder

/** A server that has just recovered may take its time. */
const KEEPING: Session = {
	application: 'protected-payment data folder lock',
	settings: { idle_session_timeout: '0', statement_timeout: '0' },
	answer: 30_000,
};

/**
 * `absent`: no process listens; `busy`: it starts, recovers, ends or is full; `silent`: it listens and does not answer.
 */
export type Refusal = 'absent' | 'busy' | 'silent';

/**
 * Tries to open a session in the maintenance database, which is never dropped (dropping a database closes its
 * sessions).
 */
export async function knock(server: { host: string; port: number; user: string }): Promise<DatabaseClient | Refusal> {
	const config = clientConfig({ ...server, database: 'postgres' }, KEEPING);
	const client = new DatabaseClient({ ...config, connectionTimeoutMillis: 2000 });
	try {
		await client.connect();
		return client;
	} catch (error) {
		client.destroy();
		const refusal = judge(error);
		if (refusal === undefined) throw error;
		return refusal;
	}
}

/** What an error tells of the server; undefined if it is no sign of one that is away for a while. */
export function judge(error: unknown): Refusal | undefined {
	const { code = '', message } = error as Error & { code?: string };
	if (['ENOENT', 'ECONNREFUSED'].includes(code)) return 'absent';
	// 57P01 to 57P03: shut down, crashed, starting; 53300: too many connections
	if (['57P01', '57P02', '57P03', '53300', 'ECONNRESET', 'EPIPE'].includes(code)) return 'busy';
	if (code === 'EAGAIN' || /timeout( expired)?$/.test(message)) return 'silent';
	return /^(Connection terminated|Client has encountered)/.test(message) ? 'busy' : undefined;
}

export async function tryLock(client: DatabaseClient): Promise<boolean> {
	const { rows } = await client.query<{ held: boolean }>('SELECT pg_try_advisory_lock($1) AS held', [LOCK_KEY]);
	return rows[0]?.held === true;
}

/** Creates the database where it is missing: a start may have died before. */
export async function ensureDatabase(client: DatabaseClient): Promise<void> {
	const { rowCount } = await client.query('SELECT FROM pg_database WHERE datname = $1', [DATABASE]);
	if (rowCount === 0) await client.query(`CREATE DATABASE ${DATABASE}`);
}
