import type { OrderRecord } from './order-record.ts';
import type { Payment } from './payment.ts';
import type { Shipment } from './shipment.ts';
import { backOff, type Duration, type Instant, MINUTE, SECOND } from './time.ts';

/** How much longer than it should an order may wait before the sweeper looks at it. */
export const GRACE: Duration = 3 * SECOND;

const LONGEST_LOOK: Duration = MINUTE;

/** A look that is nearer than this may well come before a confirmed order has gone on. */
const TOO_NEAR: Duration = SECOND;

/** When the sweeper looks at an order that has just gone on; null once nothing more can happen to it. */
export function firstLook(
	order: Pick<OrderRecord, 'status' | 'pendingUntil' | 'holdExpiresAt'>,
	payment: Payment,
	shipment: Shipment | null,
	now: Instant,
): Instant | null {
	switch (order.status) {
		case 'Pending':
			return Math.min(order.pendingUntil + GRACE, paymentLook(payment, now));
		case 'OnHold':
			return Math.min((order.holdExpiresAt ?? now) + GRACE, paymentLook(payment, now));
		case 'CancelRequested':
			return payment.status === 'Authorized' && payment.open === null ? now + GRACE : paymentLook(payment, now);
		case 'Confirmed':
			if (payment.status === 'Captured') return (shipment?.attemptUntil ?? now) + GRACE;
			return payment.status === 'Authorized' && payment.open === null ? now + GRACE : paymentLook(payment, now);
		default:
			return null;
	}
}

/** An authorised payment waits for the order; a call under way has until its end; an unknown outcome is asked for again. */
function paymentLook(payment: Payment, now: Instant): Instant {
	if (payment.open === null) return payment.status === 'Requested' ? now + GRACE : Number.POSITIVE_INFINITY;
	return payment.status === 'Unknown' ? payment.open.attemptUntil : payment.open.attemptUntil + GRACE;
}

/**
 * True if the look that is set for the due moment serves a confirmed order as well as the one it should have: the order
 * has mostly shipped before either comes, and what does not move costs no entry in an index.
 */
export function servesFor(
	{ status, sweepAt }: Pick<OrderRecord, 'status' | 'sweepAt'>,
	look: Instant | null,
	now: Instant,
): boolean {
	if (status !== 'Confirmed' || sweepAt === null || look === null) return false;
	return sweepAt > now + TOO_NEAR && sweepAt <= look && look <= sweepAt + GRACE;
}

/** When the sweeper should look instead, where it has come too early; null where it has not. */
export function lookInstead(
	order: Pick<OrderRecord, 'status' | 'pendingUntil' | 'holdExpiresAt' | 'confirmedAt' | 'sweeps'>,
	payment: Payment,
	shipment: Shipment | null,
	now: Instant,
): Instant | null {
	const look = isUnderWay(order, payment, shipment, now)
		? firstLook(order, payment, shipment, now)
		: afterConfirming(order, payment, shipment);
	return look !== null && look > now ? look : null;
}

/** For a confirmed order of which nothing is under way: its look may still be the one for the due moment. */
function afterConfirming(
	{ status, confirmedAt, sweeps }: Pick<OrderRecord, 'status' | 'confirmedAt' | 'sweeps'>,
	payment: Payment,
	shipment: Shipment | null,
): Instant | null {
	const waits = status === 'Confirmed' && sweeps === 0 && payment.open === null && shipment === null;
	return waits && confirmedAt !== null ? confirmedAt + GRACE : null;
}

/**
 * When the sweeper looks again at an order that it has found `sweeps` times: 3 s later, doubling to 60 s, but never
 * past the moment that the order itself waits for.
 */
export function laterLook(
	order: Pick<OrderRecord, 'status' | 'pendingUntil' | 'holdExpiresAt' | 'sweeps'>,
	now: Instant,
): Instant {
	const later = now + backOff(order.sweeps, GRACE, LONGEST_LOOK);
	const awaited =
		order.status === 'Pending' ? order.pendingUntil : order.status === 'OnHold' ? order.holdExpiresAt : null;
	return awaited !== null && awaited + GRACE > now ? Math.min(later, awaited + GRACE) : later;
}

/** True while somebody's call for the order has not had its time yet. */
function isUnderWay(
	order: Pick<OrderRecord, 'status'>,
	payment: Payment,
	shipment: Shipment | null,
	now: Instant,
): boolean {
	if (payment.open !== null) return now < payment.open.attemptUntil;
	return (
		order.status === 'Confirmed' && payment.status === 'Captured' && shipment !== null && now < shipment.attemptUntil
	);
}
