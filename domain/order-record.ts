import type { Money } from './money.ts';
import type { Duration, Instant } from './time.ts';

export const ORDER_STATUSES = [
	'Pending',
	'OnHold',
	'CancelRequested',
	'Cancelled',
	'Confirmed',
	'Shipped',
	'PaymentFailed',
] as const;

export type OrderStatus = (typeof ORDER_STATUSES)[number];

export interface PlaceOrder {
	readonly owner: string;
	readonly productName: string;
	readonly amount: Money;
	readonly paymentMethod: string;
	readonly cancellationWindow: Duration;
}

/** What is stored of an order itself; immutable. */
export interface OrderRecord {
	/** UUID v7 */
	readonly id: string;
	/** the caller who placed it */
	readonly owner: string;
	readonly productName: string;
	/** the present amount: the buyer may have lowered it */
	readonly amount: Money;
	/** the provider's token for the buyer's card */
	readonly paymentMethod: string;
	readonly cancellationWindow: Duration;
	readonly status: OrderStatus;
	readonly createdAt: Instant;
	/** the end of the window; while on hold, the interrupted one */
	readonly pendingUntil: Instant;
	/** the begin of the present pause */
	readonly heldAt: Instant | null;
	/** the hold limit, fixed at the first pause */
	readonly holdExpiresAt: Instant | null;
	/** how often it has been paused */
	readonly pauses: number;
	readonly confirmedAt: Instant | null;
	readonly cancelledAt: Instant | null;
	readonly shippedAt: Instant | null;
	readonly failedAt: Instant | null;
	readonly failureReason: string | null;
	/** the sequence of the last event */
	readonly sequence: number;
	/** when the sweeper looks at it; null once nothing more can happen */
	readonly sweepAt: Instant | null;
	/** how often the sweeper has found it since its last change */
	readonly sweeps: number;
}

/** A new order, `Pending` from now on, before its first event. */
export const newRecord = (command: PlaceOrder, id: string, now: Instant): OrderRecord => ({
	...command,
	id,
	status: 'Pending',
	createdAt: now,
	pendingUntil: now + command.cancellationWindow,
	heldAt: null,
	holdExpiresAt: null,
	pauses: 0,
	confirmedAt: null,
	cancelledAt: null,
	shippedAt: null,
	failedAt: null,
	failureReason: null,
	sequence: 0,
	sweepAt: now,
	sweeps: 0,
});
