import type { Order } from '../../domain/order.ts';
import type { OrderRecord } from '../../domain/order-record.ts';
import type { OpenOperation, Payment, PaymentOperation, PaymentStatus } from '../../domain/payment.ts';
import type { Shipment } from '../../domain/shipment.ts';
import { GRACE } from '../../domain/sweeping.ts';
import { type Instant, SECOND } from '../../domain/time.ts';
import { plainArray, textArray } from './arrays.ts';
import type { Transaction } from './database.ts';
import { instant, instants, NOW } from './instants.ts';
import type { Statement } from './statement.ts';

interface PaymentRow {
	/** null in the row of a clock that no payment came with */
	order_id: string | null;
	payment_status: PaymentStatus;
	operation: PaymentOperation | null;
	key_used_at: Instant;
	attempt_until: Instant;
	attempts: number;
	reference: string | null;
	shipment_until: Instant | null;
	shipment_attempts: number | null;
	now: Instant;
}

export interface ClockAndPayments {
	readonly now: Instant;
	readonly payments: ReadonlyMap<string, { readonly payment: Payment; readonly shipment: Shipment | null }>;
}

/** The clock, the payments and the shipments of orders that are locked already. */
export async function readClockAndPayments(tx: Transaction, ids: readonly string[]): Promise<ClockAndPayments> {
	const rows = await tx.query<PaymentRow>({
		name: 'clock-and-payments',
		text: `SELECT clock.now, p.order_id, p.status AS payment_status,
				p.operation, ${instant('p.key_used_at', 'key_used_at')}, ${instant('p.attempt_until', 'attempt_until')}, p.attempts,
				p.reference, ${instant('s.attempt_until', 'shipment_until')}, s.attempts AS shipment_attempts
			FROM (SELECT ${NOW} AS now) AS clock
			LEFT JOIN payments p ON p.order_id = ANY($1::uuid[])
			-- nothing is handed over before it is paid
			LEFT JOIN LATERAL (
				SELECT * FROM shipments t WHERE t.order_id = p.order_id AND p.status = 'Captured' LIMIT 1) AS s ON true`,
		values: [plainArray(ids)],
	});
	const payments = new Map(
		rows.flatMap((row) =>
			row.order_id === null ? [] : [[row.order_id, { payment: toPayment(row), shipment: toShipment(row) }]],
		),
	);
	return { now: rows[0]?.now ?? Number.NaN, payments };
}

function toPayment(row: PaymentRow): Payment {
	const open: OpenOperation | null =
		row.operation === null
			? null
			: {
					operation: row.operation,
					keyUsedAt: row.key_used_at,
					attemptUntil: row.attempt_until,
					attempts: row.attempts,
				};
	return { status: row.payment_status, open, reference: row.reference };
}

const toShipment = (row: PaymentRow): Shipment | null =>
	row.shipment_until === null || row.shipment_attempts === null
		? null
		: { attemptUntil: row.shipment_until, attempts: row.shipment_attempts };

export function insertOrders(orders: readonly Order[], traces: ReadonlyMap<string, string>): Statement {
	const records = orders.map(({ record }) => record);
	return {
		name: 'insert-orders',
		text: `INSERT INTO orders (id, owner, product_name, amount, currency, payment_method, cancellation_window, status,
				created_at, pending_until, sequence, sweep_at, traceparent)
			SELECT id, owner, product_name, amount, currency, payment_method, cancellation_window, status,
				to_timestamp(created_at), to_timestamp(pending_until), sequence, to_timestamp(sweep_at), traceparent
			FROM unnest($1::uuid[], $2::text[], $3::text[], $4::bigint[], $5::text[], $6::text[], $7::int[], $8::text[],
				$9::float8[], $10::float8[], $11::int[], $12::float8[], $13::text[])
				AS o (id, owner, product_name, amount, currency, payment_method, cancellation_window, status,
				created_at, pending_until, sequence, sweep_at, traceparent)`,
		values: [
			plainArray(records.map(({ id }) => id)),
			textArray(records.map(({ owner }) => owner)),
			textArray(records.map(({ productName }) => productName)),
			plainArray(records.map(({ amount }) => amount.minor)),
			plainArray(records.map(({ amount }) => amount.currency)),
			textArray(records.map(({ paymentMethod }) => paymentMethod)),
			plainArray(records.map(({ cancellationWindow }) => cancellationWindow)),
			plainArray(records.map(({ status }) => status)),
			instants(records.map(({ createdAt }) => createdAt)),
			instants(records.map(({ pendingUntil }) => pendingUntil)),
			plainArray(records.map(({ sequence }) => sequence)),
			instants(records.map(({ sweepAt }) => sweepAt)),
			plainArray(records.map(({ id }) => traces.get(id) ?? null)),
		],
	};
}

/**
 * When the sweeper looks at an order, as it is to be stored. A confirmed order has mostly shipped before that: where the
 * look that is stored comes a little too early, it stays, which saves an entry in an index. `Order.found` puts it off.
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

export function updateOrders(changed: readonly Changed[], now: Instant): Statement {
	const records = changed.map(({ order }) => order.record);
	return {
		name: 'update-orders',
		text: `UPDATE orders o SET status = c.status, pending_until = to_timestamp(c.pending_until),
				held_at = to_timestamp(c.held_at), hold_expires_at = to_timestamp(c.hold_expires_at),
				confirmed_at = to_timestamp(c.confirmed_at), cancelled_at = to_timestamp(c.cancelled_at),
				shipped_at = to_timestamp(c.shipped_at), failed_at = to_timestamp(c.failed_at),
				failure_reason = c.failure_reason, sequence = c.sequence, sweep_at = to_timestamp(c.sweep_at),
				sweeps = c.sweeps, pauses = c.pauses
			FROM unnest($1::uuid[], $2::text[], $3::float8[], $4::float8[], $5::float8[], $6::float8[], $7::float8[],
				$8::float8[], $9::float8[], $10::text[], $11::int[], $12::float8[], $13::int[], $14::int[])
				AS c (id, status, pending_until, held_at, hold_expires_at, confirmed_at, cancelled_at, shipped_at, failed_at,
				failure_reason, sequence, sweep_at, sweeps, pauses)
			WHERE o.id = c.id`,
		values: [
			plainArray(records.map(({ id }) => id)),
			plainArray(records.map(({ status }) => status)),
			instants(records.map(({ pendingUntil }) => pendingUntil)),
			instants(records.map(({ heldAt }) => heldAt)),
			instants(records.map(({ holdExpiresAt }) => holdExpiresAt)),
			instants(records.map(({ confirmedAt }) => confirmedAt)),
			instants(records.map(({ cancelledAt }) => cancelledAt)),
			instants(records.map(({ shippedAt }) => shippedAt)),
			instants(records.map(({ failedAt }) => failedAt)),
			textArray(records.map(({ failureReason }) => failureReason)),
			plainArray(records.map(({ sequence }) => sequence)),
			instants(changed.map(({ order, record }) => lookToStore(record?.sweepAt ?? null, order.record, now))),
			plainArray(records.map(({ sweeps }) => sweeps)),
			plainArray(records.map(({ pauses }) => pauses)),
		],
	};
}

/** Payments that leave `Requested`, or whose first call is intended: until then an order has no row here. */
export function insertPayments(orders: readonly Order[]): Statement {
	return {
		name: 'insert-payments',
		text: `INSERT INTO payments (order_id, status, operation, key_used_at, attempt_until, attempts, reference)
			SELECT order_id, status, operation, to_timestamp(key_used_at), to_timestamp(attempt_until), attempts, reference
			FROM ${PAYMENTS}`,
		values: paymentValues(orders),
	};
}

export function updatePayments(orders: readonly Order[]): Statement {
	return {
		name: 'update-payments',
		text: `UPDATE payments p SET status = c.status, operation = c.operation, key_used_at = to_timestamp(c.key_used_at),
				attempt_until = to_timestamp(c.attempt_until), attempts = c.attempts, reference = c.reference
			FROM ${PAYMENTS} WHERE p.order_id = c.order_id`,
		values: paymentValues(orders),
	};
}

const PAYMENTS = `unnest($1::uuid[], $2::text[], $3::text[], $4::float8[], $5::float8[], $6::int[], $7::text[])
				AS c (order_id, status, operation, key_used_at, attempt_until, attempts, reference)`;

function paymentValues(orders: readonly Order[]): readonly string[] {
	const open = orders.map(({ payment }) => payment.open);
	return [
		plainArray(orders.map(({ record }) => record.id)),
		plainArray(orders.map(({ payment }) => payment.status)),
		plainArray(open.map((operation) => operation?.operation ?? null)),
		instants(open.map((operation) => operation?.keyUsedAt ?? null)),
		instants(open.map((operation) => operation?.attemptUntil ?? null)),
		plainArray(open.map((operation) => operation?.attempts ?? null)),
		textArray(orders.map(({ payment }) => payment.reference)),
	];
}

export function storeShipments(orders: readonly Order[]): Statement {
	const shipments = orders.flatMap(({ record, shipment }) =>
		shipment === null ? [] : [{ ...shipment, id: record.id }],
	);
	return {
		name: 'store-shipments',
		text: `INSERT INTO shipments (order_id, attempt_until, attempts)
			SELECT order_id, to_timestamp(attempt_until), attempts
			FROM unnest($1::uuid[], $2::float8[], $3::int[]) AS c (order_id, attempt_until, attempts)
			ON CONFLICT (order_id) DO UPDATE SET attempt_until = excluded.attempt_until, attempts = excluded.attempts`,
		values: [
			plainArray(shipments.map(({ id }) => id)),
			instants(shipments.map(({ attemptUntil }) => attemptUntil)),
			plainArray(shipments.map(({ attempts }) => attempts)),
		],
	};
}
