/** Sessions with the embedded PostgreSQL that find out how it is and hold its data folder. */
import { Socket } from 'node:net';
import type pg from 'pg';
import { clientConfig, DatabaseClient } from '../client.ts';
import type { Session as Kind } from '../session.ts';

export const DATABASE = 'protected_payment';
const LOCK_KEY = '7166194832750551409'; // any number: who holds this advisory lock holds the data folder

/** A server that has just recovered may take its time. */
const KEEPING: Kind = {
	application: 'protected-payment data folder lock',
	settings: { idle_session_timeout: '0', statement_timeout: '0' },
	answer: 30_000,
};

/** The session that tries for the lock, and then holds it as long as it lives. */
export interface Session {
	readonly client: pg.Client;
	readonly ended: Promise<void>;
	/** closes the connection at once, whatever state the server is in */
	drop(): void;
}

/** `absent`: nobody listens; `busy`: it starts, recovers, ends or is full; `silent`: it listens and does not answer. */
export type Refusal = 'absent' | 'busy' | 'silent';

/** Tries to open a session in the maintenance database. */
export async function knock(connection: { host: string; port: number; user: string }): Promise<Session | Refusal> {
	const socket = new Socket();
	const client = new DatabaseClient({
		...clientConfig({ ...connection, database: 'postgres' }, KEEPING), // nobody drops it, or closes all its sessions to do so
		connectionTimeoutMillis: 2000,
		stream: () => socket,
	});
	const ended = new Promise<void>((resolve) => client.once('end', () => resolve()));
	try {
		await client.connect();
		return { client, ended, drop: () => socket.destroy() };
	} catch (error) {
		socket.destroy();
		return judge(error);
	}
}

/** What a failed connection tells of the server; throws what is no sign of a server that is away for a while. */
export function judge(error: unknown): Refusal {
	const { code = '', message } = error as Error & { code?: string };
	if (['ENOENT', 'ECONNREFUSED'].includes(code)) return 'absent';
	// 57P01 to 57P03: shut down, crashed, starting; 53300: too many connections
	if (['57P01', '57P02', '57P03', '53300', 'ECONNRESET', 'EPIPE'].includes(code)) return 'busy';
	if (code === 'EAGAIN' || /timeout/.test(message)) return 'silent';
	if (/^(Connection terminated|Client has encountered)/.test(message)) return 'busy';
	throw error;
}

export async function tryLock(client: pg.Client): Promise<boolean> {
	const { rows } = await client.query<{ held: boolean }>('SELECT pg_try_advisory_lock($1) AS held', [LOCK_KEY]);
	return rows[0]?.held === true;
}

/** Creates the database where it is missing (a start may have died before), and tells when the server was started. */
export async function prepareDatabase(client: pg.Client): Promise<string> {
	const { rows } = await client.query<{ started: string; found: boolean }>(
		`SELECT pg_postmaster_start_time()::text AS started, EXISTS (SELECT FROM pg_database WHERE datname = $1) AS found`,
		[DATABASE],
	);
	if (!rows[0]?.found) await client.query(`CREATE DATABASE ${DATABASE}`);
	return rows[0]?.started ?? '';
}
