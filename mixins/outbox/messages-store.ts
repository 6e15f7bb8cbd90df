import type { OrderEvent, Raised } from '../../domain/events.ts';
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
});

export const insertOutbox = (messages: readonly Raised[]): Statement =>
	outboxInserted(
		messages.map((message) => ({
			messageId: message.id,
			type: message.type,
			orderId: message.orderId,
			sequence: message.kind === 'event' ? message.sequence : null,
			deliverAt: message.kind === 'wake-up' ? message.at : null,
		})),
	);

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
