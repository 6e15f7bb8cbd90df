import { setTimeout as pause } from 'node:timers/promises';
import pg from 'pg';
import type { Duration } from '../../domain/time.ts';
import type { Log } from '../loop.ts';
import { migration as orders } from './migrations/0001-orders.ts';
import { migration as messages } from './migrations/0002-messages.ts';
import { migration as carrier } from './migrations/0003-carrier.ts';
import { migration as sandbox } from './migrations/0004-sandbox.ts';
import { migration as traces } from './migrations/0005-traces.ts';
import { migration as installation } from './migrations/0006-installation.ts';
import { migration as access } from './migrations/0007-access.ts';
import { migration as leanIndexes } from './migrations/0008-lean-indexes.ts';
import { migration as anySequence } from './migrations/0009-any-sequence.ts';
import { migration as pauses } from './migrations/0010-pauses.ts';
import type { Migration } from './migrations/migration.ts';

export const MIGRATIONS: readonly Migration[] = [
	orders,
	messages,
	carrier,
	sandbox,
	traces,
	installation,
	access,
	leanIndexes,
	anySequence,
	pauses,
];

export interface MigrationStatus {
	readonly applied: readonly string[];
	readonly pending: readonly string[];
	/** applied, but not known to this version of the program */
	readonly unknown: readonly string[];
}

/** Held while migrating, so that two processes that start together take turns. Any fixed number does. */
const LOCK = 5_300_001;
const ASK_EVERY: Duration = 100;

/** Which versions a database has. Needs no lock and changes nothing. */
export async function migrationStatus(client: pg.ClientBase): Promise<MigrationStatus> {
	const { rows: tables } = await client.query<{ exists: boolean }>(
		`SELECT to_regclass('schema_migrations') IS NOT NULL AS exists`,
	);
	const { rows } = tables[0]?.exists
		? await client.query<{ name: string }>('SELECT name FROM schema_migrations ORDER BY name')
		: { rows: [] };
	const applied = rows.map(({ name }) => name);
	const known = MIGRATIONS.map(({ name }) => name);
	return {
		applied,
		pending: known.filter((name) => !applied.includes(name)),
		unknown: applied.filter((name) => !known.includes(name)),
	};
}

/** Brings the database to this program's version, or, with `down`, takes its last version back. Answers what it did. */
export async function migrate(config: pg.ClientConfig, direction: 'up' | 'down', log: Log): Promise<readonly string[]> {
	const { Umzug } = await import('umzug');
	const client = new pg.Client(config);
	client.on('error', (error) => log.warn(`migrations: ${error.message}`));
	await client.connect();
	try {
		await takeLock(client);
		await client.query(
			'CREATE TABLE IF NOT EXISTS schema_migrations (name text PRIMARY KEY, applied_at timestamptz NOT NULL DEFAULT now())',
		);
		const umzug = new Umzug({
			migrations: MIGRATIONS.map(({ name, before = [], up, down }) => ({
				name,
				up: async () => {
					for (const statement of before) await client.query(statement);
					await inTransaction(client, up, 'INSERT INTO schema_migrations (name) VALUES ($1)', name);
				},
				down: () => inTransaction(client, down, 'DELETE FROM schema_migrations WHERE name = $1', name),
			})),
			// The record is written in the migration's own transaction, or a crash could leave one without the other.
			storage: {
				logMigration: async () => {},
				unlogMigration: async () => {},
				executed: async () => [...(await migrationStatus(client)).applied],
			},
			logger: undefined,
		});
		const done = direction === 'up' ? await umzug.up() : await umzug.down();
		return done.map(({ name }) => name);
	} finally {
		await client.end();
	}
}

/** Asked for again and again: who waits within a statement has a snapshot, and an index made concurrently waits for that. */
async function takeLock(client: pg.ClientBase): Promise<void> {
	for (;;) {
		const { rows } = await client.query<{ taken: boolean }>('SELECT pg_try_advisory_lock($1) AS taken', [LOCK]);
		if (rows[0]?.taken === true) return;
		await pause(ASK_EVERY);
	}
}

async function inTransaction(client: pg.ClientBase, sql: string, record: string, name: string): Promise<void> {
	try {
		await client.query(`BEGIN; ${sql}`);
		await client.query(record, [name]);
		await client.query('COMMIT');
	} catch (error) {
		await client.query('ROLLBACK');
		throw error;
	}
}
