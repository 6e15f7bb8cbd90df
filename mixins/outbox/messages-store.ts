import type { OrderEvent, Raised } from '../../domain/events.ts';
import type { Instant } from '../../domain/time.ts';
import { type CarrierMessage, toEnvelope } from '../brokers/index.ts';
import { EVENT, inserting, plainArray, type Statement, type Transaction } from '../database/index.ts';

/** Something raised, with the trace of what caused it (W3C Trace Context). */
export interface Traced<T extends Raised> {
	readonly message: T;
	readonly traceparent: string | null;
}

const eventsInserted = inserting('insert-events', 'order_events', { ...EVENT, traceparent: 'word' });

/** Every event is stored here once, for ever. */
export const insertEvents = (events: readonly Traced<OrderEvent>[]): Statement =>
	eventsInserted(
		events.map(({ message, traceparent }) => ({ ...message, data: JSON.stringify(message.data), traceparent })),
	);

const outboxInserted = inserting('insert-outbox', 'outbox_messages', {
	messageId: 'uuid',
	type: 'word',
	orderId: 'uuid',
	sequence: 'int',
	deliverAt: 'moment',
	sentAt: 'moment',
});

/** `sentAt`: null for a message that the relay has to send. */
export const insertOutbox = (messages: readonly Raised[], sentAt: (message: Raised) => Instant | null): Statement =>
	outboxInserted(
		messages.map((message) => ({
			messageId: message.id,
			type: message.type,
			orderId: message.orderId,
			sequence: message.kind === 'event' ? message.sequence : null,
			deliverAt: message.kind === 'wake-up' ? message.at : null,
			sentAt: sentAt(message),
		})),
	);

/** What the relay would send of it. */
export function toMessage(message: Raised, traceparent: string | null, now: Instant): CarrierMessage {
	const { id, type, orderId } = message;
	const of = { id, type, order_id: orderId };
	if (message.kind === 'wake-up') {
		const { at } = message;
		const body = toEnvelope({
			...of,
			sequence: null,
			occurred_at: null,
			data: null,
			traceparent: null,
			deliver_at: at,
		});
		return { id, type, key: orderId, body, deliverAt: at, delay: Math.max(0, at - now) };
	}
	const { sequence, occurredAt, data } = message;
	const body = toEnvelope({
		...of,
		sequence,
		occurred_at: occurredAt,
		data: JSON.stringify(data),
		traceparent,
		deliver_at: null,
	});
	return { id, type, key: orderId, body, deliverAt: null, delay: 0 };
}

/** Records messages as handled by a consumer; returns the ids that were not recorded yet. */
export async function insertInbox(
	tx: Transaction,
	consumer: string,
	messages: readonly { readonly id: string; readonly key: string }[],
): Promise<Set<string>> {
	const sorted = [...messages].sort((a, b) => (a.id < b.id ? -1 : 1));
	const rows = await tx.query<{ message_id: string }>({
		name: 'insert-inbox',
		text: `INSERT INTO inbox_messages (consumer, message_id, order_id)
			SELECT $1, message_id, order_id FROM unnest($2::uuid[], $3::uuid[]) AS m (message_id, order_id)
			ON CONFLICT DO NOTHING RETURNING message_id`,
		values: [consumer, plainArray(sorted.map(({ id }) => id)), plainArray(sorted.map(({ key }) => key))],
	});
	return new Set(rows.map(({ message_id }) => message_id));
}
