/** What the clock and the state of an order allow the buyer. */
import { invalidAmount, invalidState, type Refusal, windowClosed } from './errors.ts';
import type { Money } from './money.ts';
import type { OrderRecord } from './order-record.ts';
import { CAPTURE_MARGIN } from './payment.ts';
import { type Duration, type Instant, MINUTE } from './time.ts';

/** A resumed order has at least this long left, or its whole window where that is shorter. */
const SHORTEST_REST: Duration = MINUTE;

/** Limits the length of a history. */
export const MOST_PAUSES = 20;

const PAUSED_OFTEN = invalidState(`This order has been paused ${MOST_PAUSES} times already.`);
const OVER = windowClosed('The cancellation window of this order is over.');
const LAPSES = windowClosed('The payment provider does not hold the money long enough for a pause.');
const HOLD_OVER = windowClosed('The hold limit of this order has passed.');

const isOver = ({ status, pendingUntil }: OrderRecord, now: Instant): boolean =>
	status === 'Confirmed' || status === 'Shipped' || (status === 'Pending' && now >= pendingUntil);

/** Why the buyer may not resume, or undefined. */
export function refusesResume(order: OrderRecord, now: Instant): Refusal | undefined {
	const { status, holdExpiresAt } = order;
	if (isOver(order, now)) return OVER;
	if (status !== 'Pending' && status !== 'OnHold') return invalidState(`The order is ${status}.`);
	return holdExpiresAt !== null && now >= holdExpiresAt ? HOLD_OVER : undefined;
}

/** Why the buyer may not pause, or undefined. `captureBefore`: when the provider lets the money go. */
export function refusesHold(order: OrderRecord, captureBefore: Instant | null, now: Instant): Refusal | undefined {
	const refusal = refusesResume(order, now);
	if (refusal !== undefined || order.status === 'OnHold') return refusal;
	if (now >= latestEnd(order, captureBefore, now)) return LAPSES;
	return order.pauses >= MOST_PAUSES ? PAUSED_OFTEN : undefined;
}

/** Why the buyer may not change the amount to this one, or undefined. */
export function refusesAmend(order: OrderRecord, { minor, currency }: Money, now: Instant): Refusal | undefined {
	const refusal = refusesResume(order, now);
	if (refusal !== undefined) return refusal;
	const { amount } = order;
	if (currency !== amount.currency) return invalidAmount(`The order is in ${amount.currency}.`);
	return minor > 0n && minor <= amount.minor
		? undefined
		: invalidAmount('Must be above 0 and below the present amount.');
}

/** Why the buyer may not cancel, or undefined. */
export function refusesCancel(order: OrderRecord, now: Instant): Refusal | undefined {
	if (order.status === 'PaymentFailed') return invalidState('The payment of this order has failed.');
	return order.status !== 'OnHold' && isOver(order, now) ? OVER : undefined;
}

/** How much of the window follows on a pause that began then. */
const restOf = ({ pendingUntil, cancellationWindow }: OrderRecord, heldAt: Instant): Duration =>
	Math.max(pendingUntil - heldAt, Math.min(SHORTEST_REST, cancellationWindow));

/**
 * When a pause that began then has to end, so that the rest of the window, which follows on it, is over an hour before the
 * provider lets the money go.
 */
export const latestEnd = (order: OrderRecord, captureBefore: Instant | null, heldAt: Instant): Instant =>
	captureBefore === null ? Number.POSITIVE_INFINITY : captureBefore - restOf(order, heldAt) - CAPTURE_MARGIN;

/** When the window of an order ends that is resumed now: the rest of it begins. */
export const resumedUntil = (order: OrderRecord, now: Instant): Instant =>
	now + restOf(order, order.heldAt ?? order.pendingUntil);
