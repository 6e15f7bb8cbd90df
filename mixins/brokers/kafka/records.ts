import type { IHeaders, KafkaMessage, Message } from 'kafkajs';
import { v5, validate } from 'uuid';
import type { Instant } from '../../../domain/time.ts';
import type { CarrierMessage, DeadLetter } from '../carrier.ts';

/** A record and where it goes. */
export interface Outgoing {
	readonly topic: string;
	readonly record: Message;
}

/** A message as it was read from a record. */
export interface Carried {
	readonly id: string;
	readonly type: string;
	readonly key: string;
	readonly body: string;
	/** the moment it was asked for, by the database's clock */
	readonly deliverAt: Instant | null;
	/** the same by the broker's clock, or when a failed one is to come again; null for at once */
	readonly due: Instant | null;
	/** how often it has failed */
	readonly attempts: number;
	/** why it cannot be given to a consumer */
	readonly unreadable?: string;
}

const ID = 'ce_id';
const TYPE = 'ce_type';
const DELIVER_AT = 'deliver-at';
const DUE = 'due';
const ATTEMPTS = 'attempts';
const KEY = 'key';
const CONSUMER = 'consumer';
const ERROR = 'error';
/** CloudEvents' structured mode; its headers are those of the binary mode, for who wants to choose without parsing. */
const CONTENT = { 'content-type': 'application/cloudevents+json; charset=UTF-8' };
/** So much of an error is kept. */
const LONGEST_ERROR = 4_000;
/** Ids for what came without one: made of topic, partition and offset. */
const NAMELESS = '6f2f2b7c-5c1d-4d62-8f5e-6a3f0f3c9f5d';

export const fresh = ({ id, type, key, body, deliverAt }: CarrierMessage, due: Instant | null): Carried => ({
	id,
	type,
	key,
	body,
	deliverAt,
	due,
	attempts: 0,
});

export const toRecord = ({ id, type, key, body, deliverAt, due, attempts }: Carried): Message => ({
	key,
	value: body,
	headers: {
		...CONTENT,
		[ID]: id,
		[TYPE]: type,
		...(deliverAt === null ? {} : { [DELIVER_AT]: String(deliverAt) }),
		...(due === null ? {} : { [DUE]: String(due) }),
		...(attempts === 0 ? {} : { [ATTEMPTS]: String(attempts) }),
	},
});

/** Reads a record of ours; one that is not is `unreadable`, under an id made of the place where it was found. */
export function toCarried(record: KafkaMessage, place: string): Carried {
	const headers = record.headers ?? {};
	const id = text(headers, ID);
	const key = record.key?.toString() ?? '';
	const carried = {
		id: validate(id) ? id : v5(`${place}/${record.offset}`, NAMELESS),
		type: text(headers, TYPE),
		key,
		body: record.value?.toString() ?? '',
		deliverAt: moment(headers, DELIVER_AT),
		due: moment(headers, DUE),
		attempts: moment(headers, ATTEMPTS) ?? 0,
	};
	if (record.value === null) return { ...carried, unreadable: 'unreadable: a record without a value' };
	if (!validate(id)) return { ...carried, unreadable: `unreadable: its header ${ID} is no UUID` };
	if (!validate(key)) return { ...carried, unreadable: 'unreadable: its key is no UUID' };
	return carried;
}

/** What tells a record from another one at the same offset, in a topic that was made anew. */
export const identityOf = (record: KafkaMessage): string => `${record.timestamp} ${text(record.headers ?? {}, ID)}`;

/** A dead letter, and what it is kept under. */
export interface Letter extends DeadLetter, Carried {
	readonly kept: string;
}

/**
 * The letter of a message that was read at `place`. It is kept under that place too: a message that was delivered
 * again may die again before the tombstone for its first letter is written, which must not take away the second.
 */
export function toLetterRecord(message: Carried, consumer: string, error: string, place: string): Message {
	const { value, headers } = toRecord({ ...message, due: null });
	return {
		key: `${consumer}/${message.id}/${place}`,
		value,
		headers: { ...headers, [KEY]: message.key, [CONSUMER]: consumer, [ERROR]: error.slice(0, LONGEST_ERROR) },
	};
}

/** What makes a letter vanish: a tombstone, which compaction removes with it. */
export const toTombstone = ({ kept }: Letter): Message => ({ key: kept, value: null });

/** The letter of a record; only what it is kept under, where the record is a tombstone. */
export function toLetter(record: KafkaMessage): Letter | Pick<Letter, 'kept'> {
	const kept = record.key?.toString() ?? '';
	const headers = record.headers ?? {};
	const consumer = text(headers, CONSUMER);
	if (record.value === null || consumer === '') return { kept };
	return {
		kept,
		id: text(headers, ID),
		consumer,
		type: text(headers, TYPE),
		key: text(headers, KEY),
		body: record.value.toString(),
		attempts: moment(headers, ATTEMPTS) ?? 0,
		error: text(headers, ERROR),
		failedAt: Number(record.timestamp),
		deliverAt: moment(headers, DELIVER_AT),
		due: null,
	};
}

function text(headers: IHeaders, name: string): string {
	const value = headers[name];
	return value === undefined ? '' : String(Array.isArray(value) ? value[0] : value);
}

function moment(headers: IHeaders, name: string): number | null {
	const number = Number(text(headers, name) || Number.NaN);
	return Number.isFinite(number) ? number : null;
}
