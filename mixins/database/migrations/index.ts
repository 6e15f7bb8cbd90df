import pg from 'pg';
import { type Duration, MINUTE } from '../../../domain/time.ts';
import type { Log } from '../../runtime/index.ts';
import type { DatabaseAddress } from '../../settings/index.ts';
import { type DatabaseClient, openClient } from '../client.ts';
import { LOCKED_OUT, LockTurns } from '../lock-turns.ts';
import { MIGRATING } from '../session.ts';
import { watched } from '../session-watch.ts';
import { speaksOfSession } from '../trouble.ts';
import { migration as orders } from './0001-orders.ts';
import { migration as messages } from './0002-messages.ts';
import { migration as carrier } from './0003-carrier.ts';
import { migration as sandbox } from './0004-sandbox.ts';
import { migration as traces } from './0005-traces.ts';
import { migration as installation } from './0006-installation.ts';
import { migration as access } from './0007-access.ts';
import { migration as leanIndexes } from './0008-lean-indexes.ts';
import { migration as anySequence } from './0009-any-sequence.ts';
import { migration as pauses } from './0010-pauses.ts';
import { migration as place } from './0011-place.ts';
import { migration as deadLetters } from './0012-dead-letters.ts';
import { migration as payments } from './0013-payments.ts';
import { migration as sandboxCards } from './0014-sandbox-cards.ts';
import { migration as refunds } from './0015-refunds.ts';
import { migration as attempts } from './0016-attempts.ts';
import { migration as undecided } from './0016-undecided.ts';
import { migration as reconciliation } from './0018-reconciliation.ts';
import { migration as pausedConsumers } from './0019-paused-consumers.ts';
import type { Migration } from './migration.ts';

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
	place,
	deadLetters,
	payments,
	sandboxCards,
	refunds,
	attempts,
	undecided,
	reconciliation,
	pausedConsumers,
];

export interface MigrationStatus {
	readonly applied: readonly string[];
	readonly pending: readonly string[];
	/** applied, but not known to this version of the program */
	readonly unknown: readonly string[];
}

const LONG_WAIT: Duration = MINUTE / 2;

/** Held while migrating, so that two processes that start together take turns. Any fixed number does. */
const LOCK = 5_300_001;

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

/** A migration that could not be applied; the message names it and why. */
export class MigrationFailed extends Error {
	override readonly name = 'MigrationFailed';
}

/**
 * Brings the database to this program's version, or, with `down`, takes its last version back; returns their names. It
 * waits for locks briefly, again and again, so that no queue forms behind the migration; rejects once that has taken
 * `patience`.
 */
export async function migrate(
	address: DatabaseAddress,
	direction: 'up' | 'down',
	log: Log,
	patience: Duration = MINUTE,
): Promise<readonly string[]> {
	const client = await openClient(address, MIGRATING);
	const turns = new LockTurns(client, log, patience);
	try {
		await turns.take(LOCK);
		await client.query(
			'CREATE TABLE IF NOT EXISTS schema_migrations (name text PRIMARY KEY, applied_at timestamptz NOT NULL DEFAULT now())',
		);
		const { applied, pending } = await migrationStatus(client);
		const todo =
			direction === 'up'
				? MIGRATIONS.filter(({ name }) => pending.includes(name))
				: MIGRATIONS.filter(({ name }) => applied.includes(name)).slice(-1);
		for (const { name, before = [], up, down } of todo) {
			if (direction === 'up') await turns.repeat(name, () => inAdvance(client, address, before));
			const step = direction === 'up' ? { name, sql: up, record: APPLIED } : { name, sql: down, record: TAKEN_BACK };
			await turns.repeat(name, () => inTransaction(client, address, step));
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
	statements: readonly string[],
): Promise<void> {
	if (statements.length === 0) return;
	await client.query(`SET lock_timeout = '${LONG_WAIT}ms'`);
	try {
		for (const statement of statements) await watched(client, address, statement);
	} finally {
		await client.query(`SET lock_timeout = '${MIGRATING.settings.lock_timeout}'`).catch(() => {}); // the session has ended
	}
}

const APPLIED = 'INSERT INTO schema_migrations (name) VALUES ($1)';
const TAKEN_BACK = 'DELETE FROM schema_migrations WHERE name = $1';

interface Step {
	readonly name: string;
	readonly sql: string;
	/** records it in the same transaction, or a crash could leave one without the other */
	readonly record: string;
}

async function inTransaction(
	client: DatabaseClient,
	address: DatabaseAddress,
	{ name, sql, record }: Step,
): Promise<void> {
	try {
		await watched(client, address, `BEGIN; ${sql}`);
		await client.query(record, [name]);
		await client.query('COMMIT');
	} catch (error) {
		await client.query('ROLLBACK').catch(() => {}); // what it met first is what counts
		const isItsOwn = error instanceof pg.DatabaseError && error.code !== LOCKED_OUT && !speaksOfSession(error);
		throw isItsOwn ? new MigrationFailed(`migration ${name} failed: ${error.message}`, { cause: error }) : error;
	}
}
