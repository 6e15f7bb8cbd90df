import type { Attempt } from '../../domain/attempts.ts';
import type { Order } from '../../domain/order.ts';
import type { OrderRecord } from '../../domain/order-record.ts';
import type { Payment } from '../../domain/payment.ts';
import type { PaymentAction } from '../../domain/provider.ts';
import type { Shipment } from '../../domain/shipment.ts';
import { GRACE } from '../../domain/sweeping.ts';
import { type Instant, SECOND } from '../../domain/time.ts';
import { plainArray } from './arrays.ts';
import { inserting, selected, updating } from './columns.ts';
import type { Transaction } from './database.ts';
import { instant, NOW } from './instants.ts';
import { CHANGED_ORDER, NEW_ORDER, PAYMENT, type PaymentRow, SHIPMENT } from './orders-columns.ts';
import type { Statement } from './statement.ts';

/** A payment with its shipment, and the clock; or the clock alone, that no payment came with. */
type Row = { readonly now: Instant } & (PaidRow | { readonly orderId: null });
type PaidRow = PaymentRow & { readonly shipmentUntil: Instant | null; readonly shipmentAttempts: number };

export interface ClockAndPayments {
	readonly now: Instant;
	readonly payments: ReadonlyMap<string, { readonly payment: Payment; readonly shipment: Shipment | null }>;
}

/** The clock, the payments and the shipments of orders that are locked already. */
export async function readClockAndPayments(tx: Transaction, ids: readonly string[]): Promise<ClockAndPayments> {
	const rows = await tx.query<Row>({
		name: 'clock-and-payments',
		text: `SELECT clock.now, ${selected(PAYMENT, 'p')},
				${instant('s.attempt_until', '"shipmentUntil"')}, s.attempts AS "shipmentAttempts"
			FROM (SELECT ${NOW} AS now) AS clock
			LEFT JOIN payments p ON p.order_id = ANY($1::uuid[])
			-- nothing is handed over before it is paid
			LEFT JOIN LATERAL (
				SELECT * FROM shipments t WHERE t.order_id = p.order_id AND p.status = 'Captured' LIMIT 1) AS s ON true`,
		values: [plainArray(ids)],
	});
	const paid = rows.filter((row): row is Row & PaidRow => row.orderId !== null);
	const payments = new Map(paid.map((row) => [row.orderId, { payment: toPayment(row), shipment: toShipment(row) }]));
	return { now: rows[0]?.now ?? Number.NaN, payments };
}

function toPayment(row: PaymentRow): Payment {
	const { status, reference, authorizedMinor, captureBefore, refundedMinor, undecidedSince } = row;
	const action: PaymentAction | null = row.action === null ? null : JSON.parse(row.action);
	const tried: readonly Attempt[] = row.tried === null ? [] : JSON.parse(row.tried);
	const known = { status, reference, authorizedMinor, captureBefore, action, refundedMinor, tried, undecidedSince };
	if (row.operation === null) return { ...known, open: null };
	const { operation, keyUsedAt, attemptUntil, attempts, rememberedAt } = row;
	// The release before this one knew one key and one form of its requests.
	const [keyNumber, requestVersion] = [row.keyNumber ?? 1, row.requestVersion ?? 1];
	return { ...known, open: { operation, keyUsedAt, attemptUntil, attempts, keyNumber, rememberedAt, requestVersion } };
}

const toShipment = ({ shipmentUntil, shipmentAttempts }: PaidRow): Shipment | null =>
	shipmentUntil === null ? null : { attemptUntil: shipmentUntil, attempts: shipmentAttempts };

const inserted = inserting('insert-orders', 'orders', NEW_ORDER);

export function insertOrders(orders: readonly Order[], traces: ReadonlyMap<string, string>): Statement {
	return inserted(
		orders.map(({ record }) => {
			const { minor: amount, currency } = record.amount;
			return { ...record, amount, currency, traceparent: traces.get(record.id) ?? null };
		}),
	);
}

/**
 * The `sweep_at` to store. A confirmed order has usually shipped before that moment. So a stored value that is a little
 * too early is kept, which saves an index entry; if the sweeper comes too early, `Order.found` postpones it.
 */
export function lookToStore(stored: Instant | null, { status, sweepAt }: Looked, now: Instant): Instant | null {
	if (status !== 'Confirmed' || stored === null || sweepAt === null) return sweepAt;
	return stored > now + SECOND && stored <= sweepAt && sweepAt <= stored + GRACE ? stored : sweepAt;
}

type Looked = Pick<OrderRecord, 'status' | 'sweepAt'>;

/** An order and its record as it is stored. */
export interface Changed {
	readonly order: Order;
	readonly record: Looked | undefined;
}

const updated = updating('update-orders', 'orders', 'id', CHANGED_ORDER);

export function updateOrders(changed: readonly Changed[], now: Instant): Statement {
	return updated(
		changed.map(({ order, record }) => {
			const sweepAt = lookToStore(record?.sweepAt ?? null, order.record, now);
			return { ...order.record, amount: order.record.amount.minor, sweepAt };
		}),
	);
}

const paymentsInserted = inserting('insert-payments', 'payments', PAYMENT);
const paymentsUpdated = updating('update-payments', 'payments', 'orderId', PAYMENT);

/** Payments that leave `Requested`, or whose first call is intended: until then a payment has no row. */
export const insertPayments = (orders: readonly Order[]): Statement => paymentsInserted(orders.map(toPaymentRow));
export const updatePayments = (orders: readonly Order[]): Statement => paymentsUpdated(orders.map(toPaymentRow));

const NOTHING_OPEN = {
	...{ operation: null, keyUsedAt: null, attemptUntil: null, attempts: null },
	...{ keyNumber: null, rememberedAt: null, requestVersion: null },
};

const toPaymentRow = ({ record: { id: orderId }, payment: { open, action, tried, ...rest } }: Order): PaymentRow => ({
	orderId,
	...rest,
	action: action === null ? null : JSON.stringify(action),
	tried: tried.length === 0 ? null : JSON.stringify(tried),
	...(open ?? NOTHING_OPEN),
});

const shipmentsStored = inserting(
	'store-shipments',
	'shipments',
	SHIPMENT,
	'ON CONFLICT (order_id) DO UPDATE SET attempt_until = excluded.attempt_until, attempts = excluded.attempts',
);

export const storeShipments = (orders: readonly Order[]): Statement =>
	shipmentsStored(
		orders.flatMap(({ record, shipment }) => (shipment === null ? [] : [{ ...shipment, orderId: record.id }])),
	);
