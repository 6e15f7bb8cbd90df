import { Buffer } from 'node:buffer';
import { describe, expect, it } from '@jest/globals';
import type { Message, MessageProperties, Options } from 'amqplib';
import { MINUTE } from '../../../../domain/time.ts';
import type { CarrierMessage } from '../../../../mixins/brokers/carrier.ts';
import {
	toDeadLetter,
	toDeadPacket,
	toForeignPacket,
	toPacket,
	toReplay,
	toRetry,
	understand,
} from '../../../../mixins/brokers/rabbitmq/message.ts';
import { Names } from '../../../../mixins/brokers/rabbitmq/topology.ts';

const NAMES = new Names('test');
const ID = '0198c0de-0000-7000-8000-000000000001';
const MESSAGE: CarrierMessage = {
	...{ id: ID, type: 'OrderDue', key: 'a-key', body: '{"ünï":"☃\u0000"}' },
	...{ deliverAt: 1_900_000_000_123, delay: 950.4 },
};

/** A message as it comes back from the broker. */
function arrived({ content, options }: { content: Buffer; options: Options.Publish }): Message {
	const nothing: MessageProperties = {
		...{ contentType: undefined, contentEncoding: undefined, headers: {}, deliveryMode: 2, priority: undefined },
		...{ correlationId: undefined, replyTo: undefined, expiration: undefined, messageId: undefined },
		...{ timestamp: undefined, type: undefined, userId: undefined, appId: undefined, clusterId: undefined },
	};
	const fields = { deliveryTag: 1, redelivered: false, exchange: '', routingKey: '' };
	return { content, fields, properties: { ...nothing, ...options, headers: options.headers } };
}

const packet = (message: Partial<CarrierMessage> = {}) => toPacket({ ...MESSAGE, ...message }, 950.4);

describe('a message on its way through RabbitMQ', () => {
	it('comes as it went', () => {
		const { id, type, key, body, deliverAt } = MESSAGE;
		const expected = { ok: true, rest: 951, delivery: { id, type, key, body, deliverAt, attempt: 1 } };
		expect(understand(arrived(packet()), ['OrderDue'])).toEqual(expected);
		const now = understand(arrived(packet({ deliverAt: null, body: '' })), ['OrderDue']);
		expect(now).toMatchObject({ ok: true, delivery: { deliverAt: null, body: '' } });
	});

	it('counts its failures until it is a dead letter, and none after it was replayed', () => {
		let message = arrived(packet());
		for (let attempt = 1; attempt <= 3; attempt += 1) {
			const understood = understand(message, ['OrderDue']);
			if (!understood.ok) throw new Error(understood.error);
			expect(understood.delivery).toMatchObject({ attempt, id: ID, deliverAt: MESSAGE.deliverAt });
			message = arrived(toRetry(understood.delivery, 250));
		}
		const last = understand(message, ['OrderDue']);
		if (!last.ok) throw new Error(last.error);
		const dead = arrived(toDeadPacket(last.delivery, 'deadlines', 'out of luck', 1_900_000_001_000));
		const { id, type, key, body } = MESSAGE;
		expect(toDeadLetter(dead, NAMES)).toEqual({
			...{ id, type, key, body, consumer: 'deadlines', attempts: 4 },
			...{ error: 'out of luck', failedAt: 1_900_000_001_000 },
		});
		expect(understand(arrived(toReplay(dead)), ['OrderDue'])).toMatchObject({
			...{ ok: true, rest: 0 },
			delivery: { id, type, key, body, deliverAt: MESSAGE.deliverAt, attempt: 1 },
		});
	});

	it.each<[string, Partial<Options.Publish>, RegExp]>([
		['no id', { messageId: undefined }, /message id/],
		['an id of somebody else', { messageId: '17' }, /message id/],
		['no type', { type: undefined }, /type/],
		['a type for others', { type: 'OrderPending' }, /type/],
		['no headers', { headers: undefined }, /key/],
		['a key that is no text', { headers: { key: 5 } }, /key/],
		['a moment that is none', { headers: { key: 'k', 'deliver-at': 'soon' } }, /moment/],
	])('is foreign with %s', (_, options, reason) => {
		const good = packet();
		const message = arrived({ ...good, options: { ...good.options, ...options } });
		const understood = understand(message, ['OrderDue']);
		expect(understood).toMatchObject({ ok: false, error: expect.stringMatching(reason) });
	});

	it('is foreign with a body that is no text', () => {
		const message = arrived({ ...packet(), content: Buffer.from([0xff, 0xfe]) });
		expect(understand(message, ['OrderDue'])).toMatchObject({ ok: false, error: expect.stringMatching(/UTF-8/) });
	});

	it('takes strange counts for none', () => {
		for (const failures of [-1, 1.5, '3', null, Number.MAX_VALUE]) {
			const good = packet();
			const message = arrived({
				...good,
				options: { ...good.options, headers: { key: 'k', failures, rest: failures } },
			});
			expect(understand(message, ['OrderDue'])).toMatchObject({ ok: true, rest: 0, delivery: { attempt: 1 } });
		}
	});

	it('has, if it is foreign, an id in the dead letters that stays', () => {
		const foreign = arrived({ content: Buffer.from('hello'), options: { type: 'Strange', headers: { a: 'b' } } });
		const dead = arrived(toForeignPacket(foreign, 'deadlines', 'not understood: …', 5));
		const letter = toDeadLetter(dead, NAMES);
		expect(letter).toMatchObject({ consumer: 'deadlines', type: 'Strange', body: 'hello', attempts: 0, failedAt: 5 });
		expect(letter.id).toMatch(/^[0-9a-f-]{36}$/);
		expect(toDeadLetter(arrived(toForeignPacket(dead, 'deadlines', 'again', 6)), NAMES).id).toBe(letter.id);
		const replayed = understand(arrived(toReplay(dead)), ['Strange']);
		expect(replayed).toMatchObject({ ok: false });
	});

	it('says of a dead letter that the broker made where it comes from', () => {
		const good = packet();
		const death = {
			count: 1,
			reason: 'delivery_limit',
			queue: 'test.group.deadlines',
			exchange: '',
			'routing-keys': [],
		};
		const time = { '!': 'timestamp', value: 1_900_000_000 };
		const headers = { ...good.options.headers, 'x-death': [{ ...death, time }] };
		const letter = toDeadLetter(arrived({ ...good, options: { ...good.options, headers } }), NAMES);
		expect(letter).toMatchObject({ consumer: 'deadlines', failedAt: 1_900_000_000_000 });
		expect(letter.error).toMatch(/delivery_limit/);
	});
});

describe('where a message is published', () => {
	it.each([
		['at once', 0, 'test.events', 'OrderDue'],
		['in less than a second', 950, 'test.events', 'OrderDue'],
		['in 3.7 s', 3_700, 'test.delay.level-12', '0.0.0.0.0.0.0.0.0.0.0.3s.OrderDue'],
		['in 9 min 8 s', 9 * MINUTE + 8_000, 'test.delay.level-10', '0.0.0.0.0.0.0.0.0.9m.0.7s.OrderDue'],
		['in nearly 10 min', 599_950, 'test.delay.usual', '599s.OrderDue'],
	])('%s', (_, delay, exchange, routingKey) => {
		expect(NAMES.toType('OrderDue', delay)).toMatchObject({ exchange, routingKey });
	});

	it('for one group alone', () => {
		expect(NAMES.toGroup('deadlines', 0)).toEqual({ exchange: '', routingKey: 'test.group.deadlines', rest: 0 });
		expect(NAMES.toGroup('deadlines', 4_000).routingKey).toMatch(/\.3s\.@deadlines$/);
		expect(NAMES.groupOf('test.group.deadlines')).toBe('deadlines');
		expect(NAMES.groupOf('other.group.deadlines')).toBeUndefined();
	});
});
