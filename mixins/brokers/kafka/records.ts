import type { IHeaders, KafkaMessage, Message } from 'kafkajs';
import { v5 } from 'uuid';
import type { Instant } from '../../../domain/time.ts';
import { isUuid } from '../../runtime/index.ts';
import { type CarrierMessage, type Delivery, LONGEST_BODY } from '../carrier.ts';

/** A record and where it goes. */
export interface Outgoing {
	readonly topic: string;
	readonly record: Message;
}

/** A message as it was read from a record, or will be written to one. */
export interface Carried {
	readonly id: string;
	readonly type: string;
	readonly key: string;
	readonly body: string;
	/** the moment it was asked for; null for at once */
	readonly deliverAt: Instant | null;
	/** the same, or the moment when a failed one is to come again; null on a topic for what comes at once */
	readonly due: Instant | null;
	/** when its rung lets it go; null where it is on none, or where the release before this one wrote it */
	readonly release: Instant | null;
	/** how often it has failed */
	readonly attempts: number;
	/** why it is none of our messages */
	readonly unreadable?: string;
}

const ID = 'ce_id';
const TYPE = 'ce_type';
const DELIVER_AT = 'deliver-at';
const DUE = 'due';
const RELEASE = 'release';
const ATTEMPTS = 'attempts';
const UNREADABLE = 'unreadable';
/**
 * CloudEvents' structured mode; its headers are those of the binary mode, so that readers can filter without parsing.
 */
const CONTENT = { 'content-type': 'application/cloudevents+json; charset=UTF-8' };
/** Ids for what came without one: made of topic, partition and offset. */
const NAMELESS = '6f2f2b7c-5c1d-4d62-8f5e-6a3f0f3c9f5d';
/** How much is kept of the type and the key of a message that is not ours. */
const LONGEST_NAME = 200;

export const fresh = ({ id, type, key, body, deliverAt }: CarrierMessage, due: Instant | null): Carried => ({
	id,
	type,
	key,
	body,
	deliverAt,
	due,
	release: null,
	attempts: 0,
});

export const toRecord = ({ key, body, ...message }: Carried): Message => ({
	key,
	value: body,
	headers: {
		...CONTENT,
		[ID]: message.id,
		[TYPE]: message.type,
		...(message.deliverAt === null ? {} : { [DELIVER_AT]: String(message.deliverAt) }),
		...(message.due === null ? {} : { [DUE]: String(message.due) }),
		...(message.release === null ? {} : { [RELEASE]: String(message.release) }),
		...(message.attempts === 0 ? {} : { [ATTEMPTS]: String(message.attempts) }),
		...(message.unreadable === undefined ? {} : { [UNREADABLE]: message.unreadable }),
	},
});

/** Reads a record; `place` names where it was found. */
export function toCarried(record: KafkaMessage, place: string): Carried {
	const headers = record.headers ?? {};
	const attempts = Math.max(0, Math.trunc(number(headers, ATTEMPTS) ?? 0));
	const deliverAt = number(headers, DELIVER_AT);
	const due = number(headers, DUE);
	const id = text(headers, ID);
	const carried: Carried = {
		id: isUuid(id) ? id : v5(`${place}/${record.offset}`, NAMELESS),
		type: text(headers, TYPE),
		key: record.key?.toString() ?? '',
		body: record.value?.toString() ?? '',
		deliverAt,
		// The release before this one wrote it by the broker's clock.
		due: due !== null && attempts === 0 ? (deliverAt ?? due) : due,
		release: number(headers, RELEASE),
		attempts,
	};
	const why = text(headers, UNREADABLE) || whyUnreadable(record, id, carried.key);
	return why === undefined ? carried : unreadable(carried, why);
}

/** A message that nobody can handle, cut to what may be kept of it. It is given to the handler at once. */
export const unreadable = (message: Carried, why: string): Carried => ({
	...message,
	type: message.type.slice(0, LONGEST_NAME),
	key: message.key.slice(0, LONGEST_NAME),
	body: message.body.slice(0, LONGEST_BODY),
	due: message.attempts === 0 ? null : message.due,
	unreadable: why.slice(0, LONGEST_NAME),
});

export const toDelivery = ({ id, type, key, body, deliverAt, attempts, ...message }: Carried): Delivery => ({
	id,
	type,
	key,
	body,
	deliverAt,
	attempt: attempts + 1,
	...(message.unreadable === undefined ? {} : { unreadable: message.unreadable }),
});

function whyUnreadable(record: KafkaMessage, id: string, key: string): string | undefined {
	if (record.value === null) return 'unreadable: a record without a value';
	if (!isUuid(id)) return `unreadable: its header ${ID} is no UUID`;
	if (!isUuid(key)) return 'unreadable: its key is no UUID';
	// What is as large as a topic takes could not be sent on with one header more.
	const size = record.value.length;
	return size > LONGEST_BODY ? `unreadable: ${size} bytes, at most ${LONGEST_BODY}` : undefined;
}

function text(headers: IHeaders, name: string): string {
	const value = headers[name];
	return value === undefined ? '' : String(Array.isArray(value) ? value[0] : value);
}

function number(headers: IHeaders, name: string): number | null {
	const value = Number(text(headers, name) || Number.NaN);
	return Number.isFinite(value) ? value : null;
}
