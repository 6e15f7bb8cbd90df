/** The parts of the console's page that need no browser. */
import { describe, expect, it } from '@jest/globals';
import fc from 'fast-check';
import { newId } from '../../../mixins/runtime/uuid.ts';
import { pauseAfter } from '../../../services/gateway/console/backoff.js';
import { Chunks } from '../../../services/gateway/console/chunks.js';
import { EventParser } from '../../../services/gateway/console/event-stream.js';
import { amountOf, bodyOf, parseExact } from '../../../services/gateway/console/exact.js';
import { fromMinor, left, money } from '../../../services/gateway/console/format.js';
import { idOf } from '../../../services/gateway/console/order-number.js';
import { orderNumber } from '../../../services/orders/order-number.ts';

describe('events of a stream', () => {
	const STREAM = [
		'\ufeff: a comment\r\n\r\nevent: now\r\ndata: {"now": 1}\r\n\r\n',
		'id: 7\nevent: order\ndata: {"a":\ndata: 1}\n\n',
		'id\rdata\r\revent: dropped\n\ndata:  two\nretry: 5\n\nid: x\0y\ndata: last\n\ndata: unfinished',
	].join('');
	const EVENTS = [
		{ type: 'now', data: '{"now": 1}', id: '' },
		{ type: 'order', data: '{"a":\n1}', id: '7' },
		{ type: 'message', data: '', id: '' },
		{ type: 'message', data: ' two', id: '' },
		{ type: 'message', data: 'last', id: '' },
	];

	it('are the same, however the text is cut', () => {
		fc.assert(
			fc.property(fc.array(fc.nat(STREAM.length), { maxLength: 20 }), (cuts) => {
				const heard: unknown[] = [];
				const parser = new EventParser((event) => heard.push(event));
				const places = [0, ...cuts.sort((one, other) => one - other), STREAM.length];
				for (const [at, from] of places.entries()) parser.push(STREAM.slice(from, places[at + 1] ?? STREAM.length));
				expect(heard).toEqual(EVENTS);
			}),
		);
	});
});

describe('pieces of a list', () => {
	it('hold each id once, in falling order, and keep their keys', () => {
		fc.assert(
			fc.property(fc.array(fc.integer({ min: 100, max: 999 }), { maxLength: 400 }), (numbers) => {
				const chunks = new Chunks();
				const keys = new Map<string, number>();
				for (const id of numbers.map(String)) {
					chunks.add(id);
					const key = chunks.find(id)?.key ?? -1;
					expect(keys.get(id) ?? key).toBe(key);
					keys.set(id, key);
				}
				const all = [...new Set(numbers.map(String))].sort().reverse();
				expect(chunks.list.flatMap(({ ids }) => ids)).toEqual(all);
				expect([chunks.size, chunks.last]).toEqual([all.length, all.at(-1)]);
			}),
		);
	});

	it('stay small where orders come one after the other, at either end', () => {
		const chunks = new Chunks();
		for (let at = 0; at < 1_000; at += 1) chunks.add(String(5_000 + at));
		for (let at = 1; at < 1_000; at += 1) chunks.add(String(5_000 - at));
		expect(Math.max(...chunks.list.map(({ ids }) => ids.length))).toBeLessThanOrEqual(25);
		const { size, last } = chunks;
		expect(chunks.drop()?.ids.at(-1)).toBe(last);
		expect(chunks.size).toBe(size - 24); // the oldest piece is not full
		expect(chunks.list.flatMap(({ ids }) => ids)).toHaveLength(chunks.size);
	});
});

describe('amounts', () => {
	it('keep every digit in both directions', () => {
		const text = '{"amount":999999999999.9900,"refundedAmount":0.10,"sequence":2}';
		expect(parseExact(text)).toEqual({ amount: '999999999999.9900', refundedAmount: '0.10', sequence: 2 });
		expect(bodyOf({ productName: 'a "tea"', currency: undefined }, amountOf(' 999999999999,99 '))).toBe(
			'{"productName":"a \\"tea\\"","amount":999999999999.99}',
		);
		for (const typed of ['', '-1', '1e5', '01', '1.', '.5', '1 000', 'x']) expect(amountOf(typed)).toBeUndefined();
		expect(money('999999999999.99', 'USD')).toMatch(/999.999.999.999.99/);
		expect(money('0.123', 'USD')).toContain('0.123');
		expect([fromMinor('5', 2), fromMinor('1990', 0), fromMinor('12345', 3)]).toEqual(['0.05', '1990', '12.345']);
	});
});

it('a countdown is m:ss, and 0:00 only once it is over', () => {
	expect([600_000, 599_001, 61_000, 1, 0, -5].map(left)).toEqual(['10:00', '10:00', '1:01', '0:01', '0:00', '0:00']);
});

it('an order is found by its number, as people read it out', () => {
	const id = newId(Date.now());
	const number = orderNumber(id);
	for (const typed of [id, number, ` ${number.toLowerCase()} `, number.slice(4), number.replaceAll('0', 'o')]) {
		expect(idOf(typed)).toBe(id);
	}
	for (const typed of ['', 'ORD-', number.slice(0, -1), `${number}0`, `ORD-Z${number.slice(5)}`]) {
		expect(idOf(typed)).toBeUndefined();
	}
});

it('pauses grow, are never the same for all, and end at a quarter of a minute', () => {
	expect([1, 2, 3].map((failures) => pauseAfter(failures, 0, 1))).toEqual([500, 1_000, 2_000]);
	expect([pauseAfter(1, 0, 0), pauseAfter(50, 0, 1), pauseAfter(1, 9_000, 0)]).toEqual([250, 15_000, 9_000]);
});
