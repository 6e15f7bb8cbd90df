import { describe, expect, it } from '@jest/globals';
import fc from 'fast-check';
import { keysOf } from '../../../../mixins/brokers/redis/keys.ts';
import { decode, encode } from '../../../../mixins/brokers/redis/message.ts';
import { misgivings, parseInfo, unfitness } from '../../../../mixins/brokers/redis/server.ts';

const MESSAGE = {
	id: '019a0000-0000-7000-8000-000000000001',
	type: 'OrderDue',
	key: '019a0000-0000-7000-8000-000000000002',
	deliverAt: 1_800_000_000_123,
	attempts: 3,
	body: '{"a":"b\\n"}\n\u0000☃',
};

describe('a message as Redis keeps it', () => {
	it('comes out as it went in', () => {
		fc.assert(
			fc.property(
				fc.record({
					id: fc.uuid(),
					type: fc.string(),
					key: fc.uuid(),
					deliverAt: fc.option(fc.integer({ min: 0, max: 9e15 })),
					attempts: fc.nat(),
					body: fc.string({ unit: 'binary' }),
				}),
				(message) => expect(decode(encode(message))).toEqual(message),
			),
		);
	});

	it.each([
		['', 'no header'],
		['{"id":1}', 'no header'],
		['{"id":1}\n{}', 'another shape'],
		['[]\n{}', 'another shape'],
		['not JSON\n{}', 'JSON'],
		[encode({ ...MESSAGE, id: 'x' }), 'id is not a UUID'],
		[encode({ ...MESSAGE, key: '' }), 'key is not a UUID'],
		[encode(MESSAGE).replace('"OrderDue"', '7'), 'no type'],
		[encode(MESSAGE).replace('1800000000123', '"soon"'), 'moment is not'],
		[encode(MESSAGE).replace(',3]', ',-1]'), 'attempts'],
		[encode(MESSAGE).replace(',3]', ',null]'), 'attempts'],
	])('is told from what is none: %j', (text, reason) => {
		expect(() => decode(text)).toThrow(reason);
	});

	it('is told from anything at all', () => {
		fc.assert(
			fc.property(
				fc.oneof(
					fc.string({ unit: 'binary' }),
					fc.json().map((json) => `${json}\n{}`),
				),
				(text) => {
					expect(() => decode(text)).toThrow();
				},
			),
		);
	});
});

describe('a server', () => {
	const info = (changes: Readonly<Record<string, string>> = {}) =>
		parseInfo(
			Object.entries({ redis_version: '7.0.15', maxmemory_policy: 'noeviction', aof_enabled: '1', ...changes })
				.map(([name, value]) => `${name}:${value}\r\n`)
				.join('# Section\r\n'),
		);

	it('may carry messages if it evicts none', () => {
		expect(unfitness(info())).toBeUndefined();
		expect(unfitness(info({ redis_version: '6.2.0' }))).toBeUndefined();
		expect(unfitness(info({ redis_version: '10.0.0' }))).toBeUndefined();
		for (const policy of ['allkeys-lru', 'volatile-ttl', ''])
			expect(unfitness(info({ maxmemory_policy: policy }))).toContain(`is ${policy}, it must be noeviction`);
		expect(unfitness(parseInfo('redis_version:7.0.0\r\n'))).toContain('not known');
		expect(unfitness(info({ redis_version: '6.0.16' }))).toContain('Redis 6.0.16 is too old');
		expect(unfitness(info({ redis_version: '' }))).toContain('too old');
	});

	it('should write an append-only file', () => {
		expect(misgivings(info())).toBeUndefined();
		expect(misgivings(info({ aof_enabled: '0' }))).toContain('appendonly');
	});
});

describe('keys', () => {
	it('share one hash tag, whatever the groups are called', () => {
		const { groups, events } = keysOf('shop', ['one', 'two{x}']);
		const all = [events, ...groups.flatMap(({ stream, delayed }) => [stream, delayed])];
		expect(new Set(all).size).toBe(5);
		for (const key of all) expect(/\{(.*?)\}/.exec(key)?.[1]).toBe('shop');
	});

	it.each(['', 'a{b', 'a}', 'a b'])('refuse a prefix that would spoil the tag: %j', (prefix) => {
		expect(() => keysOf(prefix, [])).toThrow('not a prefix');
	});
});
