import pg from 'pg';
import type { TestDatabase } from './database.ts';

/** All rows of a database as they were at one moment, whatever was written meanwhile. */
export type Backup = ReadonlyMap<string, string>;

const TABLES = `SELECT table_name AS name FROM information_schema.tables
	WHERE table_schema = 'public' AND table_type = 'BASE TABLE' ORDER BY table_name`;

/** A backup as pg_dump makes it: in one snapshot. */
export async function backUp(database: TestDatabase): Promise<Backup> {
	const client = new pg.Client(database.connection);
	await client.connect();
	try {
		await client.query('BEGIN ISOLATION LEVEL REPEATABLE READ READ ONLY');
		const { rows: tables } = await client.query<{ name: string }>(TABLES);
		const backup = new Map<string, string>();
		for (const { name } of tables) {
			const { rows } = await client.query(`SELECT coalesce(json_agg(t), '[]')::text AS rows FROM ${name} t`);
			backup.set(name, rows[0].rows);
		}
		await client.query('COMMIT');
		return backup;
	} finally {
		await client.end();
	}
}

/** The database is as it was at the backup. */
export async function restore(database: TestDatabase, backup: Backup): Promise<void> {
	const client = new pg.Client(database.connection);
	await client.connect();
	try {
		await client.query(`BEGIN; TRUNCATE ${[...backup.keys()].join(', ')}`);
		for (const [name, rows] of backup) {
			await client.query(
				`INSERT INTO ${name} OVERRIDING SYSTEM VALUE SELECT * FROM json_populate_recordset(NULL::${name}, $1::json)`,
				[rows],
			);
		}
		await client.query('COMMIT');
	} finally {
		await client.end();
	}
}
