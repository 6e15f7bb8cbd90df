import { setTimeout as pause } from 'node:timers/promises';
import type pg from 'pg';
import { type Duration, SECOND } from '../../domain/time.ts';
import type { DatabaseAddress } from '../settings/index.ts';
import { type DatabaseClient, openClient } from './client.ts';
import { holding } from './session.ts';

const LOOK_EVERY: Duration = 5 * SECOND;
const LOOKING = holding('protected-payment-watch');
/** The longest that a timer takes: three weeks. */
const NO_LIMIT = 0x7fff_ffff;

/**
 * Runs a statement without a time limit, such as a migration. From time to time another session asks the server whether
 * it still works on the statement. If it does not, or does not answer, the statement rejects and its session is cut.
 */
export async function watched(client: DatabaseClient, address: DatabaseAddress, text: string): Promise<void> {
	const { rows } = await client.query<{ pid: number }>('SELECT pg_backend_pid() AS pid');
	const done = new AbortController();
	void cutOffWhenDead(client, address, rows[0]?.pid ?? 0, done.signal);
	try {
		await client.query({ text, ...{ query_timeout: NO_LIMIT } });
	} finally {
		done.abort();
	}
}

async function cutOffWhenDead(
	client: DatabaseClient,
	address: DatabaseAddress,
	pid: number,
	signal: AbortSignal,
): Promise<void> {
	try {
		do {
			await pause(LOOK_EVERY, undefined, { signal, ref: false });
		} while (await isAtWork(address, pid));
		await pause(SECOND, undefined, { signal }); // the answer may be on its way
		client.destroy();
	} catch {
		// the statement has ended
	}
}

async function isAtWork(address: DatabaseAddress, pid: number): Promise<boolean> {
	let client: pg.Client | undefined;
	try {
		client = await openClient(address, LOOKING);
		const text = `SELECT FROM pg_stat_activity WHERE pid = $1 AND state = 'active'`;
		return (await client.query(text, [pid])).rowCount === 1;
	} catch {
		return false;
	} finally {
		await client?.end();
	}
}
