import type { OrderEvent, Raised } from '../../domain/events.ts';
import { instants, joinedTexts, plainArray, type Statement, splitTexts, type Transaction } from '../database/index.ts';

/** Something raised, with the trace of what caused it (W3C Trace Context). */
export interface Traced<T extends Raised> {
	readonly message: T;
	readonly traceparent: string | null;
}

/** Events stand once, here, for ever. */
export function insertEvents(events: readonly Traced<OrderEvent>[]): Statement {
	return {
		name: 'insert-events',
		text: `INSERT INTO order_events (order_id, sequence, id, type, occurred_at, data, traceparent)
			SELECT order_id, sequence, id, type, to_timestamp(occurred_at), data, traceparent
			FROM unnest($1::uuid[], $2::int[], $3::uuid[], $4::text[], $5::float8[], ${splitTexts('$6')}::json[], $7::text[])
				AS e (order_id, sequence, id, type, occurred_at, data, traceparent)`,
		values: [
			plainArray(events.map(({ message }) => message.orderId)),
			plainArray(events.map(({ message }) => message.sequence)),
			plainArray(events.map(({ message }) => message.id)),
			plainArray(events.map(({ message }) => message.type)),
			instants(events.map(({ message }) => message.occurredAt)),
			joinedTexts(events.map(({ message }) => JSON.stringify(message.data))),
			plainArray(events.map(({ traceparent }) => traceparent)),
		],
	};
}

export function insertOutbox(messages: readonly Raised[]): Statement {
	return {
		name: 'insert-outbox',
		text: `INSERT INTO outbox_messages (message_id, type, order_id, sequence, deliver_at)
			SELECT message_id, type, order_id, sequence, to_timestamp(deliver_at)
			FROM unnest($1::uuid[], $2::text[], $3::uuid[], $4::int[], $5::float8[])
				AS m (message_id, type, order_id, sequence, deliver_at)`,
		values: [
			plainArray(messages.map(({ id }) => id)),
			plainArray(messages.map(({ type }) => type)),
			plainArray(messages.map(({ orderId }) => orderId)),
			plainArray(messages.map((message) => (message.kind === 'event' ? message.sequence : null))),
			instants(messages.map((message) => (message.kind === 'wake-up' ? message.at : null))),
		],
	};
}

/** Records messages as handled by a consumer; answers the ids that were not recorded yet. */
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
