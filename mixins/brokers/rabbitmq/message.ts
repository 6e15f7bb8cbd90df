import { Buffer } from 'node:buffer';
import type { Message, Options } from 'amqplib';
import { v5 } from 'uuid';
import type { Duration, Instant } from '../../../domain/time.ts';
import type { CarrierMessage, DeadLetter, Delivery } from '../carrier.ts';
import { MOST_DELIVERIES, type Names } from './topology.ts';

/** What of an error goes along with its message: headers have to fit into one frame. */
const LONGEST_ERROR = 2_000;

/** How often the queue has delivered a message in vain; its own header. */
const DELIVERIES = 'x-delivery-count';
/** Our headers; all others belong to the broker. */
const KEY = 'key';
const DELIVER_AT = 'deliver-at';
const FAILURES = 'failures';
const REST = 'rest';
const CONSUMER = 'consumer';
const ERROR = 'error';
const FAILED_AT = 'failed-at';

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
	const { deliverAt, attempt } = delivery;
	return packet(delivery, { [DELIVER_AT]: deliverAt, [FAILURES]: attempt, [REST]: Math.ceil(rest) });
}

export function toDeadPacket(delivery: Delivery, consumer: string, error: string, failedAt: Instant): Packet {
	const { deliverAt, attempt } = delivery;
	return packet(delivery, { [DELIVER_AT]: deliverAt, [FAILURES]: attempt, ...epitaph(consumer, error, failedAt) });
}

/** A message that nobody understood, with what can be kept of it. */
export function toForeignPacket(message: Message, consumer: string, error: string, failedAt: Instant): Packet {
	const headers = { [KEY]: text(message, KEY)?.slice(0, 255), ...epitaph(consumer, error, failedAt) };
	return { content: message.content, options: { ...propertiesOf(message), headers } };
}

/** As they were: what was foreign stays foreign. */
function propertiesOf({ properties: { messageId, type, contentType } }: Message): Options.Publish {
	return {
		...(typeof messageId === 'string' ? { messageId } : {}),
		...(typeof type === 'string' ? { type } : {}),
		...(typeof contentType === 'string' ? { contentType } : {}),
	};
}

const epitaph = (consumer: string, error: string, failedAt: Instant) => ({
	[CONSUMER]: consumer,
	[ERROR]: error.slice(0, LONGEST_ERROR),
	[FAILED_AT]: failedAt,
});

function packet(
	{ id, type, key, body }: { id: string; type: string; key: string; body: string },
	headers: Readonly<Record<string, unknown>>,
): Packet {
	return {
		content: Buffer.from(body),
		options: {
			messageId: id,
			type,
			contentType: 'application/cloudevents+json; charset=utf-8',
			headers: { [KEY]: key, ...headers },
		},
	};
}

/** A delivery and what its consumer still has to wait out, or why it is none of our messages. */
export type Understood =
	| { readonly ok: true; readonly delivery: Delivery; readonly rest: Duration }
	| { readonly ok: false; readonly error: string; readonly delivery?: Delivery };

const UUID = /^[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}$/;

export function understand(message: Message, types: readonly string[]): Understood {
	const { messageId: id, type } = message.properties;
	const key = text(message, KEY);
	const deliverAt = header(message, DELIVER_AT) ?? null;
	const body = decode(message.content);
	if (typeof id !== 'string' || !UUID.test(id)) return foreign('it has no message id of ours');
	if (typeof type !== 'string' || !types.includes(type)) return foreign('its type is not one of this consumer');
	if (key === undefined) return foreign('it has no key');
	if (deliverAt !== null && !Number.isSafeInteger(deliverAt)) return foreign('its moment is no number');
	if (body === undefined) return foreign('its body is not UTF-8');
	const attempt = count(message, FAILURES) + 1;
	const moment = typeof deliverAt === 'number' ? deliverAt : null;
	const delivery = { id, type, key, body, deliverAt: moment, attempt };
	const deaths = count(message, DELIVERIES);
	if (deaths >= MOST_DELIVERIES - 1)
		return { ok: false, error: `${deaths} deliveries ended without an answer`, delivery };
	return { ok: true, delivery, rest: count(message, REST) };
}

const foreign = (reason: string): Understood => ({ ok: false, error: `not understood: ${reason}` });

/** What lies in the dead letters, whether we or the broker put it there. */
export function toDeadLetter(message: Message, names: Names): DeadLetter {
	const [death] = message.properties.headers?.['x-death'] ?? [];
	// From a group's queue the broker took it away; from a delay it had nowhere to go.
	const group = names.groupOf(death?.queue ?? '');
	const reason = group === undefined ? 'no consumer takes it' : `RabbitMQ gave it up: ${death?.reason}`;
	return {
		id: idOf(message),
		consumer: text(message, CONSUMER) ?? group ?? '',
		type: typeof message.properties.type === 'string' ? message.properties.type : '',
		key: text(message, KEY) ?? '',
		body: message.content.toString(),
		attempts: count(message, FAILURES),
		error: text(message, ERROR) ?? reason,
		failedAt: count(message, FAILED_AT) || (death?.time.value ?? 0) * 1_000,
	};
}

/** A dead letter as it is delivered again: as if it had never failed. */
export function toReplay(message: Message): Packet {
	const deliverAt = header(message, DELIVER_AT);
	const headers = { [KEY]: text(message, KEY), [DELIVER_AT]: typeof deliverAt === 'number' ? deliverAt : null };
	return { content: message.content, options: { ...propertiesOf(message), headers } };
}

/** A message's id, or for one without an id of ours one that is made of what it says: the same each time. */
export function idOf({ properties, content }: Message): string {
	const { messageId } = properties;
	if (typeof messageId === 'string' && UUID.test(messageId)) return messageId;
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

const UTF8 = new TextDecoder('utf-8', { fatal: true, ignoreBOM: true });

function decode(content: Buffer): string | undefined {
	try {
		return UTF8.decode(content);
	} catch {
		return undefined;
	}
}
