import { Buffer } from 'node:buffer';
import { describe, expect, it } from '@jest/globals';
import type { KafkaMessage, Message } from 'kafkajs';
import { DAY, MINUTE, SECOND } from '../../../../domain/time.ts';
import { LONGEST_BODY } from '../../../../mixins/brokers/carrier.ts';
import { parseKafkaUrl } from '../../../../mixins/brokers/kafka/client.ts';
import { toCarried, toDelivery, toRecord } from '../../../../mixins/brokers/kafka/records.ts';
import { Topics } from '../../../../mixins/brokers/kafka/topics.ts';

const carried = {
	id: '01a20594-ff16-7186-813b-8458d8dd9e09',
	type: 'Alpha',
	key: '01a20594-ff16-7186-813b-89ac02fc8570',
	body: '{"a":"ü\\u0000"}',
	deliverAt: 1_795_389_984_692,
	due: 1_795_389_984_700,
	release: 1_795_389_984_695,
	attempts: 3,
};

describe('the URL', () => {
	it.each(['amqp://us:hidden@a', 'kafka://us:hidden@a', 'kafkas://us:hidden@'])(
		'is not shown when it is refused: %s',
		(url) => {
			expect(() => parseKafkaUrl(url)).toThrow(/not a Kafka URL/);
			expect(() => parseKafkaUrl(url)).not.toThrow(/hidden/);
		},
	);
});

describe('records', () => {
	/** The record as Kafka gives it back. */
	const read = ({ key, value, headers }: Message, offset = '7'): KafkaMessage => ({
		key: key === null || key === undefined ? null : Buffer.from(key),
		value: value === null ? null : Buffer.from(value),
		headers: Object.fromEntries(Object.entries(headers ?? {}).map(([name, text]) => [name, Buffer.from(String(text))])),
		timestamp: '1795389984690',
		offset,
		attributes: 0,
	});

	it('bring back what was put into them', () => {
		expect(toCarried(read(toRecord(carried)), 't/0')).toEqual(carried);
		const plain = { ...carried, deliverAt: null, due: null, release: null, attempts: 0, body: '' };
		expect(toCarried(read(toRecord(plain)), 't/0')).toEqual(plain);
	});

	it('of the release before bring the moment that was asked for, not the one by the clock of the broker', () => {
		const old = read(toRecord({ ...carried, release: null, attempts: 0 }));
		expect(toCarried(old, 't/0')).toMatchObject({ due: carried.deliverAt, release: null, attempts: 0 });
		expect(toCarried(read(toRecord(carried)), 't/0').due).toBe(carried.due); // it has failed, and waits for that
	});

	it('that are unreadable stay so when they are sent on, cut to what may be kept', () => {
		const odd = { key: 'k'.repeat(900), value: 'x'.repeat(LONGEST_BODY + 1), headers: { ce_type: 't'.repeat(900) } };
		const found = toCarried(read(odd), 't/0');
		expect([found.type.length, found.key.length, found.body.length]).toEqual([200, 200, LONGEST_BODY]);
		const again = toCarried(read(toRecord({ ...found, attempts: 1, due: 7 })), 't/1');
		expect(again).toEqual({ ...found, attempts: 1, due: 7 });
		expect(toDelivery(again)).toMatchObject({ id: found.id, attempt: 2, unreadable: found.unreadable });
		expect(toDelivery(toCarried(read(toRecord(carried)), 't/0'))).not.toHaveProperty('unreadable');
	});

	it.each<[string, Message]>([
		['no value', { ...toRecord(carried), value: null }],
		['no headers', { key: carried.key, value: 'x' }],
		['an id that is none', { ...toRecord(carried), headers: { ce_id: "'; DROP" } }],
		['no key', { ...toRecord(carried), key: null }],
		['a key that is none', { ...toRecord(carried), key: 'x' }],
		['a key as the database would not write it', { ...toRecord(carried), key: carried.key.toUpperCase() }],
		[
			'an id as the database would not write it',
			{ ...toRecord(carried), headers: { ce_id: carried.id.toUpperCase() } },
		],
		['too long a body', { ...toRecord(carried), value: 'x'.repeat(LONGEST_BODY + 1) }],
		['too long a body in bytes', { ...toRecord(carried), value: 'ü'.repeat(LONGEST_BODY / 2 + 1) }],
	])('that are not ours are unreadable, under an id of their place: %s', (_, record) => {
		const found = toCarried(read(record), 't/0');
		expect(found.unreadable).toMatch(/^unreadable/);
		expect(found.id).toMatch(/^[\da-f-]{36}$/);
		if (record.headers?.ce_id !== carried.id) {
			expect(toCarried(read(record), 't/0').id).toBe(found.id);
			expect(toCarried(read(record), 't/1').id).not.toBe(found.id);
			expect(toCarried(read(record, '8'), 't/0').id).not.toBe(found.id);
		}
	});
});

describe('topics', () => {
	const topology = { consumers: { first: ['Alpha', 'Beta'], second: ['Alpha'] }, types: ['Alpha', 'Beta', 'Delta'] };
	const topics = new Topics('pp', topology);
	const setting = (topic: string, name: string, replication = 1): string | undefined =>
		topics.settings(topic, { partitions: 6, replication }).configEntries?.find((entry) => entry.name === name)?.value;

	it('are few from the start', () => {
		expect(topics.always.toSorted()).toEqual(
			[
				'pp.events',
				...['first', 'second'].flatMap((group) => [`pp.${group}`, `pp.${group}.delay-0s`, `pp.${group}.delay-5s`]),
			].toSorted(),
		);
	});

	it('keep a message longer than it may have to wait there, by far', () => {
		for (const { topic, hold } of topics.lanes('first')) {
			expect(Number(setting(topic, 'retention.ms')) - hold).toBeGreaterThanOrEqual(7 * DAY);
			expect(setting(topic, 'message.timestamp.type')).toBe('LogAppendTime');
		}
	});

	it('need two replicas of three, and one of one', () => {
		expect(setting('pp.first', 'min.insync.replicas', 3)).toBe('2');
		expect(setting('pp.first', 'min.insync.replicas', 1)).toBeUndefined();
		expect(topics.settings('pp.first', { partitions: 6, replication: 3 })).toMatchObject({ replicationFactor: 3 });
	});

	it('are found by what is left to wait, and by type; the rung releases a message after its hold', () => {
		const later = (delay: number) => topics.later('first', { ...carried, due: 1_000.5 + delay }, 1_000.5);
		expect(later(10 * MINUTE).topic).toBe('pp.first.delay-595s');
		expect(later(10 * MINUTE).record.headers?.release).toBe(String(1_001 + 595 * SECOND));
		expect(later(SECOND).topic).toBe('pp.first.delay-0s');
		expect(later(-SECOND).topic).toBe('pp.first.delay-0s');
		expect(topics.groupsOf('Alpha')).toEqual(['first', 'second']);
		expect(topics.groupsOf('Delta')).toEqual([]);
	});

	it.each(['', 'a b', 'ü', 'x'.repeat(101)])('are not named after %j', (prefix) => {
		expect(() => new Topics(prefix, topology)).toThrow(/named/);
	});
});
