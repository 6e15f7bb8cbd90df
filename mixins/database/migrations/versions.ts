/** The table that says which migrations a database has, and what each means to programs that do not know it. */
import type pg from 'pg';
import type { Break, Migration } from './migration.ts';

export interface MigrationStatus {
	readonly applied: readonly string[];
	readonly pending: readonly string[];
	/** applied, but not known to this version of the program */
	readonly unknown: readonly string[];
	/**
	 * Why, of each that breaks: of the pending ones the programs that fit the database as it is, of the unknown ones this
	 * program.
	 */
	readonly breaking: ReadonlyMap<string, string>;
}

/** Releases up to the one with 0019 made the first two columns only, and read and write no others. */
const TABLE =
	'CREATE TABLE IF NOT EXISTS schema_migrations (name text PRIMARY KEY, applied_at timestamptz NOT NULL DEFAULT now())';
const COLUMNS = `SELECT count(*)::int AS count FROM pg_attribute
	WHERE attrelid = to_regclass('schema_migrations') AND attname IN ('breaking', 'reason', 'spares') AND NOT attisdropped`;
/** Each is null where the program that applied the migration did not say. */
const ADDED = `ALTER TABLE schema_migrations
	ADD COLUMN IF NOT EXISTS breaking boolean, ADD COLUMN IF NOT EXISTS reason text, ADD COLUMN IF NOT EXISTS spares text`;

const NOT_SAID: Break = { reason: 'it does not say that programs without it can go on' };

interface Row {
	readonly name: string;
	readonly breaking: string | null;
	readonly reason: string | null;
	readonly spares: string | null;
}

/** Makes the table, or brings it to its present form. Waits for its lock as long as the session lets it. */
export async function ensureVersions(client: pg.ClientBase): Promise<void> {
	await client.query(TABLE);
	const { rows } = await client.query<{ count: number }>(COLUMNS);
	// Looked at first: the statement locks the table even if there is nothing to add.
	if (rows[0]?.count !== 3) await client.query(ADDED);
}

/** Which versions a database has. Needs no lock and changes nothing; whichever release has made the table. */
export async function readStatus(client: pg.ClientBase, migrations: readonly Migration[]): Promise<MigrationStatus> {
	const { rows: tables } = await client.query<{ exists: boolean }>(
		`SELECT to_regclass('schema_migrations') IS NOT NULL AS exists`,
	);
	const { rows } = tables[0]?.exists
		? await client.query<Row>(
				`SELECT name, d ->> 'breaking' AS breaking, d ->> 'reason' AS reason, d ->> 'spares' AS spares
				FROM schema_migrations m, to_jsonb(m) AS d ORDER BY name`,
			)
		: { rows: [] };
	const applied = new Set(rows.map(({ name }) => name));
	const known = new Set(migrations.map(({ name }) => name));
	const pending = migrations.filter(({ name }) => !applied.has(name));
	const unknown = rows.filter(({ name }) => !known.has(name));
	const broken = [
		...pending.flatMap(({ name, breaking }) => reasonFor(name, breaking, applied)),
		...unknown.flatMap((row) => reasonFor(row.name, breakOf(row), known)),
	];
	return {
		applied: [...applied],
		pending: pending.map(({ name }) => name),
		unknown: unknown.map(({ name }) => name),
		breaking: new Map(broken),
	};
}

/** Why programs that know these migrations are broken by another one, with its name. */
function reasonFor(name: string, breaking: false | Break, knows: ReadonlySet<string>): [string, string][] {
	if (breaking === false || (breaking.spares !== undefined && knows.has(breaking.spares))) return [];
	return [[name, breaking.reason]];
}

function breakOf({ breaking, reason, spares }: Row): false | Break {
	if (breaking === 'false') return false;
	return { reason: reason ?? NOT_SAID.reason, ...(spares === null ? {} : { spares }) };
}

export async function recordApplied(client: pg.ClientBase, { name, breaking }: Migration): Promise<void> {
	const { reason = null, spares = null } = breaking === false ? {} : breaking;
	await client.query('INSERT INTO schema_migrations (name, breaking, reason, spares) VALUES ($1, $2, $3, $4)', [
		...[name, breaking !== false, reason, spares],
	]);
}

export async function recordTakenBack(client: pg.ClientBase, { name }: Migration): Promise<void> {
	await client.query('DELETE FROM schema_migrations WHERE name = $1', [name]);
}
