/** Orders as they are stored, read under their row locks. */
import type { OrderRecord, OrderStatus } from '../../domain/order-record.ts';
import type { Instant } from '../../domain/time.ts';
import { plainArray } from './arrays.ts';
import type { Transaction } from './database.ts';
import { instant } from './instants.ts';
import type { Statement } from './statement.ts';

interface OrderRow {
	id: string;
	owner: string;
	product_name: string;
	amount: bigint;
	currency: string;
	payment_method: string;
	cancellation_window: number;
	status: OrderStatus;
	created_at: Instant;
	pending_until: Instant;
	held_at: Instant | null;
	hold_expires_at: Instant | null;
	pauses: number;
	confirmed_at: Instant | null;
	cancelled_at: Instant | null;
	shipped_at: Instant | null;
	failed_at: Instant | null;
	failure_reason: string | null;
	sequence: number;
	sweep_at: Instant | null;
	sweeps: number;
	traceparent: string | null;
}

const ORDER_COLUMNS = `id, owner, product_name, amount, currency, payment_method, cancellation_window, status,
	${['created_at', 'pending_until', 'held_at', 'hold_expires_at', 'confirmed_at', 'cancelled_at', 'shipped_at', 'failed_at'].map((column) => instant(column)).join(', ')},
	failure_reason, sequence, ${instant('sweep_at')}, sweeps, pauses, traceparent`;

/** An order as it is stored, with the trace of the request that placed it. */
export interface StoredOrder {
	readonly record: OrderRecord;
	readonly traceparent: string | null;
}

const toStored = (row: OrderRow): StoredOrder => ({ record: toRecord(row), traceparent: row.traceparent });

const toRecord = (row: OrderRow): OrderRecord => ({
	id: row.id,
	owner: row.owner,
	productName: row.product_name,
	amount: { minor: row.amount, currency: row.currency },
	paymentMethod: row.payment_method,
	cancellationWindow: row.cancellation_window,
	status: row.status,
	createdAt: row.created_at,
	pendingUntil: row.pending_until,
	heldAt: row.held_at,
	holdExpiresAt: row.hold_expires_at,
	pauses: row.pauses,
	confirmedAt: row.confirmed_at,
	cancelledAt: row.cancelled_at,
	shippedAt: row.shipped_at,
	failedAt: row.failed_at,
	failureReason: row.failure_reason,
	sequence: row.sequence,
	sweepAt: row.sweep_at,
	sweeps: row.sweeps,
});

/** Locks orders, always in the order of their ids. Nothing is joined: after a wait a joined row would be the old one. */
export async function lockOrders(tx: Transaction, ids: readonly string[]): Promise<StoredOrder[]> {
	const rows = await tx.query<OrderRow>({
		name: 'lock-orders',
		text: `SELECT ${ORDER_COLUMNS} FROM orders WHERE id = ANY($1::uuid[]) ORDER BY id FOR UPDATE`,
		values: [plainArray([...ids].sort())],
	});
	return rows.map(toStored);
}

/** The same for those of them that nobody holds. */
export async function lockFreeOrders(tx: Transaction, ids: readonly string[]): Promise<StoredOrder[]> {
	const rows = await tx.query<OrderRow>({
		name: 'lock-free-orders',
		text: `SELECT ${ORDER_COLUMNS} FROM orders WHERE id = ANY($1::uuid[]) ORDER BY id FOR UPDATE SKIP LOCKED`,
		values: [plainArray([...ids].sort())],
	});
	return rows.map(toStored);
}

/** Which of them there are. */
export async function existingOrders(tx: Transaction, ids: readonly string[]): Promise<ReadonlySet<string>> {
	const rows = await tx.query<{ id: string }>({
		name: 'existing-orders',
		text: 'SELECT id FROM orders WHERE id = ANY($1::uuid[])',
		values: [plainArray(ids)],
	});
	return new Set(rows.map(({ id }) => id));
}

export interface Overdue {
	readonly most: number;
	readonly which: 'all' | 'not pending';
	/** no look before this moment is looked for */
	readonly from: Instant;
	/** orders that are left alone */
	readonly except: readonly string[];
}

/** Locks orders that have waited too long, the longest first; passes over those that somebody works on. */
export async function lockOverdueOrders(tx: Transaction, overdue: Overdue): Promise<StoredOrder[]> {
	const { most, which, from, except } = overdue;
	const rows = await tx.query<OrderRow>({
		name: 'lock-overdue-orders',
		text: `SELECT ${ORDER_COLUMNS} FROM orders
			WHERE sweep_at BETWEEN to_timestamp($3::float8) AND statement_timestamp() AND status <> $2 AND id <> ALL($4::uuid[])
			ORDER BY sweep_at LIMIT $1 FOR UPDATE SKIP LOCKED`,
		values: [most, which === 'all' ? '' : 'Pending', from / 1_000, plainArray(except)],
	});
	return rows.map(toStored);
}

/** The first look before this moment that nobody has in hand. */
export const firstLookBefore = (moment: Instant): Statement => ({
	name: 'first-look-before',
	text: `SELECT ${instant('sweep_at', 'look')} FROM orders WHERE sweep_at < to_timestamp($1::float8)
		ORDER BY sweep_at LIMIT 1 FOR UPDATE SKIP LOCKED`,
	values: [moment / 1_000],
});
