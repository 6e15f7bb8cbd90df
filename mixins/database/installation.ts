import type pg from 'pg';

/**
 * The name of the system that uses this database, for all that it keeps on a broker: systems with other databases have
 * other names, so they never meet there. Letters, digits and dashes.
 */
export async function installationName(client: pg.ClientBase): Promise<string> {
	await client.query('INSERT INTO installation DEFAULT VALUES ON CONFLICT DO NOTHING');
	const { rows } = await client.query<{ id: string }>('SELECT id FROM installation');
	const [row] = rows;
	if (row === undefined) throw new Error('the table installation is empty');
	return `protected-payment-${row.id.slice(0, 8)}`;
}
