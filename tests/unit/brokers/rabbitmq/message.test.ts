import { Buffer } from 'node:buffer';
import { describe, expect, it } from '@jest/globals';
import type { Message, MessageProperties, Options } from 'amqplib';
import { MINUTE } from '../../../../domain/time.ts';
import type { CarrierMessage } from '../../../../mixins/brokers/carrier.ts';
import { holdFor } from '../../../../mixins/brokers/rabbitmq/consumer.ts';
import {
	type Arrived,
	causeOfDeath,
	toPacket,
	toRetry,
	toUnreadable,
	understand,
} from '../../../../mixins/brokers/rabbitmq/message.ts';
import { Names } from '../../../../mixins/brokers/rabbitmq/topology.ts';
import { DatabaseClock } from '../../../../mixins/database/clock.ts';
import { memoryLog } from '../../../support/database.ts';

const NAMES = new Names('test');
const ID = '0198c0de-0000-7000-8000-000000000001';
const ORDER = '0198c0de-0000-7000-8000-000000000002';
const MESSAGE: CarrierMessage = {
	...{ id: ID, type: 'OrderDue', key: ORDER, body: '{"ünï":"☃\u0000"}' },
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
		const expected = { rest: 951, delivery: { id, type, key, body, deliverAt, attempt: 1 } };
		expect(understand(arrived(packet()), ['OrderDue'])).toEqual(expected);
		const now = understand(arrived(packet({ deliverAt: null, body: '' })), ['OrderDue']);
		expect(now).toMatchObject({ delivery: { deliverAt: null, body: '' } });
	});

	it('counts its failures, for ever', () => {
		let message = arrived(packet());
		for (let attempt = 1; attempt <= 20; attempt += 1) {
			const { delivery } = understand(message, ['OrderDue']);
			expect(delivery).toMatchObject({ attempt, id: ID, deliverAt: MESSAGE.deliverAt });
			expect(delivery.unreadable).toBeUndefined();
			message = arrived(toRetry(delivery, 250));
		}
	});

	it.each<[string, Partial<Options.Publish>, RegExp]>([
		['no id', { messageId: undefined }, /message id/],
		['an id of somebody else', { messageId: '17' }, /message id/],
		['no type', { type: undefined }, /type/],
		['a type for others', { type: 'OrderPending' }, /type/],
		['no headers', { headers: undefined }, /key/],
		['a key that is no text', { headers: { key: 5 } }, /key/],
		['a key that is no UUID', { headers: { key: 'k' } }, /key/],
		['a moment that is none', { headers: { key: ORDER, 'deliver-at': 'soon' } }, /moment/],
	])('is foreign with %s', (_, options, reason) => {
		const good = packet();
		const message = arrived({ ...good, options: { ...good.options, ...options } });
		const understood = understand(message, ['OrderDue']);
		expect(understood).toMatchObject({ rest: 0, delivery: { unreadable: expect.stringMatching(reason) } });
	});

	it('is unreadable with a body that is no text', () => {
		const message = arrived({ ...packet(), content: Buffer.from([0xff, 0xfe]) });
		expect(understand(message, ['OrderDue'])).toMatchObject({
			delivery: { id: ID, key: ORDER, unreadable: expect.stringMatching(/UTF-8/) },
		});
	});

	it('takes strange counts for none', () => {
		for (const failures of [-1, 1.5, '3', null, Number.MAX_VALUE]) {
			const good = packet();
			const message = arrived({
				...good,
				options: { ...good.options, headers: { key: ORDER, failures, rest: failures } },
			});
			expect(understand(message, ['OrderDue'])).toMatchObject({ rest: 0, delivery: { attempt: 1 } });
		}
	});

	it('has, if it is none of ours, an id that stays, and stays unreadable after a failure', () => {
		const foreign = arrived({ content: Buffer.from('hello'), options: { type: 'Strange', headers: { a: 'b' } } });
		const { delivery } = understand(foreign, ['OrderDue']);
		expect(delivery).toMatchObject({ type: 'Strange', key: '', body: 'hello', deliverAt: null, attempt: 1 });
		expect(delivery.id).toMatch(/^[0-9a-f-]{36}$/);
		expect(understand(foreign, ['OrderDue']).delivery.id).toBe(delivery.id);
		const { unreadable } = delivery;
		expect(understand(arrived(toRetry(delivery, 250)), ['Strange']).delivery).toEqual({
			...delivery,
			attempt: 2,
			unreadable,
		});
	});

	it('can be sent again, however long its properties are and whatever bytes they hold', () => {
		const binary = '\ufffd'.repeat(255); // as it is read; written as UTF-8 it is three times as long
		const headers = { key: 'k'.repeat(100_000), unreadable: 'u'.repeat(100_000), 'deliver-at': 1.5e300, failures: 7 };
		const options = { messageId: binary, type: binary, contentType: binary, headers };
		const foreign = arrived({ content: Buffer.from('hello'), options });
		const { delivery } = understand(foreign, ['OrderDue']);
		for (const again of [toRetry(delivery, 250), toUnreadable(foreign, 'r'.repeat(100_000))]) {
			const { messageId, type = '', contentType = '', headers } = again.options;
			expect(messageId).toBe(delivery.id);
			expect(Math.max(Buffer.byteLength(type), Buffer.byteLength(contentType))).toBeLessThanOrEqual(255);
			expect(JSON.stringify(headers).length).toBeLessThan(4_000);
			expect(understand(arrived(again), ['OrderDue']).delivery).toMatchObject({ id: delivery.id, deliverAt: null });
		}
	});

	it('is unreadable if it was delivered 99 times in vain', () => {
		const good = packet();
		const delivered = (times: number) => {
			const headers = { ...good.options.headers, 'x-delivery-count': times };
			return understand(arrived({ ...good, options: { ...good.options, headers } }), ['OrderDue']);
		};
		expect(delivered(98).delivery.unreadable).toBeUndefined();
		expect(delivered(99).delivery.unreadable).toBe('99 deliveries ended without an answer');
	});
});

describe('a message in the dead queue', () => {
	const death = (queue: string, reason: string) => ({
		...{ count: 1, reason, queue, exchange: '', 'routing-keys': [] },
		time: { '!': 'timestamp', value: 1_900_000_000 },
	});
	const dead = (headers: object) => {
		const good = packet();
		return arrived({ ...good, options: { ...good.options, headers: { ...good.options.headers, ...headers } } });
	};

	it.each([
		[
			'a group’s queue',
			{ 'x-death': [death('test.group.deadlines', 'delivery_limit')] },
			'deadlines',
			/delivery_limit/,
		],
		['a delay', { 'x-death': [death('test.delay.9s', 'expired')] }, undefined, /no group takes its type/],
		['the release before', { consumer: 'deadlines', error: 'out of luck' }, 'deadlines', /^out of luck$/],
		['somebody else', {}, undefined, /no group takes its type/],
	])('from %s has its group and a reason', (_, headers, group, reason) => {
		expect(causeOfDeath(dead(headers), NAMES)).toEqual({ group, reason: expect.stringMatching(reason) });
	});

	it('goes to its group with all that is known of it', () => {
		const message = dead({ 'x-death': [death('test.group.deadlines', 'delivery_limit')], failures: 2 });
		const { delivery, rest } = understand(arrived(toUnreadable(message, 'x'.repeat(100_000))), ['OrderDue']);
		const { id, type, key, body, deliverAt } = MESSAGE;
		expect(delivery).toEqual({ id, type, key, body, deliverAt, attempt: 3, unreadable: 'x'.repeat(2_000) });
		expect(rest).toBe(0);
	});
});

describe('how long a consumer holds a message back', () => {
	const at = (deliverAt: number | null, rest: number, attempt = 1): Arrived => ({
		...{ rest, delivery: { id: ID, type: 'OrderDue', key: 'k', body: '', deliverAt, attempt } },
	});
	const clock = { isRead: true, now: () => 1_000_000.5 };

	it.each([
		['until its moment', at(1_000_300, 900), 299.5],
		['not at all after its moment', at(999_000, 900), 0],
		['no longer than it says, if the clock was set back', at(2_000_000, 900), 900],
		['as it says, if it has no moment', at(null, 900), 900],
		['as it says, if it is a retry', at(999_000, 900, 2), 900],
		['nearly as it says, if the clock was set forward', at(500_000, 1_150), 150],
	])('%s', (_, arrived, wait) => {
		expect(holdFor(arrived, clock, 1_000)).toBe(wait);
	});

	it('as it says, while the clock was not read', () => {
		const unread = new DatabaseClock({ query: () => Promise.reject(new Error('away')) }, memoryLog());
		expect(holdFor(at(999_000, 900), unread, 1_000)).toBe(900);
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
