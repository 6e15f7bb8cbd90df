import type { OrderRecord } from './order-record.ts';
import type { Payment } from './payment.ts';
import { mayBeginRefund, type Refund, refundLook } from './refund.ts';
import type { Shipment } from './shipment.ts';
import { backOff, type Duration, type Instant, MINUTE, SECOND } from './time.ts';

/** How much longer than it should an order may wait before the sweeper looks at it. */
export const GRACE: Duration = 3 * SECOND;

const LONGEST_LOOK: Duration = MINUTE;

/** When the sweeper looks at an order whose state has just changed; null once it has ended and no call is awaited. */
export function firstLook(
	order: Pick<OrderRecord, 'status' | 'pendingUntil' | 'holdExpiresAt'>,
	payment: Payment,
	shipment: Shipment | null,
	now: Instant,
	refunds: readonly Refund[] = [],
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
		case 'Shipped':
			return refunds.reduce<Instant | null>((first, refund) => earlier(first, refundLook(refund, now, GRACE)), null);
		default:
			// What is left behind at the provider is still to be ended there.
			return payment.open === null ? null : paymentLook(payment, now);
	}
}

const earlier = (one: Instant | null, other: Instant | null): Instant | null =>
	one === null || other === null ? (one ?? other) : Math.min(one, other);

/** An authorised payment waits for the order; a call under way has until its end; what is not decided is asked for again. */
function paymentLook({ open, status }: Payment, now: Instant): Instant {
	if (open === null)
		return status === 'Requested' || status === 'ActionRequired' ? now + GRACE : Number.POSITIVE_INFINITY;
	return status === 'Unknown' || status === 'ActionRequired' ? open.attemptUntil : open.attemptUntil + GRACE;
}

/** If nothing is overdue yet: when the sweeper should look instead. Null if something is overdue. */
export function lookInstead(
	order: Pick<OrderRecord, 'status' | 'pendingUntil' | 'holdExpiresAt' | 'confirmedAt' | 'sweeps'>,
	payment: Payment,
	shipment: Shipment | null,
	now: Instant,
	refunds: readonly Refund[] = [],
): Instant | null {
	const { status, confirmedAt, sweeps } = order;
	const isNew = status === 'Confirmed' && sweeps === 0 && payment.open === null && shipment === null;
	let look: Instant | null = null;
	if (isUnderWay(order, payment, shipment, now, refunds)) look = firstLook(order, payment, shipment, now, refunds);
	else if (isNew && confirmedAt !== null) look = confirmedAt + GRACE;
	return look !== null && look > now ? look : null;
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

/** True while a call for the order is still within its time limit; of several refunds, all of them. */
function isUnderWay(
	order: Pick<OrderRecord, 'status'>,
	payment: Payment,
	shipment: Shipment | null,
	now: Instant,
	refunds: readonly Refund[],
): boolean {
	if (order.status === 'Shipped') return !refunds.some((refund) => mayBeginRefund(refund, now));
	if (payment.open !== null) return now < payment.open.attemptUntil;
	return (
		order.status === 'Confirmed' && payment.status === 'Captured' && shipment !== null && now < shipment.attemptUntil
	);
}
