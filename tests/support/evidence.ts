/** What is known at the end of a run: what clients were told, and what the system, the provider and the parcels say. */
import type { QueryResultRow } from 'pg';
import type { Answer, Client, OrderView } from './client.ts';

/** Reads the tables, past the system. */
export interface Tables {
	sql<R extends QueryResultRow>(text: string, values?: readonly unknown[]): Promise<R[]>;
}

/** An event of an order's history; times are milliseconds since 1970. */
export interface HistoryEvent {
	readonly orderId: string;
	readonly sequence: number;
	readonly id: string;
	readonly type: string;
	readonly occurredAt: number;
	readonly data: Readonly<Record<string, string | number | null>>;
}

/** What the provider did: a row of `sandbox_operations`, or what another provider says of itself. */
export interface Operation {
	readonly orderId: string;
	readonly operation: string;
	/** in minor units */
	readonly amount: number;
	readonly outcome: string;
	readonly createdAt: number;
}

/** A row of `sandbox_parcels`. */
export interface Parcel {
	readonly orderId: string;
	readonly createdAt: number;
}

/** A row of `payments`; an order without one has a payment that is Requested. */
export interface PaymentRow {
	readonly orderId: string;
	readonly status: string;
	/** the operation that is still open */
	readonly operation: string | null;
}

/** A row of `inbox_messages`. */
export interface HandledMessage {
	readonly orderId: string;
	readonly consumer: string;
	readonly messageId: string;
	readonly handledAt: number;
}

/** A wake-up in `outbox_messages`, sent or not. */
export interface ArmedWakeUp {
	readonly orderId: string;
	readonly id: string;
	readonly type: string;
	/** the moment that it was armed for */
	readonly dueAt: number;
}

/** A row of `idempotency_keys`. */
export interface StoredKey {
	readonly key: string;
	readonly orderId: string;
}

export interface Evidence {
	readonly answers: readonly Answer[];
	readonly orders: readonly OrderView[];
	readonly history: readonly HistoryEvent[];
	readonly operations: readonly Operation[];
	readonly parcels: readonly Parcel[];
	readonly payments: readonly PaymentRow[];
	readonly handled: readonly HandledMessage[];
	readonly armed: readonly ArmedWakeUp[];
	readonly keys: readonly StoredKey[];
}

export const FINAL: ReadonlySet<string> = new Set(['Shipped', 'Cancelled', 'PaymentFailed']);

const millis = (column: string): string => `floor(extract(epoch FROM ${column}) * 1000)::float8`;

const iso = (column: string): string => `to_json(${column})`;

/** Orders as the system shows them, but for the amount, which no invariant looks at. */
const ORDERS = `
	SELECT o.id, o.product_name AS "productName", o.amount::float8 AS amount, o.currency, o.status,
		coalesce(p.status, 'Requested') AS "paymentStatus", ${iso('o.created_at')} AS "createdAt",
		${iso('o.pending_until')} AS "pendingUntil",
		CASE WHEN o.status = 'OnHold' THEN ${iso('o.hold_expires_at')} END AS "heldUntil",
		${iso('o.confirmed_at')} AS "confirmedAt", ${iso('o.cancelled_at')} AS "cancelledAt",
		${iso('o.shipped_at')} AS "shippedAt", ${iso('o.failed_at')} AS "failedAt", o.failure_reason AS "failureReason"
	FROM orders o LEFT JOIN payments p ON p.order_id = o.id ORDER BY o.id`;

/** Reads everything from the tables; with the answers that clients recorded that is all there is to judge by. */
export async function gather(tables: Tables, answers: readonly Answer[]): Promise<Evidence> {
	return {
		answers,
		orders: await tables.sql<OrderView & QueryResultRow>(ORDERS),
		history: await tables.sql<HistoryEvent>(
			`SELECT order_id AS "orderId", sequence, id, type, ${millis('occurred_at')} AS "occurredAt", data
			FROM order_events ORDER BY order_id, sequence`,
		),
		operations: await tables.sql<Operation>(
			`SELECT order_id AS "orderId", operation, amount::float8 AS amount, outcome, ${millis('created_at')} AS "createdAt"
			FROM sandbox_operations ORDER BY created_at`,
		),
		parcels: await tables.sql<Parcel>(
			`SELECT order_id AS "orderId", ${millis('created_at')} AS "createdAt" FROM sandbox_parcels ORDER BY created_at`,
		),
		payments: await tables.sql<PaymentRow>('SELECT order_id AS "orderId", status, operation FROM payments'),
		handled: await tables.sql<HandledMessage>(
			`SELECT order_id AS "orderId", consumer, message_id AS "messageId", ${millis('handled_at')} AS "handledAt"
			FROM inbox_messages`,
		),
		armed: await tables.sql<ArmedWakeUp>(
			`SELECT DISTINCT order_id AS "orderId", message_id AS id, type, ${millis('deliver_at')} AS "dueAt"
			FROM outbox_messages WHERE type IN ('OrderDue', 'HoldExpired')`,
		),
		keys: await tables.sql<StoredKey>('SELECT key, order_id AS "orderId" FROM idempotency_keys'),
	};
}

/** The same, with the orders as a client sees them. */
export async function collect(system: Tables, client: Client): Promise<Evidence> {
	return { ...(await gather(system, client.answers)), orders: await client.list() };
}

const EXPECTED: ReadonlySet<number> = new Set([0, 200, 201, 202, 409, 503]);

/** Answers that no buyer with good requests should ever get, such as a 500, each kind once with its number. */
export function strangeAnswers(answers: readonly Answer[]): string[] {
	const strange = answers.filter(({ status }) => !EXPECTED.has(status));
	const kinds = Object.groupBy(strange, ({ action, status, code }) => `${action}: ${status} ${code}`);
	return Object.entries(kinds).map(([kind, all]) => `${all?.length} × ${kind}`);
}

/** How many orders have not come to an end, or have a refund under way; throws while the database is away. */
export async function unfinished(system: Tables): Promise<number> {
	const [row] = await system.sql<{ count: number }>(
		'SELECT count(*)::int AS count FROM orders WHERE sweep_at IS NOT NULL',
	);
	return row?.count ?? Number.NaN;
}

/** The orders that have not come to an end, with what they wait for: for the message of a test that waits in vain. */
export async function laggards(system: Tables): Promise<string> {
	const rows = await system.sql<Record<string, unknown>>(
		`SELECT o.id, o.status, p.status AS payment, p.operation, p.attempts, p.attempt_until, o.pending_until, o.sweep_at,
			o.sweeps, clock_timestamp() AS now FROM orders o LEFT JOIN payments p ON p.order_id = o.id
			WHERE o.sweep_at IS NOT NULL LIMIT 5`,
	);
	return rows.map((row) => JSON.stringify(row)).join('\n');
}

/** How many orders ended in which state. */
export function census(orders: readonly OrderView[]): Record<string, number> {
	return Object.fromEntries(
		Object.entries(Object.groupBy(orders, ({ status }) => status)).map(([name, all]) => [name, all?.length ?? 0]),
	);
}
