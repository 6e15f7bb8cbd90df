/** Bytes that no HTTP client sends: what two readers may understand differently is refused, and the connection ends. */
import { subscribe, unsubscribe } from 'node:diagnostics_channel';
import type { Socket } from 'node:net';
import { setTimeout as sleep } from 'node:timers/promises';
import { afterAll, beforeAll, beforeEach, describe, expect, it } from '@jest/globals';
import { until } from '../../support/until.ts';
import { ID, type Stage, speak, stage, wire } from './fixtures.ts';

const LAMP = '{"productName":"Lamp","amount":12.50}';
const LENGTH = `Content-Length: ${LAMP.length}`;
const CHUNKED = 'Transfer-Encoding: chunked';
const CHUNK = `${LAMP.length.toString(16)}\r\n${LAMP}\r\n0\r\n\r\n`;

const request = (line: string, fields: readonly string[], body = ''): string =>
	`${line}\r\n${fields.map((field) => `${field}\r\n`).join('')}\r\n${body}`;
const post = (fields: readonly string[], body: string): string =>
	request('POST /orders HTTP/1.1', ['Host: x', 'Content-Type: application/json', ...fields], body);
const get = (target: string, ...fields: readonly string[]): string =>
	request(`GET ${target} HTTP/1.1`, ['Host: x', 'Connection: close', ...fields]);

let on: Stage;
beforeAll(async () => {
	on = await stage({ headersTimeout: 600, requestTimeout: 600 });
});
afterAll(() => on.broker.stop());
beforeEach(() => {
	on.calls.length = 0;
});

/** The statuses of all answers, in their order. */
const statuses = (text: string): number[] =>
	Array.from(text.matchAll(/HTTP\/1\.1 (\d+) /g), ([, status]) => Number(status));

/** Whatever is smuggled in behind it must never be a request of its own. */
const SMUGGLED = get(`/orders/${ID}`);

describe('a request whose end two readers may see in two places is refused with all that follows it', () => {
	it.each<[string, string]>([
		['the same length twice', post([LENGTH, LENGTH], LAMP)],
		['two lengths', post([LENGTH, 'Content-Length: 4'], LAMP)],
		['a list of lengths', post([`${LENGTH}, ${LAMP.length}`], LAMP)],
		['a length with a sign', post([`Content-Length: +${LAMP.length}`], LAMP)],
		['a length below zero', post(['Content-Length: -1'], LAMP)],
		['a length in hexadecimal', post([`Content-Length: 0x${LAMP.length.toString(16)}`], LAMP)],
		['a length beyond all numbers', post(['Content-Length: 99999999999999999999'], LAMP)],
		['a length that is empty', post(['Content-Length:'], LAMP)],
		['chunks, then a length', post([CHUNKED, LENGTH], CHUNK)],
		['a length, then chunks', post([LENGTH, CHUNKED], CHUNK)],
		['chunks that are not the last coding', post([`${CHUNKED}, identity`], CHUNK)],
		['another coding below the chunks', post(['Transfer-Encoding: gzip, chunked'], CHUNK)],
		['no coding below the chunks', post(['Transfer-Encoding: identity, chunked'], CHUNK)],
		['chunks twice', post([CHUNKED, CHUNKED], CHUNK)],
		['nearly chunks', post(['Transfer-Encoding: xchunked'], CHUNK)],
		['chunks behind a control character', post(['Transfer-Encoding: \x0bchunked'], CHUNK)],
		['a space before the colon', post(['Transfer-Encoding : chunked'], CHUNK)],
		['a field that goes on in the next line', post([LENGTH, 'X: a', ' Transfer-Encoding: chunked'], LAMP)],
		['a first field that is indented', `POST /orders HTTP/1.1\r\n Host: x\r\n${LENGTH}\r\n\r\n${LAMP}`],
		['a chunk of 0x', post([CHUNKED], `0x${CHUNK}`)],
		['a chunk below zero', post([CHUNKED], `-1\r\n${CHUNK}`)],
		['a chunk beyond all numbers', post([CHUNKED], `fffffffffffffffff\r\n${CHUNK}`)],
		['a chunk longer than it says', post([CHUNKED], `1\r\n${LAMP}\r\n0\r\n\r\n`)],
		['a chunk with a bare LF', post([CHUNKED], CHUNK.replace('\r\n', '\n'))],
		['a chunk extension with a bare LF', post([CHUNKED], CHUNK.replace('\r\n', ';a\nb\r\n'))],
		['a field after the chunks', post([CHUNKED], CHUNK.replace(/\r\n$/, `${LENGTH}\r\n\r\n`))],
		['chunks in HTTP/1.0', post([CHUNKED], CHUNK).replace('HTTP/1.1', 'HTTP/1.0')],
		['bare LF everywhere', get(`/orders/${ID}`).replaceAll('\r\n', '\n')],
		['a bare LF after a field', get(`/orders/${ID}`).replace('Host: x\r\n', 'Host: x\n')],
		['a bare LF at the end', get(`/orders/${ID}`).replace(/\r\n\r\n$/, '\r\n\n')],
		['a bare CR', get(`/orders/${ID}`).replace('Host: x', 'Host: x\rX: y')],
		['two hosts', get(`/orders/${ID}`, 'Host: y')],
		['the same host twice', get(`/orders/${ID}`, 'hOST: x')],
		['a host with a space', get(`/orders/${ID}`).replace('Host: x', 'Host: x y')],
		['a host with a path', get(`/orders/${ID}`).replace('Host: x', 'Host: x/y')],
		['a host with a user', get(`/orders/${ID}`).replace('Host: x', 'Host: u@x')],
		['NUL in a field', get(`/orders/${ID}`, 'X: a\0b')],
		['NUL in the name of a field', get(`/orders/${ID}`, 'X\0: a')],
		['NUL in the target', get('/orders/\0')],
		['bytes beyond ASCII in the target', get('/orders/\xff')],
		['a target that is a host', get('x:80')],
		['a target that is no path', get('orders')],
		['a target of another scheme', get(`ftp://x/orders/${ID}`)],
		['a target that is a star', get('*')],
		['a method that nobody knows', get('/orders').replace('GET', 'FOO')],
		['a method in lower case', get('/orders').replace('GET', 'get')],
		['HTTP/0.9', 'GET /orders\r\n\r\n'],
		['HTTP/0.9 with a number', get('/orders').replace('HTTP/1.1', 'HTTP/0.9')],
		['HTTP/1.2', get('/orders').replace('HTTP/1.1', 'HTTP/1.2')],
		['HTTP/2 in words', get('/orders').replace('HTTP/1.1', 'HTTP/2.0')],
		['the preface of HTTP/2', 'PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n'],
		['TLS', '\x16\x03\x01\x00\xc8\x01\x00\x00\xc4\x03\x03'],
	])('%s', async (_name, bytes) => {
		const answer = await speak(on.port, Buffer.from(bytes + SMUGGLED, 'latin1'));
		const [head = '', body = ''] = answer.split('\r\n\r\n');
		expect(statuses(answer)).toEqual([400]);
		expect(head).toMatch(/Connection: close/);
		const { traceId, ...problem } = JSON.parse(body) as Record<string, unknown>;
		expect(problem).toMatchObject({
			...{ type: '/problems/request.malformed', title: 'Malformed request', status: 400, code: 'Request.Malformed' },
			detail: expect.any(String),
		});
		expect(head).toContain(`X-Request-Id: ${traceId}`);
		expect(on.calls).toEqual([]);
	});

	it.each<[string, string, number, string]>([
		[
			'more header fields than anybody needs',
			get('/orders', ...Array(1_500).fill('x:y')),
			431,
			'Request.HeadersTooLarge',
		],
		['a target that is too long', get(`/orders/${'x'.repeat(17_000)}`), 431, 'Request.HeadersTooLarge'],
		['a chunk extension without end', post([CHUNKED], `1;${'x'.repeat(20_000)}\r\n`), 413, 'Request.TooLarge'],
	])('%s', async (_name, bytes, status, code) => {
		const answer = await speak(on.port, bytes);
		expect(statuses(answer)).toEqual([status]);
		expect(answer).toContain(`"code":"${code}"`);
		expect(on.calls).toEqual([]);
	});
});

describe('what is unusual and clear', () => {
	it.each<[string, string, number[]]>([
		['an empty line before a request', `\r\n\r\n${get('/orders')}`, [200]],
		['HTTP/1.0, whose connection ends by itself', 'GET /orders HTTP/1.0\r\n\r\n', [200]],
		[
			'HTTP/1.0 that is to go on',
			`${request('GET /orders HTTP/1.0', ['Connection: keep-alive'])}${get('/orders')}`,
			[200, 200],
		],
		['an absolute target', get(`http://elsewhere.test:80/orders/${ID}`), [200]],
		['an absolute target in capitals', get(`HTTPS://x/orders/${ID}`), [200]],
		['an absolute target without a path', get('http://x'), [404]],
		['a path that stands in the query of an absolute target', get('http://x?/orders'), [404]],
		['a host with a port', get('/orders').replace('Host: x', 'Host: [::1]:5300'), [200]],
		['an empty host', get('/orders').replace('Host: x', 'Host:'), [200]],
		['an extension of a chunk', post([CHUNKED, 'Connection: close'], CHUNK.replace('\r\n', ';a=b\r\n')), [201]],
		['an expectation that is known', post([LENGTH, 'Expect: 100-continue', 'Connection: close'], LAMP), [100, 201]],
		[
			'a body that GET does not know',
			`${request('GET /orders HTTP/1.1', ['Host: x', 'Content-Length: 5'], 'hello')}${get('/orders')}`,
			[200, 200],
		],
		[
			'a method in a field',
			request(`POST /orders/${ID} HTTP/1.1`, ['Host: x', 'X-HTTP-Method-Override: GET', 'Connection: close']),
			[405],
		],
		['a loop through all proxies', request('TRACE /orders HTTP/1.1', ['Host: x', 'Connection: close']), [405]],
		['the server as a whole', request('OPTIONS * HTTP/1.1', ['Host: x', 'Connection: close']), [400]],
		['dots in a path', get('/health/../orders'), [404]],
		['two slashes', get('//orders'), [404]],
		['a fragment', get('/orders#x'), [404]],
		['NUL in an id', get('/orders/%00'), [400]],
		['NUL in a query', get('/orders?cursor=%00'), [422]],
		[
			'a command whose chunks hold nothing',
			request(`POST /orders/${ID}/cancel HTTP/1.1`, ['Host: x', CHUNKED, 'Connection: close'], '0\r\n\r\n'),
			[202],
		],
		[
			'ever deeper JSON',
			post(
				[`Content-Length: ${15_000 + LAMP.length}`, 'Connection: close'],
				LAMP.replace('"Lamp"', `${'['.repeat(7_500)}"Lamp"${']'.repeat(7_500)}`),
			),
			[422],
		],
	])('%s', async (_name, bytes, expected) => {
		expect(statuses(await speak(on.port, bytes))).toEqual(expected);
	});

	it.each(['h2c', 'websocket', 'TLS/1.0'])(
		'an upgrade to %s is not made, and the connection goes on as it is',
		async (protocol) => {
			const { socket, until: received } = wire(on.port);
			const upgrade = [
				'Connection: Upgrade, HTTP2-Settings',
				`Upgrade: ${protocol}`,
				'HTTP2-Settings: AAMAAABkAARAAAAAAAIAAAAA',
			];
			socket.write(post([...upgrade, LENGTH], LAMP));
			await received('"currency"');
			socket.write(get('/orders'));
			expect(statuses(await received('nextCursor'))).toEqual([201, 200]);
			socket.destroy();
		},
	);

	it('a field after the chunks changes nothing', async () => {
		const trailer = 'Idempotency-Key: a\r\n';
		const answer = await speak(on.port, post([CHUNKED, 'Connection: close'], CHUNK.replace(/\r\n$/, `${trailer}\r\n`)));
		expect(statuses(answer)).toEqual([201]);
		expect(on.calls[0]?.params).not.toHaveProperty('idempotencyKey');
	});
});

describe('a client that has closed its half', () => {
	it('before its request was complete is told so', async () => {
		const { socket, closed } = wire(on.port);
		socket.end(post(['Content-Length: 100'], '{'));
		expect(statuses(await closed)).toEqual([400]);
		expect(on.calls).toEqual([]);
	});

	it('has gone, as Node sees it, and nothing of it is kept', async () => {
		const { socket, closed } = wire(on.port);
		on.once(() => closed.then(() => ({ id: ID, amount: '1' })));
		socket.end(request(`GET /orders/${ID} HTTP/1.1`, ['Host: x']));
		expect(await closed).toBe('');
		const { load } = on.broker.getLocalService('gateway') as unknown as { load: { atWork: number } };
		await until(() => load.atWork === 0, 'its place is free');
	});
});

describe('requests without end on one connection', () => {
	it('are read as far as some may wait, whatever comes behind them', async () => {
		const read: Socket[] = [];
		const onSocket = (message: unknown): void => {
			read.push((message as { socket: Socket }).socket);
		};
		subscribe('net.server.socket', onSocket);
		const held = await stage({ pipelined: 5 }, { patience: 60_000 });
		let release = (_: unknown): void => {};
		held.once(() => new Promise((resolve) => (release = resolve)));
		const { socket, closed } = wire(held.port);
		const one = request(`GET /orders/${ID} HTTP/1.1`, ['Host: x']);
		socket.write(one);
		await until(() => held.calls.length === 1);
		for (let count = 0; count < 100; count += 1) socket.write(one.repeat(2_000));
		await until(async () => {
			const before = read[0]?.bytesRead;
			await sleep(50);
			return before !== undefined && before > one.length && read[0]?.bytesRead === before;
		}, 'reading has come to rest');
		// Nobody reads the rest: it is the client's to keep.
		expect(read[0]?.bytesRead).toBeLessThan(1_000_000);
		expect((await fetch(`${held.url}/orders`)).status).toBe(200);
		release({ id: ID, amount: '1' });
		expect(statuses(await closed)).toEqual([200, 200, 200, 200, 200, 200]);
		expect(held.calls.filter(({ action }) => action === 'orders.get')).toHaveLength(6);
		unsubscribe('net.server.socket', onSocket);
		await held.broker.stop();
	});
});
