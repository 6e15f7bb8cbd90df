import { EVENT_TYPES, type MessageType, WAKE_UP_TYPES } from '../domain/events.ts';
import type { Duration } from '../domain/time.ts';
import type { Topology } from '../mixins/brokers/index.ts';

/**
 * Which messages each consumer group takes. The deadlines have a group of their own, so that a slow provider never
 * delays the end of a window.
 */
export const CONSUMERS = {
	deadlines: ['OrderDue', 'HoldExpired'],
	settlement: ['OrderPending', 'OrderConfirmed', 'OrderCancelRequested', 'RefundRequested', 'PaymentDue'],
	shipping: ['PaymentCaptured', 'ShipmentDue'],
	webhooks: [...EVENT_TYPES, 'WebhookDue'],
} as const satisfies Record<string, readonly MessageType[]>;

/** The same for the carrier, with the events that only others listen to. */
export const TOPOLOGY: Topology = {
	consumers: CONSUMERS,
	types: [...EVENT_TYPES, ...WAKE_UP_TYPES],
	// Most systems have no endpoint, and would store and delete each event once more for nobody.
	wanted: { webhooks: 'SELECT FROM webhook_subscriptions' },
};

/** Steps that cost a transaction for whatever there is, and whose lateness hardly matters, wait this long for more. */
export const LINGER: Duration = 5;

/**
 * The payment provider and the parcel service are asked up to so much later. At 100 orders a second that saves half of
 * all transactions, and leaves the processors to buyers and to the ends of windows, which do not wait.
 */
export const GATHER: Duration = 40;
