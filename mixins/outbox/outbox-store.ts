/** The relay's statements. */
import { type Duration, SECOND } from '../../domain/time.ts';
import type { Envelope } from '../brokers/index.ts';
import { instant, plainArray, type Statement, storable, textArray } from '../database/index.ts';

/** How long a lease lasts. After that, the messages of a dead relay are free again. */
const LEASE: Duration = 30 * SECOND;

/** How the relay finds a row again. Its position alone is not unique if the sequence has started again. */
export interface Found {
	readonly position: bigint;
	readonly id: string;
}

export interface OutboxRow extends Envelope, Found {
	/** the row's place in the table, for the transaction that has locked it */
	readonly place?: string;
	readonly attempts: number;
	/** milliseconds from the look until `deliver_at` */
	readonly delay: Duration;
}

/**
 * How a row is found: an unsent one by its position, which is indexed; a row of this transaction by its place in the
 * table.
 */
export type Where = typeof UNSENT | typeof OWN;

export const OWN = 'm.ctid = f.place';
export const UNSENT = `m.ctid = (SELECT ctid FROM outbox_messages u
	WHERE u.sent_at IS NULL AND u.position = f.position AND u.message_id = f.id LIMIT 1)`;

const AVAILABLE = 'sent_at IS NULL AND available_at <= statement_timestamp()';

const ENVELOPED = `m.position, m.message_id AS id, m.type, m.order_id, m.sequence, m.attempts, e.data, e.traceparent,
		${instant('m.deliver_at', 'deliver_at')}, ${instant('e.occurred_at', 'occurred_at')},
		coalesce(greatest(0, extract(epoch FROM m.deliver_at - clock_timestamp()) * 1000), 0)::float8 AS delay`;

const WITH_EVENTS = 'AS m LEFT JOIN order_events e ON e.order_id = m.order_id AND e.sequence = m.sequence';

const OLDEST = `SELECT ctid FROM outbox_messages WHERE ${AVAILABLE} AND position >= $1 ORDER BY position LIMIT $2
	FOR UPDATE SKIP LOCKED`;

/** The last position that was given to a row; null if this user may not read it. */
const LAST = `SELECT last_value FROM pg_sequences
	WHERE schemaname = current_schema() AND sequencename = 'outbox_messages_position_seq'`;

export const END: Statement = {
	name: 'outbox-end',
	text: `SELECT (${LAST}) AS position`,
	values: [],
};

export interface Glance {
	/** something from there on can be sent, unless another relay sends it at the moment */
	readonly waits: boolean;
	/** the last position that was given to a row; null if this user may not read it */
	readonly end: bigint | null;
}

/** Looks from a position on, and takes nothing. */
export const glance = (from: bigint): Statement => ({
	name: 'glance-at-outbox',
	text: `SELECT EXISTS (SELECT FROM outbox_messages WHERE ${AVAILABLE} AND position >= $1) AS waits, (${LAST}) AS end`,
	values: [from],
});

export const firstBefore = (position: bigint): Statement => ({
	name: 'first-before',
	text: `SELECT position FROM outbox_messages WHERE ${AVAILABLE} AND position < $1 ORDER BY position LIMIT 1
		FOR UPDATE SKIP LOCKED`,
	values: [position],
});

const THESE = `SELECT ctid FROM outbox_messages WHERE sent_at IS NULL AND position = ANY($1::bigint[])
	FOR UPDATE SKIP LOCKED`;

/** Claims rows and marks them as sent, which holds if the transaction does. */
const taken = (rows: string): string => `WITH taken AS (
		UPDATE outbox_messages SET sent_at = statement_timestamp() WHERE ctid = ANY (ARRAY(${rows}))
		RETURNING ctid::text AS place, *)
	SELECT m.place, ${ENVELOPED} FROM taken ${WITH_EVENTS} ORDER BY m.position`;

export const take = (from: bigint, most: number): Statement => ({
	name: 'take-outbox',
	text: taken(OLDEST),
	values: [from, most],
});

export const takeThese = (positions: readonly bigint[]): Statement => ({
	name: 'take-these',
	text: taken(THESE),
	values: [plainArray(positions)],
});

/** Claims rows for a while (a lease), so that other relays skip them. */
export const lease = (from: bigint, most: number): Statement => ({
	name: 'lease-outbox',
	text: `WITH leased AS (
			UPDATE outbox_messages SET available_at = statement_timestamp() + $3::float8 * interval '1 millisecond'
			WHERE ctid = ANY (ARRAY(${OLDEST})) RETURNING *)
		SELECT ${ENVELOPED} FROM leased ${WITH_EVENTS} ORDER BY m.position`,
	values: [from, most, LEASE],
});

export const peek = (from: bigint, most: number): Statement => ({
	name: 'peek-outbox',
	text: `SELECT position, message_id AS id FROM outbox_messages WHERE ${AVAILABLE} AND position >= $1
		ORDER BY position LIMIT $2`,
	values: [from, most],
});

export const markSent = (rows: readonly Found[]): Statement => ({
	name: 'mark-sent',
	text: `UPDATE outbox_messages m SET sent_at = statement_timestamp()
		FROM unnest($1::bigint[], $2::uuid[]) AS s (position, id)
		WHERE m.sent_at IS NULL AND m.position = s.position AND m.message_id = s.id`,
	values: [plainArray(rows.map(({ position }) => position)), plainArray(rows.map(({ id }) => id))],
});

export interface Postponed extends Found {
	/** null for a row that is found by its position */
	readonly place: string | null;
	readonly error: string;
	readonly delay: Duration;
}

export const postponeThese = (where: Where, rows: readonly Postponed[]): Statement => ({
	name: where === UNSENT ? 'postpone-unsent' : 'postpone-own',
	text: `UPDATE outbox_messages m SET sent_at = NULL, attempts = m.attempts + 1, last_error = left(f.error, 1000),
			available_at = statement_timestamp() + f.delay * interval '1 millisecond'
		FROM unnest($1::bigint[], $2::uuid[], $3::tid[], $4::text[], $5::float8[]) AS f (position, id, place, error, delay)
		WHERE ${where}`,
	values: [
		plainArray(rows.map(({ position }) => position)),
		plainArray(rows.map(({ id }) => id)),
		textArray(rows.map(({ place }) => place)),
		textArray(rows.map(({ error }) => storable(error))),
		plainArray(rows.map(({ delay }) => delay)),
	],
});
