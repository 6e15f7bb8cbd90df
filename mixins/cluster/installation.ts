import { hash } from 'node:crypto';
import type pg from 'pg';

/** The system that uses a database. */
export interface Installation {
	/**
	 * For all that it keeps on a broker: systems with other databases have other names, so they never meet there. Letters,
	 * digits and dashes.
	 */
	readonly name: string;
	/** the former name, if this database was just found to be a copy */
	readonly before: string | undefined;
}

/** The server's own number, given when its data folder was made, and the database's within it: no logical copy has both. */
const PLACE = `(SELECT system_identifier FROM pg_control_system()) || '/'
	|| (SELECT oid FROM pg_database WHERE datname = current_database())`;

/**
 * The name is kept in the database, so a dump or a copy by TEMPLATE has it too. A process that finds the name in
 * another place takes a new one. The name is kept when the whole server moves, as to its standby, and when `place` was
 * set to null (docs/operations.md).
 */
export async function installationOf(client: pg.ClientBase): Promise<Installation> {
	await client.query(`INSERT INTO installation (place) VALUES (${PLACE}) ON CONFLICT DO NOTHING`);
	const { rows } = await client.query<{ id: string; before: string | null }>(`
		WITH found AS (SELECT id, place FROM installation FOR UPDATE), moved AS (
			UPDATE installation
			SET place = ${PLACE}, id = CASE WHEN found.place IS NULL THEN found.id ELSE gen_random_uuid() END
			FROM found WHERE found.place IS DISTINCT FROM ${PLACE}
			RETURNING installation.id, found.id AS before)
		SELECT COALESCE(moved.id, found.id) AS id, NULLIF(moved.before, moved.id) AS before
		FROM found LEFT JOIN moved ON true`);
	const [row] = rows;
	if (row === undefined) throw new Error('the table installation is empty');
	return { name: nameOf(row.id), before: row.before === null ? undefined : nameOf(row.before) };
}

const nameOf = (id: string): string => `protected-payment-${id.slice(0, 8)}`;

/**
 * Identifies the running server, also against a copy of its data folder, without revealing anything about it. Changes
 * with each restart.
 */
export async function serverOf(client: pg.ClientBase): Promise<string> {
	const { rows } = await client.query<{ server: string }>(
		`SELECT ${PLACE} || '/' || pg_postmaster_start_time() AS server`,
	);
	return hash('sha256', rows[0]?.server ?? '', 'base64url').slice(0, 16);
}
