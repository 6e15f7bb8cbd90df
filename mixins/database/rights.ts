import type pg from 'pg';
import { SessionRefused } from './trouble.ts';

const ALL = ['SELECT', 'INSERT', 'UPDATE', 'DELETE'];

/** The rights on each table that the program's role needs. See docs/operations.md. */
export const RIGHTS: Readonly<Record<string, readonly string[]>> = {
	schema_migrations: ['SELECT'],
	installation: ['SELECT', 'INSERT', 'UPDATE'],
	orders: ['SELECT', 'INSERT', 'UPDATE'],
	payments: ['SELECT', 'INSERT', 'UPDATE'],
	shipments: ['SELECT', 'INSERT', 'UPDATE'],
	refunds: ['SELECT', 'INSERT', 'UPDATE'],
	order_events: ['SELECT', 'INSERT'],
	outbox_messages: ALL,
	inbox_messages: ['SELECT', 'INSERT', 'DELETE'],
	idempotency_keys: ['SELECT', 'INSERT', 'DELETE'],
	carrier_messages: ALL,
	dead_letters: ['SELECT', 'INSERT', 'DELETE'],
	rate_limits: ALL,
	paused_consumers: ALL,
	webhook_endpoints: ALL,
	webhook_subscriptions: ALL,
	webhook_secrets: ALL,
	webhook_deliveries: ALL,
	webhook_looks: ['SELECT', 'INSERT', 'UPDATE'],
	reconciliation: ['SELECT', 'INSERT', 'UPDATE'],
	sandbox_operations: ['SELECT', 'INSERT'],
	sandbox_memory: ['SELECT', 'INSERT', 'UPDATE'],
	sandbox_parcels: ['SELECT', 'INSERT'],
};

const MISSING = `SELECT name, right_name FROM unnest($1::text[], $2::text[]) AS r (name, right_name)
	WHERE NOT has_table_privilege(to_regclass(name), right_name)`;

/** Rejects in the server's own words where a right is missing. */
export async function requireRights(client: pg.ClientBase): Promise<void> {
	const wanted = Object.entries(RIGHTS).flatMap(([table, rights]) => rights.map((right) => [table, right] as const));
	const columns = [wanted.map(([table]) => table), wanted.map(([, right]) => right)];
	const { rows } = await client.query<{ name: string; right_name: string }>(MISSING, columns);
	const [first] = rows;
	if (first === undefined) return;
	const lacking = rows.filter(({ name }) => name === first.name).map(({ right_name }) => right_name);
	throw new SessionRefused(
		`the database refuses a right: permission denied for table ${first.name} (${lacking.join(', ')})`,
	);
}
