import type { IncomingMessage } from 'node:http';
import { isIP } from 'node:net';
import { describe, expect, it } from '@jest/globals';
import fc from 'fast-check';
import { parseSettings } from '../../../mixins/settings/settings.ts';
import { ClientAddresses } from '../../../services/gateway/admission/client-address.ts';

const addresses = (trust: string): ClientAddresses =>
	new ClientAddresses(parseSettings({ TRUST_PROXY: trust }).access.trustProxy);

/** From what of a request its client is known. */
const request = (remoteAddress: string | undefined, headers: Readonly<Record<string, string>> = {}): IncomingMessage =>
	({ socket: { remoteAddress }, headers }) as unknown as IncomingMessage;

const xff = (value: string) => ({ 'x-forwarded-for': value });
const forwarded = (value: string) => ({ forwarded: value });

describe('without a proxy', () => {
	it.each([
		['192.0.2.1', '192.0.2.1'],
		['::ffff:192.0.2.1', '192.0.2.1'],
		['2001:db8:1:2:3:4:5:6', '2001:db8:1:2::/64'],
		['2001:db8::1', '2001:db8:0:0::/64'],
		['fe80::1%eth0', 'fe80:0:0:0::/64'],
		['::1', '0:0:0:0::/64'],
		[undefined, 'unknown'],
	])('%s counts as %s, whatever its headers say', (peer, expected) => {
		const headers = { ...xff('198.51.100.7'), ...forwarded('for=198.51.100.7') };
		expect(addresses('').of(request(peer, headers))).toBe(expected);
	});

	it('all addresses of a network count as one', () => {
		const network = fc.tuple(...Array.from({ length: 4 }, () => fc.nat(0xffff)));
		const hex = (groups: readonly number[]): string => groups.map((group) => group.toString(16)).join(':');
		fc.assert(
			fc.property(network, network, network, (prefix, one, other) => {
				const of = (host: readonly number[]): string => addresses('').of(request(hex([...prefix, ...host])));
				// IPv4 in IPv6's clothes stays apart.
				fc.pre(prefix.some((group) => group !== 0));
				expect(of(one)).toBe(of(other));
				expect(of(one)).toBe(`${hex(prefix)}::/64`);
			}),
		);
	});
});

describe('behind proxies that are trusted: 10.0.0.0/8 and fd00::/8', () => {
	const trusting = addresses('10.0.0.0/8,fd00::/8');

	it.each<[string, string, Record<string, string>, string]>([
		['no header', '10.0.0.1', {}, '10.0.0.1'],
		['one hop', '10.0.0.1', xff('192.0.2.1'), '192.0.2.1'],
		['a proxy in IPv6 clothes', '::ffff:10.0.0.1', xff('192.0.2.1'), '192.0.2.1'],
		['a proxy that is not trusted', '192.0.2.9', xff('192.0.2.1'), '192.0.2.9'],
		['a chain', '10.0.0.1', xff('192.0.2.1, 10.0.0.3 ,fd00::2'), '192.0.2.1'],
		['what the client says before', '10.0.0.1', xff('1.1.1.1, 2.2.2.2, 192.0.2.1'), '192.0.2.1'],
		['a stranger in the chain', '10.0.0.1', xff('192.0.2.1, 198.51.100.1, 10.0.0.2'), '198.51.100.1'],
		['proxies alone', '10.0.0.1', xff('10.0.0.3,10.0.0.2'), '10.0.0.3'],
		['a port', '10.0.0.1', xff('192.0.2.1:4711'), '192.0.2.1'],
		['IPv6', '10.0.0.1', xff('2001:db8::7'), '2001:db8:0:0::/64'],
		['IPv6 with a port', '10.0.0.1', xff('[2001:db8::7]:4711'), '2001:db8:0:0::/64'],
		['a name', '10.0.0.1', xff('192.0.2.1, client.example'), '10.0.0.1'],
		['a name before a proxy', '10.0.0.1', xff('client.example, 10.0.0.2'), '10.0.0.2'],
		['nothing', '10.0.0.1', xff(''), '10.0.0.1'],
		['an empty place', '10.0.0.1', xff('192.0.2.1,'), '10.0.0.1'],
		['nonsense', '10.0.0.1', xff('; DROP TABLE'), '10.0.0.1'],
		['RFC 7239', '10.0.0.1', forwarded('for=192.0.2.60;proto=http;by=203.0.113.43'), '192.0.2.60'],
		['its quotes and its case', '10.0.0.1', forwarded('For="[2001:db8:cafe::17]:4711"'), '2001:db8:cafe:0::/64'],
		['its escapes', '10.0.0.1', forwarded('for="192.0.2\\.60"'), '192.0.2.60'],
		['its chain', '10.0.0.1', forwarded('for=1.1.1.1, for=192.0.2.60;by=10.0.0.2 , for=10.0.0.2'), '192.0.2.60'],
		['a comma in quotes', '10.0.0.1', forwarded('for=192.0.2.60;host="a, for=6.6.6.6"'), '192.0.2.60'],
		['its unknown', '10.0.0.1', forwarded('for=192.0.2.60, for=unknown'), '10.0.0.1'],
		['its hidden names', '10.0.0.1', forwarded('for=192.0.2.60, for=_gazonk'), '10.0.0.1'],
		['an element without for', '10.0.0.1', forwarded('for=192.0.2.60, by=10.0.0.2'), '10.0.0.1'],
		['a quote that does not end', '10.0.0.1', forwarded('for="192.0.2.60'), '10.0.0.1'],
		['no pairs', '10.0.0.1', forwarded('192.0.2.60'), '10.0.0.1'],
		['both, in agreement', '10.0.0.1', { ...forwarded('for=192.0.2.1'), ...xff('192.0.2.1') }, '192.0.2.1'],
		['a header that the proxy hands on', '10.0.0.1', { ...forwarded('for=6.6.6.6'), ...xff('192.0.2.1') }, '10.0.0.1'],
		['the other', '10.0.0.1', { ...forwarded('for=192.0.2.1'), ...xff('6.6.6.6') }, '10.0.0.1'],
	])('%s', (_name, peer, headers, expected) => {
		expect(trusting.of(request(peer, headers))).toBe(expected);
	});

	it('whatever a client writes, it stands left of what the proxy writes', () => {
		const text = fc.oneof(fc.string(), fc.constantFrom('10.0.0.9', 'for=10.0.0.9', '"', ',', '[', 'for="', '\\'));
		fc.assert(
			fc.property(fc.array(text), (parts) => {
				const headers = xff([...parts, '192.0.2.1'].join(','));
				expect(trusting.of(request('10.0.0.1', headers))).toBe('192.0.2.1');
			}),
		);
		fc.assert(
			fc.property(fc.array(text), (parts) => {
				const headers = forwarded([...parts, 'for=192.0.2.1'].join(','));
				// A header that cannot be read is not read in part.
				expect(['192.0.2.1', '10.0.0.1']).toContain(trusting.of(request('10.0.0.1', headers)));
			}),
		);
	});
});

describe('Forwarded is read as RFC 7239 has it, or not at all', () => {
	const trusting = addresses('10.0.0.0/8');

	it.each<[string, string]>([
		['for=1.1.1.1', '1.1.1.1'],
		['FOR=1.1.1.1;by=2.2.2.2,for=3.3.3.3', '3.3.3.3'],
		['for=1.1.1.1; by=2.2.2.2', '1.1.1.1'],
		['for="1.1.1\\.1"', '1.1.1.1'],
		...['for="1.1.1.1\\"b"', 'by=1.1.1.1', '', 'for', 'for=', 'for=1.1.1.1 b', 'for=[::1]'].map(none),
		...['for=1.1.1.1,,', 'for=127.1', 'for=0x7f000001', 'for=0300.0.2.1', '__proto__=x', 'for =1.1.1.1'].map(none),
	])('%s: %s', (header, expected) => expect(trusting.of(request('10.0.0.1', forwarded(header)))).toBe(expected));

	function none(header: string): [string, string] {
		return [header, '10.0.0.1'];
	}
});

it('whatever Node takes for an address has an owner', () => {
	const address = fc.oneof(fc.ipV4(), fc.ipV4Extended(), fc.ipV6());
	fc.assert(
		fc.property(address, (peer) => {
			const owner = addresses('').of(request(peer));
			if (isIP(peer) === 4) expect(owner).toBe(peer);
			else if (isIP(peer) === 6) expect(isIP(owner) === 4 || owner.endsWith('::/64')).toBe(true);
			else expect(owner).toBe('unknown');
		}),
		{ numRuns: 2_000 },
	);
});

describe('the URL of the gateway as the client sees it', () => {
	const seen = (headers: Record<string, string>, { peer = '10.0.0.1', url = '/orders' } = {}): string | undefined =>
		addresses('10.0.0.0/8').urlOf(Object.assign(request(peer, headers), { url }));

	it.each<[string, Record<string, string>, string | undefined]>([
		['its own host', { host: 'shop.test:5300' }, 'http://shop.test:5300'],
		['an address', { host: '[fd00::1]:80' }, 'http://[fd00::1]:80'],
		['no host', {}, undefined],
		['a host that is none', { host: 'a/b' }, undefined],
		['a proxy', { host: 'inside', 'x-forwarded-proto': 'https' }, 'https://inside'],
		[
			'proxies',
			{ host: 'inside', 'x-forwarded-proto': 'https, http', 'x-forwarded-host': 'shop.test, inside' },
			'https://shop.test',
		],
		[
			'the standard header',
			{ host: 'inside', forwarded: 'proto=https;host="shop.test:8443", for=10.0.0.2' },
			'https://shop.test:8443',
		],
		['a prefix', { host: 'shop.test', 'x-forwarded-prefix': '/api/' }, 'http://shop.test/api'],
		['another scheme', { host: 'shop.test', 'x-forwarded-proto': 'javascript' }, 'http://shop.test'],
	])('%s', (_, headers, expected) => {
		expect(seen(headers)).toBe(expected);
	});

	it('is not taken from a stranger', () => {
		const headers = { host: 'shop.test', 'x-forwarded-proto': 'https', 'x-forwarded-host': 'evil.test' };
		expect(seen({ ...headers, forwarded: 'host=evil.test' }, { peer: '192.0.2.1' })).toBe('http://shop.test');
	});

	it('is that of an absolute-form target before the header', () => {
		expect(seen({ host: 'other.test' }, { url: 'http://shop.test/orders' })).toBe('http://shop.test');
	});
});
