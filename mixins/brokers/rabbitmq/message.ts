import { Buffer } from 'node:buffer';
import type { Message, Options } from 'amqplib';
import { v5 } from 'uuid';
import type { Duration, Instant } from '../../../domain/time.ts';
import { isUuid } from '../../runtime/index.ts';
import { type CarrierMessage, type Delivery, LONGEST_BODY } from '../carrier.ts';
import { MOST_DELIVERIES, type Names } from './topology.ts';

/** Headers have to fit into one frame. */
const LONGEST_REASON = 2_000;
const LONGEST_KEY = 255;
/** The most bytes of a property such as the type. */
const LONGEST_PROPERTY = 255;
/** The most bytes that UTF-8 needs for a UTF-16 unit. What was not UTF-8 gets longer when it is read and written again. */
const WIDEST = 3;

/** How often the queue has delivered a message in vain; its own header. */
const DELIVERIES = 'x-delivery-count';
/** Our headers; all others belong to the broker. */
const KEY = 'key';
const DELIVER_AT = 'deliver-at';
const FAILURES = 'failures';
const REST = 'rest';
const UNREADABLE = 'unreadable';
/** What the release before wrote on its own dead letters: the group, and why. */
const CONSUMER = 'consumer';
const ERROR = 'error';

/** What a message is on the wire. */
export interface Packet {
	readonly content: Buffer;
	readonly options: Options.Publish;
}

export function toPacket(message: CarrierMessage, rest: Duration): Packet {
	return packet(message, { [DELIVER_AT]: message.deliverAt, [REST]: Math.ceil(rest) });
}

/** The same message once more after a failure, with the count of its failures. */
export function toRetry(delivery: Delivery, rest: Duration): Packet {
	const { deliverAt, attempt, unreadable } = delivery;
	const mark = unreadable === undefined ? {} : { [UNREADABLE]: unreadable };
	return packet(delivery, { [DELIVER_AT]: deliverAt, [FAILURES]: attempt, [REST]: Math.ceil(rest), ...mark });
}

function packet(
	{ id, type, key, body }: { id: string; type: string; key: string; body: string },
	headers: Readonly<Record<string, unknown>>,
): Packet {
	return {
		content: Buffer.from(body),
		options: {
			messageId: id,
			type: short(type),
			contentType: 'application/cloudevents+json; charset=utf-8',
			headers: { [KEY]: key, ...headers },
		},
	};
}

/** A message from the dead queue that goes back to its group, marked as unreadable. */
export function toUnreadable(message: Message, reason: string): Packet {
	const { type, contentType } = message.properties;
	return {
		content: message.content,
		options: {
			messageId: idOf(message),
			...(typeof type === 'string' ? { type: short(type) } : {}),
			...(typeof contentType === 'string' ? { contentType: short(contentType) } : {}),
			headers: {
				[KEY]: text(message, KEY)?.slice(0, LONGEST_KEY),
				[DELIVER_AT]: moment(message),
				[FAILURES]: count(message, FAILURES),
				[UNREADABLE]: reason.slice(0, LONGEST_REASON),
			},
		},
	};
}

/** Why a message is in the dead queue, and for which group it was; without a group, none takes its type any more. */
export function causeOfDeath(
	message: Message,
	names: Names,
): { readonly group: string | undefined; readonly reason: string } {
	const [death] = message.properties.headers?.['x-death'] ?? [];
	const group = text(message, CONSUMER) ?? names.groupOf(death?.queue ?? '');
	const reason = group === undefined ? 'no group takes its type' : `RabbitMQ gave it up: ${death?.reason}`;
	return { group, reason: text(message, ERROR) ?? reason };
}

/** A delivery, and how long its consumer still has to hold it. */
export interface Arrived {
	readonly delivery: Delivery;
	readonly rest: Duration;
}

export function understand(message: Message, types: readonly string[]): Arrived {
	const { type } = message.properties;
	const body = decode(message.content);
	const delivery = {
		id: idOf(message),
		type: typeof type === 'string' ? type : '',
		key: text(message, KEY) ?? '',
		body: body ?? message.content.toString(),
		deliverAt: moment(message),
		attempt: count(message, FAILURES) + 1,
	};
	const unreadable = text(message, UNREADABLE) ?? whyUnreadable(message, types, body);
	if (unreadable === undefined) return { delivery, rest: count(message, REST) };
	const cut = {
		key: delivery.key.slice(0, LONGEST_KEY),
		body: delivery.body.slice(0, LONGEST_BODY),
		unreadable: unreadable.slice(0, LONGEST_REASON),
	};
	return { delivery: { ...delivery, ...cut }, rest: 0 };
}

function whyUnreadable(message: Message, types: readonly string[], body: string | undefined): string | undefined {
	const { messageId, type } = message.properties;
	const deliverAt = header(message, DELIVER_AT) ?? null;
	if (typeof messageId !== 'string' || !isUuid(messageId)) return 'not understood: it has no message id of ours';
	if (typeof type !== 'string' || !types.includes(type)) return 'not understood: its type is not one of this consumer';
	if (!isUuid(text(message, KEY))) return 'not understood: its key is no UUID';
	if (deliverAt !== null && !Number.isSafeInteger(deliverAt)) return 'not understood: its moment is no number';
	if (body === undefined) return 'not understood: its body is not UTF-8';
	const deaths = count(message, DELIVERIES);
	return deaths >= MOST_DELIVERIES - 1 ? `${deaths} deliveries ended without an answer` : undefined;
}

/** A message's id, or for a message without one of our ids, one that is made of its content: the same each time. */
function idOf({ properties, content }: Message): string {
	const { messageId } = properties;
	if (typeof messageId === 'string' && isUuid(messageId)) return messageId;
	return v5(Buffer.concat([Buffer.from(`${messageId}\n`), content]), v5.URL);
}

const header = ({ properties }: Message, name: string): unknown => properties.headers?.[name];

function text(message: Message, name: string): string | undefined {
	const value = header(message, name);
	return typeof value === 'string' ? value : undefined;
}

/** A whole number from 0 on; 0 for anything else. */
function count(message: Message, name: string): number {
	const value = header(message, name);
	return typeof value === 'number' && Number.isSafeInteger(value) && value > 0 ? value : 0;
}

function moment(message: Message): Instant | null {
	const value = header(message, DELIVER_AT);
	return typeof value === 'number' && Number.isSafeInteger(value) ? value : null;
}

const short = (property: string): string =>
	Buffer.byteLength(property) > LONGEST_PROPERTY ? property.slice(0, LONGEST_PROPERTY / WIDEST) : property;

const UTF8 = new TextDecoder('utf-8', { fatal: true, ignoreBOM: true });

function decode(content: Buffer): string | undefined {
	try {
		return UTF8.decode(content);
	} catch {
		return undefined;
	}
}
