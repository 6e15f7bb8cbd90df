import { describe, expect, it } from '@jest/globals';
import { isPublic } from '../../../services/webhooks/addresses.ts';
import { PrivateAddress, publicOnly } from '../../../services/webhooks/resolving.ts';
import { isPrivateLiteral, urlFault } from '../../../services/webhooks/target.ts';

const PRIVATE = [
	...['127.0.0.1', '127.255.255.254', '0.0.0.0', '0.1.2.3', '10.0.0.1', '172.16.0.1', '172.31.255.255', '192.168.1.1'],
	...['169.254.169.254', '169.254.0.1', '100.64.0.1', '100.127.255.255', '224.0.0.1', '239.255.255.255', '240.0.0.1'],
	...['255.255.255.255', '192.0.0.1', '192.0.2.1', '198.18.0.1', '198.51.100.1', '203.0.113.1'],
	...[
		'::',
		'::1',
		'fe80::1',
		'fe80::1%eth0',
		'fc00::1',
		'fd00:ec2::254',
		'ff02::1',
		'fec0::1',
		'2001:db8::1',
		'100::1',
	],
	...['::ffff:127.0.0.1', '::ffff:7f00:1', '::ffff:a9fe:a9fe', '::127.0.0.1', '64:ff9b::7f00:1', '64:ff9b::a9fe:a9fe'],
	...['2002:7f00:1::', '2001::1', 'localhost', '', '1.2.3', '300.1.1.1'],
];
const PUBLIC = [
	'1.1.1.1',
	'8.8.8.8',
	'172.32.0.1',
	'100.128.0.1',
	'2606:4700::1111',
	'::ffff:8.8.8.8',
	'64:ff9b::808:808',
];

describe('addresses', () => {
	it.each(PRIVATE)('%j is not public', (address) => expect(isPublic(address)).toBe(false));
	it.each(PUBLIC)('%j is public', (address) => expect(isPublic(address)).toBe(true));
});

describe('a URL of an endpoint', () => {
	it.each([
		...['https://127.0.0.1/', 'https://127.1/', 'https://2130706433/', 'https://0x7f000001/', 'https://0177.0.0.1/'],
		...['https://0/', 'https://[::1]/', 'https://[::ffff:127.0.0.1]/', 'https://[::ffff:7f00:1]:8443/x'],
		...['https://169.254.169.254/latest/meta-data', 'https://192.168.0.1./', 'https://localhost/'],
	])('%s leads to a private address', async (url) => {
		expect(await urlFault(url, false)).toMatch(/private, loopback or link-local/);
		expect(await urlFault(url, true)).toBeUndefined();
	});

	it.each(['https://127.1/', 'https://0x7f000001/', 'https://[::ffff:7f00:1]/', 'https://169.254.169.254/'])(
		'%s is refused when it is called, too',
		(url) => expect(isPrivateLiteral(new URL(url))).toBe(true),
	);

	it.each([
		['http://1.1.1.1/', /https/],
		['https://user@1.1.1.1/', /no user/],
		['https://:secret@1.1.1.1/', /no user/],
		['https://1.1.1.1/#part', /fragment/],
		['ftp://1.1.1.1/', /Must be a URL/],
		['nonsense', /Must be a URL/],
	])('%s is refused', async (url, why) => expect(await urlFault(url, false)).toMatch(why));

	it('may be public, or have a name that is not known yet', async () => {
		expect(await urlFault('https://1.1.1.1/hooks', false)).toBeUndefined();
		expect(await urlFault('https://nowhere.invalid/', false)).toBeUndefined();
	});
});

it('a name that leads to a private address is refused when it is connected to', async () => {
	const error = await new Promise((resolve) => publicOnly('localhost', { all: true }, resolve));
	expect(error).toBeInstanceOf(PrivateAddress);
});
