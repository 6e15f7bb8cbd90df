/** The statements of the PostgreSQL carrier. */
import type { Duration, Instant } from '../../../domain/time.ts';
import { instants, joinedTexts, plainArray, type Statement, splitTexts, textArray } from '../../database/index.ts';
import { type CarrierMessage, retryDelay, type Topology } from '../carrier.ts';

/** `deliver_at` as PostgreSQL writes it: more exact than milliseconds; it is never calculated with here. */
export type Place = string;

export interface Row {
	readonly deliver_at: Place;
	readonly id: string;
	readonly type: string;
	readonly key: string;
	readonly body: string;
	readonly due_at: Instant | null;
	readonly attempts: number;
}

/** A look at a group's messages: what was taken, or one line of nulls, each with what is known of the rest. */
export type Look = { [Name in keyof Row]: Row[Name] | null } & {
	/** milliseconds until the next message is due; null if there is none */
	readonly left: Duration | null;
	/** a message that is due is in other hands; only of use where nothing was taken */
	readonly busy: boolean;
	/** the moment of the look */
	readonly place: Place;
};

export type Peek = Pick<Look, 'left' | 'place'>;

/** Takes what is due from `from` on, and says when the next message is. */
export const takeMessages = (consumer: string, most: number, from: Place): Statement => ({
	name: 'take-messages',
	text: `WITH taken AS (DELETE FROM carrier_messages WHERE ctid = ANY (ARRAY(
			SELECT ctid FROM carrier_messages
			WHERE consumer = $1 AND deliver_at BETWEEN $3::timestamptz AND statement_timestamp()
			ORDER BY deliver_at, position LIMIT $2 FOR UPDATE SKIP LOCKED))
		RETURNING deliver_at, position, id, type, key, body, due_at, attempts)
		SELECT t.deliver_at::text, t.id, t.type, t.key, t.body, t.due_at, t.attempts, rest.*
		FROM (SELECT (date_part('epoch', (SELECT min(deliver_at) FROM carrier_messages
				WHERE consumer = $1 AND deliver_at > statement_timestamp()) - clock_timestamp()) * 1000) AS left,
			EXISTS (SELECT FROM carrier_messages WHERE consumer = $1
				AND deliver_at BETWEEN $3::timestamptz AND statement_timestamp()) AS busy,
			statement_timestamp()::text AS place) AS rest
		LEFT JOIN taken t ON true ORDER BY t.deliver_at, t.position`,
	values: [consumer, most, from],
});

/** Looks at what lies from `from` on, and takes nothing. `left` is not above zero where a message is due. */
export const peekAtMessages = (consumer: string, from: Place): Statement => ({
	name: 'peek-at-messages',
	text: `SELECT (date_part('epoch', (SELECT min(deliver_at) FROM carrier_messages
			WHERE consumer = $1 AND deliver_at >= $2::timestamptz) - statement_timestamp()) * 1000) AS left,
		statement_timestamp()::text AS place`,
	values: [consumer, from],
});

/** The first due message before `place` that nobody holds. */
export const firstDueBefore = (consumer: string, place: Place): Statement => ({
	name: 'first-due-before',
	text: `SELECT deliver_at::text AS place FROM carrier_messages WHERE consumer = $1 AND deliver_at < $2::timestamptz
		ORDER BY deliver_at LIMIT 1 FOR UPDATE SKIP LOCKED`,
	values: [consumer, place],
});

/** A statement that stores messages for groups, but for those that want none at present. */
export function insertMessages({ wanted = {} }: Topology) {
	const asked = Object.entries(wanted).map(([group, query]) => `AND (consumer <> '${group}' OR EXISTS (${query}))`);
	const text = `INSERT INTO carrier_messages (consumer, deliver_at, id, type, key, due_at, body)
		SELECT consumer, greatest(to_timestamp(due_at), statement_timestamp()), id, type, key, to_timestamp(due_at), body
		FROM unnest($1::text[], $2::uuid[], $3::text[], $4::uuid[], $5::float8[], ${splitTexts('$6')})
			AS m (consumer, id, type, key, due_at, body) WHERE true ${asked.join(' ')}`;
	return (rows: readonly { group: string; message: CarrierMessage }[]): Statement => ({
		name: 'insert-messages',
		text,
		values: [
			plainArray(rows.map(({ group }) => group)),
			plainArray(rows.map(({ message }) => message.id)),
			plainArray(rows.map(({ message }) => message.type)),
			plainArray(rows.map(({ message }) => message.key)),
			instants(rows.map(({ message }) => message.deliverAt)),
			joinedTexts(rows.map(({ message }) => message.body)),
		],
	});
}

/** Whether a group has something to do at present; `query` finds a row then. */
export const isWanted = (group: string, query: string): Statement => ({
	name: `wanted-${group}`,
	text: `SELECT EXISTS (${query}) AS wanted`,
	values: [],
});

export const retryMessages = (consumer: string, rows: readonly Row[]): Statement => ({
	name: 'retry-messages',
	text: `INSERT INTO carrier_messages (consumer, deliver_at, id, type, key, due_at, body, attempts)
		SELECT $1, statement_timestamp() + delay * interval '1 millisecond', id, type, key, to_timestamp(due_at), body, attempts
		FROM unnest($2::uuid[], $3::text[], $4::uuid[], $5::float8[], $6::text[], $7::int[], $8::float8[])
			AS m (id, type, key, due_at, body, attempts, delay)`,
	values: [
		consumer,
		plainArray(rows.map(({ id }) => id)),
		textArray(rows.map(({ type }) => type)),
		plainArray(rows.map(({ key }) => key)),
		instants(rows.map(({ due_at }) => due_at)),
		textArray(rows.map(({ body }) => body)),
		plainArray(rows.map(({ attempts }) => attempts + 1)),
		plainArray(rows.map(({ attempts }) => retryDelay(attempts + 1))),
	],
});
