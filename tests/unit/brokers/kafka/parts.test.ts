import { Buffer } from 'node:buffer';
import { describe, expect, it } from '@jest/globals';
import fc from 'fast-check';
import type { KafkaMessage, Message } from 'kafkajs';
import { DAY, MINUTE, SECOND } from '../../../../domain/time.ts';
import { BrokerClock } from '../../../../mixins/brokers/kafka/broker-clock.ts';
import { parseKafkaUrl } from '../../../../mixins/brokers/kafka/client.ts';
import { identityOf, toCarried, toLetter, toLetterRecord, toRecord } from '../../../../mixins/brokers/kafka/records.ts';
import { Schedule } from '../../../../mixins/brokers/kafka/schedule.ts';
import { Topics } from '../../../../mixins/brokers/kafka/topics.ts';

describe('the URL', () => {
	it.each(['amqp://us:hidden@a', 'kafka://us:hidden@a', 'kafkas://us:hidden@'])(
		'is not shown when it is refused: %s',
		(url) => {
			expect(() => parseKafkaUrl(url)).toThrow(/not a Kafka URL/);
			expect(() => parseKafkaUrl(url)).not.toThrow(/hidden/);
		},
	);
});

describe('the clock of the broker', () => {
	/** A timer, and a broker whose clock is `ahead` of it; an append takes `there` and its answer `back`. */
	function world(ahead: number) {
		const state = { timer: 1_000, ahead };
		const clock = new BrokerClock(() => state.timer);
		const append = (there: number, back: number): void => {
			const sent = clock.start();
			state.timer += there;
			const appended = Math.floor(state.timer + state.ahead);
			state.timer += back;
			clock.learn(sent, appended);
		};
		return { state, clock, append, truth: () => state.timer + state.ahead };
	}

	it('knows nothing before the first answer', () => {
		const { clock } = world(5);
		expect([clock.now(), clock.latest(), clock.age]).toEqual([-Infinity, Infinity, Infinity]);
	});

	it('is never ahead, and never further behind than the quickest round trip', () => {
		const trips = fc.array(fc.record({ there: fc.double({ min: 0, max: 50, noNaN: true }), back: fc.nat(50) }), {
			minLength: 1,
			maxLength: 8,
		});
		fc.assert(
			fc.property(fc.integer({ min: -1e12, max: 1e12 }), trips, (ahead, all) => {
				const { clock, append, truth } = world(ahead);
				for (const { there, back } of all) append(there, back);
				const quickest = Math.min(...all.map(({ there, back }) => there + back));
				expect(clock.now()).toBeLessThanOrEqual(truth() + 0.01);
				expect(clock.latest()).toBeGreaterThanOrEqual(truth() - 0.01);
				expect(clock.latest() - clock.now()).toBeLessThanOrEqual(quickest + 1.01);
			}),
		);
	});

	it('believes the latest answer when the clock was set', () => {
		const { state, clock, append, truth } = world(0);
		append(1, 1);
		state.ahead = 3_600_000;
		append(1, 1);
		expect(truth() - clock.now()).toBeLessThan(4);
		state.ahead = -3_600_000;
		append(1, 1);
		expect(truth() - clock.now()).toBeLessThan(4);
	});

	it('forgets what is a minute old, since timers drift', () => {
		const { state, clock, append } = world(0);
		append(0, 0);
		state.timer += 2 * MINUTE;
		expect(clock.age).toBe(2 * MINUTE);
		append(20, 20);
		expect(clock.latest() - clock.now()).toBeGreaterThan(40);
	});
});

describe('the schedule', () => {
	it('gives what is due, by its moment and then by its turn', () => {
		fc.assert(
			fc.property(fc.array(fc.nat(50)), fc.nat(50), (moments, now) => {
				const schedule = new Schedule<readonly [number, number]>();
				for (const [turn, at] of moments.entries()) schedule.add(at, [at, turn]);
				const sorted = moments.map((at, turn) => [at, turn] as const).toSorted((a, b) => a[0] - b[0] || a[1] - b[1]);
				expect(schedule.next).toBe(sorted[0]?.[0] ?? Infinity);
				expect(schedule.due(now)).toEqual(sorted.filter(([at]) => at <= now));
				expect(schedule.size).toBe(sorted.filter(([at]) => at > now).length);
				expect(schedule.due(50)).toEqual(sorted.filter(([at]) => at > now));
			}),
		);
	});
});

describe('records', () => {
	const carried = {
		id: '01a20594-ff16-7186-813b-8458d8dd9e09',
		type: 'Alpha',
		key: '01a20594-ff16-7186-813b-89ac02fc8570',
		body: '{"a":"ü\\u0000"}',
		deliverAt: 1_795_389_984_692,
		due: 1_795_389_984_700,
		attempts: 3,
	};

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
		const plain = { ...carried, deliverAt: null, due: null, attempts: 0, body: '' };
		expect(toCarried(read(toRecord(plain)), 't/0')).toEqual(plain);
	});

	it('are told apart at the same offset', () => {
		const one = read(toRecord(carried));
		expect(identityOf(one)).toBe(identityOf(read(toRecord(carried))));
		expect(identityOf(one)).not.toBe(identityOf({ ...one, timestamp: '1795389984691' }));
		expect(identityOf(one)).not.toBe(identityOf(read(toRecord({ ...carried, id: carried.key }))));
	});

	it.each<[string, Message]>([
		['no value', { ...toRecord(carried), value: null }],
		['no headers', { key: carried.key, value: 'x' }],
		['an id that is none', { ...toRecord(carried), headers: { ce_id: "'; DROP" } }],
		['no key', { ...toRecord(carried), key: null }],
		['a key that is none', { ...toRecord(carried), key: 'x' }],
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

	it('of dead letters say what failed, for whom, how often and why', () => {
		const record = toLetterRecord(carried, 'first', 'x'.repeat(1e6), 't/0/7');
		const letter = toLetter(read(record));
		const { due: _, ...message } = carried;
		expect(letter).toMatchObject({ ...message, consumer: 'first', failedAt: 1_795_389_984_690 });
		expect('error' in letter && letter.error).toHaveLength(4_000);
		const { kept } = letter;
		expect(toLetter(read({ key: kept, value: null }))).toEqual({ kept });
		expect(kept).not.toBe(toLetter(read(toLetterRecord(carried, 'first', 'x', 't/0/8'))).kept);
		expect(kept).not.toBe(toLetter(read(toLetterRecord(carried, 'second', 'x', 't/0/7'))).kept);
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
				'pp.clock',
				'pp.dead-letters',
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
		expect(setting(topics.deadLetters, 'cleanup.policy')).toBe('compact');
		expect(setting(topics.deadLetters, 'retention.ms')).toBeUndefined();
	});

	it('need two replicas of three, and one of one', () => {
		expect(setting('pp.first', 'min.insync.replicas', 3)).toBe('2');
		expect(setting('pp.first', 'min.insync.replicas', 1)).toBeUndefined();
		expect(topics.settings('pp.first', { partitions: 6, replication: 3 })).toMatchObject({ replicationFactor: 3 });
	});

	it('are found by delay and type', () => {
		expect(topics.delayed('first', 10 * MINUTE)).toBe('pp.first.delay-595s');
		expect(topics.delayed('first', SECOND)).toBe('pp.first.delay-0s');
		expect(topics.groupsOf('Alpha')).toEqual(['first', 'second']);
		expect(topics.groupsOf('Delta')).toEqual([]);
	});

	it.each(['', 'a b', 'ü', 'x'.repeat(101)])('are not named after %j', (prefix) => {
		expect(() => new Topics(prefix, topology)).toThrow(/named/);
	});
});
