import { Buffer } from 'node:buffer';
import { describe, expect, it } from '@jest/globals';
import fc from 'fast-check';
import type { KafkaMessage } from 'kafkajs';
import { SECOND } from '../../../../domain/time.ts';
import { type Held, PartitionReader } from '../../../../mixins/brokers/kafka/partition.ts';
import { type Carried, toCarried } from '../../../../mixins/brokers/kafka/records.ts';

const NOW = 1_795_389_984_692;
const DIRECT = { topic: 't', hold: 0 };
const RUNG = { topic: 't.delay-25s', hold: 25 * SECOND };

const record = (offset: number, headers: Readonly<Record<string, string>> = {}, appended = NOW): KafkaMessage => ({
	key: null,
	value: Buffer.from('{}'),
	headers,
	timestamp: String(appended),
	offset: String(offset),
	attributes: 0,
});

const parse = (one: KafkaMessage): Carried => toCarried(one, 't/0');

const read = (reader: PartitionReader, ...offsets: number[]): Held[] => [
	...reader.read(
		offsets.map((offset) => record(offset)),
		NOW,
		parse,
	),
];

function finish(reader: PartitionReader, held: Held | undefined): void {
	if (held !== undefined) held.done = true;
	reader.advance();
}

describe('a partition', () => {
	it('commits nothing ahead of what is not done, and behind what is', () => {
		const reader = new PartitionReader(DIRECT, 0);
		const [first, second, third, fourth] = read(reader, 7, 8, 10, 11); // 9 is none of ours: a control record
		finish(reader, second);
		finish(reader, third);
		expect(reader.toCommit).toBeUndefined();
		finish(reader, first);
		expect(reader.toCommit).toBe(11);
		finish(reader, fourth);
		reader.committed(11); // it was under way when the fourth was done
		expect(reader.toCommit).toBe(12);
		reader.committed(12);
		expect(reader.toCommit).toBeUndefined();
	});

	it('keeps that promise in any order of reading and finishing', () => {
		const step = fc.oneof(
			fc.record({ what: fc.constant('read' as const), which: fc.nat(2) }),
			fc.record({ what: fc.constant('finish' as const), which: fc.nat() }),
		);
		fc.assert(
			fc.property(fc.array(step, { maxLength: 300, size: 'max' }), (steps) => {
				const reader = new PartitionReader(DIRECT, 0);
				const all: Held[] = [];
				for (const { what, which } of steps) {
					if (what === 'read') all.push(...read(reader, (all.at(-1)?.offset ?? -1) + 1 + which));
					else finish(reader, all[which % (all.length + 1)]);
					const firstOpen = all.findIndex(({ done }) => !done);
					const last = all[firstOpen === -1 ? all.length - 1 : firstOpen - 1];
					expect(reader.toCommit).toBe(last === undefined ? undefined : last.offset + 1);
				}
			}),
		);
	});

	it('is full at some time, and reads on when half of that is done', () => {
		const reader = new PartitionReader(DIRECT, 0);
		const held = read(reader, ...Array.from({ length: 2_500 }, (_, offset) => offset));
		expect(held).toHaveLength(2_000);
		expect(reader.readAgainAt).toBe(Number.POSITIVE_INFINITY);
		for (const one of held.slice(0, 999)) finish(reader, one);
		expect(reader.readAgainAt).toBe(Number.POSITIVE_INFINITY);
		finish(reader, held[999]);
		expect(reader.readAgainAt).toBe(0);
		reader.resume();
		expect(read(reader, 2_000)).toHaveLength(1);
	});

	it('of a rung takes what is released within two seconds, and comes back half a second before the next', () => {
		const reader = new PartitionReader(RUNG, 0);
		const at = (release: number): Readonly<Record<string, string>> => ({ release: String(release) });
		const records = [record(0, at(NOW + 1_900)), record(1, at(NOW + 7_000)), record(2, at(NOW))];
		expect(reader.read(records, NOW, parse)).toMatchObject([{ offset: 0, release: NOW + 1_900 }]);
		expect(reader.readAgainAt).toBe(NOW + 6_500);
	});

	it('of a rung holds what says nothing about it as long as its append tells', () => {
		const reader = new PartitionReader(RUNG, 0);
		const records = [record(0, {}, NOW - 24 * SECOND), record(1, {}, NOW - 20 * SECOND)];
		expect(reader.read(records, NOW, parse)).toMatchObject([{ offset: 0, release: NOW + SECOND }]);
		expect(reader.readAgainAt).toBe(NOW + 4_500);
	});

	it('knows records that it has read: its topic was made anew', () => {
		const reader = new PartitionReader(DIRECT, 0);
		reader.begin(3);
		read(reader, 3, 4);
		expect([2, 3, 4, 5].map((offset) => reader.hasRead(record(offset)))).toEqual([true, true, true, false]);
	});

	it('asks again for records that were left out, until it is told twice that there are none', () => {
		const reader = new PartitionReader(DIRECT, 0);
		reader.begin(3);
		const skips = (offset: number): boolean => reader.skips(record(offset));
		expect([skips(3), skips(7), skips(9), skips(3), skips(7), skips(7)]).toEqual([
			false,
			true,
			true,
			false,
			true,
			false,
		]);
		read(reader, 7, 8);
		expect([skips(9), skips(10)]).toEqual([false, true]);
	});

	it('takes nothing before it knows where to begin, nor while it is paused', () => {
		const reader = new PartitionReader(RUNG, 0);
		expect([reader.takes, reader.asks]).toEqual([false, false]);
		reader.begin(0);
		expect([reader.takes, reader.asks]).toEqual([true, true]);
		reader.rest(NOW); // it is looked at again soon: that it has nothing is not a wait
		expect([reader.takes, reader.asks]).toEqual([false, true]);
		reader.resume();
		reader.read([record(0, { release: String(NOW + 7 * SECOND) })], NOW, parse);
		expect([reader.takes, reader.asks]).toEqual([false, false]);
		reader.resume();
		expect([reader.takes, reader.asks]).toEqual([true, true]);
	});
});
