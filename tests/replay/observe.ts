import type { TestDatabase } from '../support/database.ts';

/** What the tables say; moments are milliseconds since 1970. */
export interface Observed {
	readonly now: number;
	readonly orders: readonly {
		readonly id: string;
		readonly status: string;
		readonly due: number;
		readonly held_at: number | null;
		readonly limit: number | null;
		readonly ended: number | null;
		readonly sequence: number;
		readonly sweep_at: number | null;
	}[];
	readonly payments: readonly {
		readonly order_id: string;
		readonly status: string;
		readonly operation: string | null;
		readonly until: number | null;
		readonly first: number | null;
	}[];
	readonly shipments: readonly { readonly order_id: string; readonly until: number }[];
	readonly keys: readonly { readonly key: string; readonly order_id: string }[];
	readonly outbox: readonly {
		readonly id: string;
		readonly type: string;
		readonly order_id: string;
		readonly moment: number | null;
		readonly sent: boolean;
	}[];
	readonly inbox: readonly { readonly consumer: string; readonly id: string }[];
	readonly events: readonly { readonly order_id: string; readonly sequence: number; readonly type: string }[];
	readonly operations: readonly {
		readonly order_id: string;
		readonly operation: string;
		readonly outcome: string;
	}[];
	readonly parcels: readonly { readonly order_id: string }[];
	readonly dead: number;
}

const ms = (expression: string): string => `floor(extract(epoch FROM ${expression}) * 1000)::float8`;

const all = (rows: string): string => `(SELECT coalesce(json_agg(r), '[]') FROM (${rows}) AS r)`;

/** One statement, so one snapshot. */
const LOOK = `SELECT ${ms('clock_timestamp()')} AS now,
	${all(`SELECT id, status, ${ms('pending_until')} AS due, ${ms('held_at')} AS held_at, ${ms('hold_expires_at')} AS "limit",
		${ms('greatest(shipped_at, cancelled_at, failed_at)')} AS ended, sequence, ${ms('sweep_at')} AS sweep_at
		FROM orders ORDER BY created_at, id`)} AS orders,
	${all(`SELECT order_id, status, operation, ${ms('attempt_until')} AS until, ${ms('key_used_at')} AS first FROM payments`)}
		AS payments,
	${all(`SELECT order_id, ${ms('attempt_until')} AS until FROM shipments`)} AS shipments,
	${all('SELECT key, order_id FROM idempotency_keys')} AS keys,
	${all(`SELECT message_id AS id, type, order_id, ${ms('deliver_at')} AS moment, sent_at IS NOT NULL AS sent
		FROM outbox_messages ORDER BY position`)} AS outbox,
	${all('SELECT consumer, message_id AS id FROM inbox_messages')} AS inbox,
	${all('SELECT order_id, sequence, type FROM order_events ORDER BY order_id, sequence')} AS events,
	${all('SELECT order_id, operation, outcome FROM sandbox_operations')} AS operations,
	${all('SELECT order_id FROM sandbox_parcels')} AS parcels,
	(SELECT count(*)::int FROM dead_letters) AS dead`;

/** Everything that is compared, at one instant. */
export async function observe(server: TestDatabase): Promise<Observed> {
	const [row] = await server.database.query<Record<string, unknown>>({ name: 'replay-look', text: LOOK, values: [] });
	const parsed = Object.entries(row ?? {}).map(([name, value]) => [
		name,
		typeof value === 'string' ? JSON.parse(value) : value,
	]);
	return Object.fromEntries(parsed) as unknown as Observed;
}
