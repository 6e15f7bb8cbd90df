/** Orders as they are stored, read under their row locks. */
import type { OrderRecord } from '../../domain/order-record.ts';
import type { Instant } from '../../domain/time.ts';
import { plainArray } from './arrays.ts';
import { selected } from './columns.ts';
import type { Transaction } from './database.ts';
import { instant, NOW } from './instants.ts';
import { ORDER, type OrderRow } from './orders-columns.ts';
import type { Statement } from './statement.ts';

/** An order as it is stored, with the trace of the request that placed it. */
export interface StoredOrder {
	readonly record: OrderRecord;
	readonly traceparent: string | null;
}

const COLUMNS = selected(ORDER, 'o');

async function locked(
	tx: Transaction,
	name: string,
	which: string,
	values: readonly unknown[],
): Promise<StoredOrder[]> {
	const rows = await tx.query<OrderRow>({ name, text: `SELECT ${COLUMNS} FROM orders o WHERE ${which}`, values });
	// A whole copy costs a tenth of one without the columns that are no fields of a record.
	return rows.map((row) => ({
		record: { ...row, amount: { minor: row.amount, currency: row.currency } },
		traceparent: row.traceparent,
	}));
}

/** Locks orders, always in the order of their ids. Nothing is joined: after a wait a joined row would be the old one. */
export function lockOrders(tx: Transaction, ids: readonly string[]): Promise<StoredOrder[]> {
	return locked(tx, 'lock-orders', 'id = ANY($1::uuid[]) ORDER BY id FOR UPDATE', [plainArray([...ids].sort())]);
}

/** The same, without those that another transaction has locked. */
export function lockFreeOrders(tx: Transaction, ids: readonly string[]): Promise<StoredOrder[]> {
	const free = 'id = ANY($1::uuid[]) ORDER BY id FOR UPDATE SKIP LOCKED';
	return locked(tx, 'lock-free-orders', free, [plainArray([...ids].sort())]);
}

/** Which of these orders exist. */
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
	/** `sweep_at` before this moment is ignored */
	readonly from: Instant;
	/** orders to skip */
	readonly except: readonly string[];
}

/** Locks orders that have waited too long, the longest first; skips those that are locked. */
export function lockOverdueOrders(tx: Transaction, overdue: Overdue): Promise<StoredOrder[]> {
	const { most, which, from, except } = overdue;
	const due = `sweep_at BETWEEN to_timestamp($3::float8) AND statement_timestamp() AND status <> $2 AND id <> ALL($4::uuid[])
		ORDER BY sweep_at LIMIT $1 FOR UPDATE SKIP LOCKED`;
	const values = [most, which === 'all' ? '' : 'Pending', from / 1_000, plainArray(except)];
	return locked(tx, 'lock-overdue-orders', due, values);
}

/** Whether any order has waited too long since `from`, and the clock; nothing is locked. */
export const lookForOverdue = (from: Instant): Statement => ({
	name: 'look-for-overdue',
	text: `SELECT ${NOW} AS now, EXISTS (
		SELECT FROM orders WHERE sweep_at BETWEEN to_timestamp($1::float8) AND statement_timestamp()) AS found`,
	values: [from / 1_000],
});

/** The earliest `sweep_at` before this moment whose order is not locked. */
export const firstLookBefore = (moment: Instant): Statement => ({
	name: 'first-look-before',
	text: `SELECT ${instant('sweep_at', 'look')} FROM orders WHERE sweep_at < to_timestamp($1::float8)
		ORDER BY sweep_at LIMIT 1 FOR UPDATE SKIP LOCKED`,
	values: [moment / 1_000],
});
