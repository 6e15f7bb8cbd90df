import { describe, expect, it } from '@jest/globals';
import fc from 'fast-check';
import { type BrokerUrl, parseBrokerUrl } from '../../../mixins/settings/broker-url.ts';

describe('a broker URL', () => {
	it.each<[string, Partial<BrokerUrl>]>([
		['amqp://localhost', { kind: 'amqp', tls: false }],
		['amqp://user:p%40ss@10.0.0.1:5672/%2Forders', { kind: 'amqp', tls: false }],
		['amqps://user@mq.example:5671/', { kind: 'amqp', tls: true }],
		['amqp://[::1]:5672', { kind: 'amqp', tls: false }],
		['redis://localhost', { kind: 'redis', tls: false, host: 'localhost', port: 6379 }],
		['redis://:p%40ss@cache_1:7000/15', { kind: 'redis', host: 'cache_1', port: 7000, password: 'p@ss', db: 15 }],
		['redis://me:it@[::1]:7000/', { kind: 'redis', host: '::1', port: 7000, username: 'me', password: 'it' }],
		['rediss://u%3Aser:s3cret@cache.example/', { kind: 'redis', tls: true, username: 'u:ser', password: 's3cret' }],
		['kafka://a', { kind: 'kafka', tls: false, hosts: ['a:9092'] }],
		['kafka://a:1,b.example:65535,10.0.0.1/', { kind: 'kafka', hosts: ['a:1', 'b.example:65535', '10.0.0.1:9092'] }],
		['kafka://[::1]:9093,[fe80::1]', { kind: 'kafka', hosts: ['[::1]:9093', '[fe80::1]:9092'] }],
		[
			'kafkas://user:p%40s%3As@a,b',
			{
				tls: true,
				hosts: ['a:9092', 'b:9092'],
				login: { mechanism: 'plain', username: 'user', password: 'p@s:s' },
			},
		],
		[
			'kafkas://u%3As:p@a?mechanism=scram-sha-512',
			{ tls: true, hosts: ['a:9092'], login: { mechanism: 'scram-sha-512', username: 'u:s', password: 'p' } },
		],
	])('%s', (url, expected) => expect(parseBrokerUrl(url)).toMatchObject({ url, ...expected }));

	it('without a login has none', () => {
		expect(parseBrokerUrl('kafkas://a')).not.toHaveProperty('login');
		const url = 'redis://localhost/';
		expect(parseBrokerUrl(url)).toEqual({ kind: 'redis', url, tls: false, host: 'localhost', port: 6379 });
	});

	it.each([
		...['', 'amqp', 'amqp:', 'amqp://', 'AMQP://h', 'amqp:/h', 'amqp:h', 'amqpss://h', 'http://h', 'postgres://h/d'],
		...['amqp://h:0', 'amqp://h:65536', 'amqp://h:port', 'amqp://h?heartbeat=5', 'amqp://h#f', 'amqp://h/a/b'],
		...['amqp://h/%ZZ', 'amqp://%ZZ@h', 'amqp://u:%ZZ@h', 'amqp://a,b', 'amqp://h\n', ' amqp://h', 'amqp://ho st'],
		...['redis://', 'redis://h/first', 'redis://h/1/2', 'redis://h/-1', 'redis:///1', 'redis://h?db=1', 'redis://a,b'],
		...[
			'kafka://',
			'kafka://,',
			'kafka://a,',
			'kafka://a,,b',
			'kafka://a:',
			'kafka://a:0',
			'kafka://a:x',
			'kafka://a/t',
		],
		...['kafka://u@a', 'kafka://u:@a', 'kafka://:p@a', 'kafka://u:p@a@b', 'kafka://a?mechanism=plain', 'kafka://a;b'],
		...['kafka://u:p@a', 'kafkas://u:p:q@a'],
		...['kafkas://u:p@a?mechanism=gssapi', 'kafkas://u:p@a?mechanism=', 'kafkas://u:p@a?ssl=1', 'kafkas://u:%ZZ@a'],
	])('%j is none', (url) => expect(parseBrokerUrl(url)).toBeUndefined());

	it('is whole, or none, whatever the text', () => {
		const scheme = fc.constantFrom('amqp', 'amqps', 'redis', 'rediss', 'kafka', 'kafkas', 'http', '');
		const rest = fc.oneof(fc.string({ unit: 'binary' }), fc.stringMatching(/^[a-z\d:@,./?#%[\]-]{0,30}$/));
		let understood = 0;
		fc.assert(
			fc.property(scheme, rest, (name, text) => {
				const url = parseBrokerUrl(`${name}://${text}`);
				if (url === undefined) return;
				understood += 1;
				expect(url).toMatchObject({ url: `${name}://${text}`, tls: ['amqps', 'rediss', 'kafkas'].includes(name) });
			}),
			{ numRuns: 5000 },
		);
		expect(understood).toBeGreaterThan(20);
	});
});
