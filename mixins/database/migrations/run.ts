import pg from 'pg';
import { type Duration, SECOND } from '../../../domain/time.ts';
import type { Log } from '../../runtime/index.ts';
import type { DatabaseAddress } from '../../settings/index.ts';
import { type DatabaseClient, openClient } from '../client.ts';
import { LOCKED_OUT, LockTurns } from '../lock-turns.ts';
import { MIGRATING } from '../session.ts';
import { watched } from '../session-watch.ts';
import { speaksOfSession } from '../trouble.ts';
import type { Migration } from './migration.ts';
import { ensureVersions, readStatus, recordApplied, recordTakenBack } from './versions.ts';

/** How long a statement outside of a transaction waits for older ones; nobody waits for it meanwhile. */
const LONG_WAIT: Duration = 30 * SECOND;

/** Held while migrating, so that two processes that start together take turns. Any fixed number does. */
const LOCK = 5_300_001;

/** A migration that could not be applied; the message names it and why. */
export class MigrationFailed extends Error {
	override readonly name = 'MigrationFailed';
}

export interface Run {
	readonly direction: 'up' | 'down';
	readonly log: Log;
	/** how long it waits for locks, over all */
	readonly patience: Duration;
}

/**
 * Applies what a database lacks of these migrations, or takes the last of them back; returns their names. What a process
 * leaves that dies anywhere in it, the next run mends: each transaction ends with its record, and what runs outside of
 * one begins with a clean-up.
 */
export async function run(
	address: DatabaseAddress,
	migrations: readonly Migration[],
	{ direction, log, patience }: Run,
): Promise<readonly string[]> {
	const client = await openClient(address, MIGRATING);
	const turns = new LockTurns(client, log, patience);
	try {
		// Asked for again and again, not waited for: a statement that waits has a snapshot, and CREATE INDEX CONCURRENTLY in
		// the session that has the lock would wait for that one.
		await turns.take(LOCK);
		await turns.repeat('schema_migrations', () => ensureVersions(client));
		const { applied, pending, unknown, breaking } = await readStatus(client, migrations);
		if (direction === 'down' && unknown.length > 0)
			throw new MigrationFailed(`take ${unknown.join(', ')} back first, with the release that knows it`);
		const todo =
			direction === 'up'
				? migrations.filter(({ name }) => pending.includes(name))
				: migrations.filter(({ name }) => applied.includes(name)).slice(-1);
		for (const migration of todo) {
			const { name, before = [] } = migration;
			const reason = breaking.get(name);
			if (direction === 'up' && reason !== undefined && applied.length > 0)
				log.warn(`migration ${name} breaks programs that do not know it: ${reason}`);
			if (direction === 'up') await turns.repeat(name, () => inAdvance(client, address, name, before), 'transaction');
			await turns.repeat(name, () => inTransaction(client, address, migration, direction));
		}
		await client.query('SELECT pg_advisory_unlock($1)', [LOCK]); // the session may outlive us
		return todo.map(({ name }) => name);
	} finally {
		await client.end();
	}
}

/**
 * Outside any transaction: indexes that are made beside the work that goes on. They wait for older transactions, and no
 * other work waits for them.
 */
async function inAdvance(
	client: DatabaseClient,
	address: DatabaseAddress,
	name: string,
	statements: readonly string[],
): Promise<void> {
	if (statements.length === 0) return;
	await client.query(`SET lock_timeout = '${LONG_WAIT}ms'`);
	try {
		for (const statement of statements) await watched(client, address, statement);
	} catch (error) {
		throw failureOf(name, error);
	} finally {
		await client.query(`SET lock_timeout = '${MIGRATING.settings.lock_timeout}'`).catch(() => {}); // the session has ended
	}
}

/** The record is in the same transaction, or a crash could leave one without the other. */
async function inTransaction(
	client: DatabaseClient,
	address: DatabaseAddress,
	migration: Migration,
	direction: 'up' | 'down',
): Promise<void> {
	const { name, up, down } = migration;
	try {
		await watched(client, address, `BEGIN; ${direction === 'up' ? up : down}`);
		await (direction === 'up' ? recordApplied : recordTakenBack)(client, migration);
		await client.query('COMMIT');
	} catch (error) {
		await client.query('ROLLBACK').catch(() => {}); // what it met first is what counts
		throw failureOf(name, error);
	}
}

/** What is wrong with the migration itself is told with its name; a lock, the session or the server have their own words. */
function failureOf(name: string, error: unknown): unknown {
	const isItsOwn = error instanceof pg.DatabaseError && error.code !== LOCKED_OUT && !speaksOfSession(error);
	return isItsOwn ? new MigrationFailed(`migration ${name} failed: ${error.message}`, { cause: error }) : error;
}
