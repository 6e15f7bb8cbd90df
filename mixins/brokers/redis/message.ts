import { v5 } from 'uuid';
import type { Instant } from '../../../domain/time.ts';
import { errorMessage, isUuid } from '../../runtime/index.ts';
import { type Delivery, LONGEST_BODY } from '../carrier.ts';

/** A message as Redis keeps it; payload and timer are one value, in a stream and in a sorted set alike. */
export interface StoredMessage {
	readonly id: string;
	readonly type: string;
	readonly key: string;
	readonly deliverAt: Instant | null;
	/** how often its group has failed with it */
	readonly attempts: number;
	readonly body: string;
}

/**
 * Redis's reply for a stream's entry; without fields if it was deleted while it was being handled. Of one that was
 * taken over: how often it was delivered, the last time included.
 */
export type RawEntry = readonly [id: string, fields: readonly string[] | null, deliveries?: number];

/** An entry of a stream, and what its group's handler gets. */
export interface Entry {
	readonly id: string;
	readonly text: string;
	readonly delivery: Delivery;
}

/** After this many consumers have died with a message, no other gets it. */
export const MOST_DELIVERIES = 100;

/** The field of a stream's entry that holds the message. */
export const FIELD = 'message';

/** A line of JSON with all but the body, then the body as it is: JSON within JSON would have to be escaped. */
export const encode = ({ id, type, key, deliverAt, attempts, body }: StoredMessage): string =>
	`${JSON.stringify([id, type, key, deliverAt, attempts])}\n${body}`;

/** Throws a reason if this is no message of ours: other programs may write to the stream. */
export function decode(text: string): StoredMessage {
	const end = text.indexOf('\n');
	if (end < 0) throw new Error('no header');
	const header: unknown = JSON.parse(text.slice(0, end));
	if (!Array.isArray(header) || header.length !== 5) throw new Error('a header of another shape');
	const [id, type, key, deliverAt, attempts]: readonly unknown[] = header;
	if (typeof id !== 'string' || !isUuid(id)) throw new Error('the id is not a UUID');
	if (typeof type !== 'string') throw new Error('no type');
	if (typeof key !== 'string' || !isUuid(key)) throw new Error('the key is not a UUID');
	if (deliverAt !== null && !isNumber(deliverAt)) throw new Error('the moment is not a number of milliseconds');
	if (!isNumber(attempts) || attempts < 0) throw new Error('no count of attempts');
	return { id, type, key, deliverAt, attempts, body: text.slice(end + 1) };
}

/** The entry of a group that takes these types; undefined if there is nothing in it any more. */
export function toEntry(
	stream: string,
	types: readonly string[],
	[id, fields, deliveries = 1]: RawEntry,
): Entry | undefined {
	if (fields === null) return undefined;
	const text = messageOf(fields) ?? JSON.stringify(fields);
	try {
		const { attempts, ...message } = decode(text);
		const delivery = { ...message, attempt: attempts + 1 };
		const unreadable = !types.includes(message.type)
			? `not understood: nobody here takes the type ${message.type}`
			: deliveries > MOST_DELIVERIES
				? `delivered ${MOST_DELIVERIES} times without an answer`
				: undefined;
		return { id, text, delivery: unreadable === undefined ? delivery : { ...delivery, unreadable } };
	} catch (error) {
		const body = text.slice(0, LONGEST_BODY);
		const unreadable = `not understood: ${errorMessage(error)}`;
		const name = v5(`${stream} ${id}`, v5.URL); // the same at each delivery
		return { id, text, delivery: { id: name, type: '', key: '', body, deliverAt: null, attempt: 1, unreadable } };
	}
}

/** What is to come again after this entry's delivery has failed. */
export const afterFailure = ({ text, delivery }: Entry): string =>
	delivery.unreadable === undefined ? encode({ ...delivery, attempts: delivery.attempt }) : text;

function messageOf(fields: readonly string[]): string | undefined {
	const place = fields.findIndex((name, index) => index % 2 === 0 && name === FIELD);
	return place < 0 ? undefined : fields[place + 1];
}

const isNumber = (value: unknown): value is number => Number.isFinite(value);
