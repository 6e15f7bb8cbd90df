/** Refunds, read and written under the row lock of their order. */
import type { Attempt } from '../../domain/attempts.ts';
import type { Order } from '../../domain/order.ts';
import type { OpenRefund, Refund } from '../../domain/refund.ts';
import { plainArray } from './arrays.ts';
import { type Columns, type ColumnsOf, inserting, selected, sqlName } from './columns.ts';
import type { Transaction } from './database.ts';
import type { Statement } from './statement.ts';

type NothingOpen = { readonly [Name in keyof OpenRefund]: null };

/** A refund as it is stored: of a call that is not open, nothing is. */
export type RefundRow = Omit<Refund, 'open' | 'tried'> & {
	readonly orderId: string;
	/** the `Attempt`s as JSON; null if there are none */
	readonly tried: string | null;
} & (OpenRefund | NothingOpen);

const FIXED = { id: 'uuid', orderId: 'uuid', amountMinor: 'bigint', reason: 'text', createdAt: 'moment' } as const;
const CHANGING = {
	status: 'word',
	settledAt: 'moment',
	failureReason: 'text',
	reference: 'text',
	keyUsedAt: 'moment',
	attemptUntil: 'moment',
	attempts: 'int',
	rememberedAt: 'moment',
	requestVersion: 'int',
	tried: 'text',
	undecidedSince: 'moment',
} as const;
const REFUND = { ...FIXED, ...CHANGING } satisfies ColumnsOf<RefundRow>;

/** What clients see of a refund. */
export const SHOWN_REFUND = {
	...FIXED,
	status: CHANGING.status,
	settledAt: CHANGING.settledAt,
	failureReason: CHANGING.failureReason,
} as const satisfies Columns;

/** What is read beside that, with the history of one order. */
export const TRIED_REFUND = { tried: CHANGING.tried } as const satisfies Columns;

/** All refunds of these orders, the oldest first. */
export async function readRefunds(
	tx: Transaction,
	orderIds: readonly string[],
): Promise<ReadonlyMap<string, readonly Refund[]>> {
	const rows = await tx.query<RefundRow>({
		name: 'read-refunds',
		text: `SELECT ${selected(REFUND, 'r')} FROM refunds r WHERE r.order_id = ANY($1::uuid[]) ORDER BY r.order_id, r.id`,
		values: [plainArray(orderIds)],
	});
	const refunds = new Map<string, Refund[]>();
	for (const [orderId, some] of Map.groupBy(rows, (row) => row.orderId)) refunds.set(orderId, some.map(toRefund));
	return refunds;
}

function toRefund(row: RefundRow): Refund {
	const { id, amountMinor, status, reason, createdAt, settledAt, failureReason, reference, undecidedSince } = row;
	const tried: readonly Attempt[] = row.tried === null ? [] : JSON.parse(row.tried);
	const told = { id, amountMinor, status, reason, createdAt, settledAt, failureReason, reference };
	const known = { ...told, tried, undecidedSince };
	if (row.keyUsedAt === null) return { ...known, open: null };
	const { keyUsedAt, attemptUntil, attempts, rememberedAt, requestVersion } = row;
	return { ...known, open: { keyUsedAt, attemptUntil, attempts, rememberedAt, requestVersion } };
}

const NOTHING_OPEN = {
	keyUsedAt: null,
	attemptUntil: null,
	attempts: null,
	rememberedAt: null,
	requestVersion: null,
};

const CHANGED = Object.keys(CHANGING).map((name) => `${sqlName(name)} = excluded.${sqlName(name)}`);

const stored = inserting('store-refunds', 'refunds', REFUND, `ON CONFLICT (id) DO UPDATE SET ${CHANGED}`);

/** New refunds, and those that have changed. */
export interface ChangedRefunds {
	readonly order: Order;
	readonly refunds: readonly Refund[];
}

export const storeRefunds = (changed: readonly ChangedRefunds[]): Statement =>
	stored(
		changed.flatMap(({ order, refunds }) =>
			refunds.map(({ open, tried, ...refund }) => ({
				...{ ...refund, orderId: order.record.id, ...(open ?? NOTHING_OPEN) },
				tried: tried.length === 0 ? null : JSON.stringify(tried),
			})),
		),
	);
