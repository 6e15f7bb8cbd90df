import type { Instant } from '../../../domain/time.ts';

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

/** The field of a stream's entry that holds the message. */
export const FIELD = 'message';

const UUID = /^[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}$/;

/** A line of JSON with all but the body, then the body as it is: JSON within JSON would have to be escaped. */
export const encode = ({ id, type, key, deliverAt, attempts, body }: StoredMessage): string =>
	`${JSON.stringify([id, type, key, deliverAt, attempts])}\n${body}`;

/** Throws a reason if this is no message of ours: anybody may write to a stream. */
export function decode(text: string): StoredMessage {
	const end = text.indexOf('\n');
	if (end < 0) throw new Error('no header');
	const header: unknown = JSON.parse(text.slice(0, end));
	if (!Array.isArray(header) || header.length !== 5) throw new Error('a header of another shape');
	const [id, type, key, deliverAt, attempts]: readonly unknown[] = header;
	if (!isUuid(id)) throw new Error('the id is not a UUID');
	if (typeof type !== 'string') throw new Error('no type');
	if (!isUuid(key)) throw new Error('the key is not a UUID');
	if (deliverAt !== null && !isNumber(deliverAt)) throw new Error('the moment is not a number of milliseconds');
	if (!isNumber(attempts) || attempts < 0) throw new Error('no count of attempts');
	return { id, type, key, deliverAt, attempts, body: text.slice(end + 1) };
}

const isUuid = (value: unknown): value is string => typeof value === 'string' && UUID.test(value);
const isNumber = (value: unknown): value is number => Number.isFinite(value);
