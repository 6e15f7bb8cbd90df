import type { Attempt } from './attempts.ts';
import type { Instant } from './time.ts';

/** All events of an order, as its history and its consumers see them. */
export const EVENT_TYPES = [
	'OrderPending',
	'OrderHeld',
	'OrderResumed',
	'OrderCancelRequested',
	'OrderCancelled',
	'OrderConfirmed',
	'OrderShipped',
	'PaymentAuthorized',
	'PaymentDeclined',
	'PaymentCaptured',
	'PaymentVoided',
	'PaymentFailed',
	'PaymentActionRequired',
	'OrderAmended',
	'PaymentResolved',
	'RefundRequested',
	'RefundSucceeded',
	'RefundFailed',
] as const;

export type EventType = (typeof EVENT_TYPES)[number];

/**
 * Internal messages that ask a service to look at an order again. They have no `sequence` and no place in the
 * history: `OrderDue` at the end of the window, `HoldExpired` at the hold limit, `ShipmentDue` from the sweeper, `PaymentDue` when the
 * provider is to be asked now. `WebhookDue` asks to look at the deliveries to an endpoint.
 */
export const WAKE_UP_TYPES = ['OrderDue', 'HoldExpired', 'ShipmentDue', 'PaymentDue', 'WebhookDue'] as const;

export type WakeUpType = (typeof WAKE_UP_TYPES)[number];

export type MessageType = EventType | WakeUpType;

/** What an event carries beside its envelope; `version` is the version of this shape. */
export type EventData = Readonly<Record<string, string | number | null | readonly Attempt[]>> & { readonly version: 1 };

/** An event as the aggregate raised it; `id` is fixed from here on. */
export interface OrderEvent {
	readonly kind: 'event';
	/** UUID v7 */
	readonly id: string;
	readonly type: EventType;
	readonly orderId: string;
	/** 1, 2, 3 … within the order */
	readonly sequence: number;
	readonly occurredAt: Instant;
	readonly data: EventData;
}

/** An internal message for the moment `at`. */
export interface WakeUp {
	readonly kind: 'wake-up';
	/** UUID v7, of its own: a wake-up that is armed again gets a new one */
	readonly id: string;
	readonly type: WakeUpType;
	/** the order that is to be looked at; of `WebhookDue` the endpoint */
	readonly orderId: string;
	/** the moment it was armed for */
	readonly at: Instant;
}

export type Raised = OrderEvent | WakeUp;
