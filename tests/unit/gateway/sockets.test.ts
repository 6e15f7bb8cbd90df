import { setTimeout as sleep } from 'node:timers/promises';
import { afterAll, beforeAll, describe, expect, it } from '@jest/globals';
import type { WithServer } from '../../../services/gateway/serving.ts';
import gateway from '../../../services/gateway.service.ts';
import { testBroker } from '../../support/platform.ts';
import { until } from '../../support/until.ts';
import { gatewayPlatform, HEALTHY, ID, type Stage, speak, stage, wire } from './fixtures.ts';

const GET = `GET /orders/${ID} HTTP/1.1\r\nHost: x\r\n`;
const POST = 'POST /orders HTTP/1.1\r\nHost: x\r\nContent-Type: application/json\r\n';
const LAMP = '{"productName":"Lamp","amount":12.50}';

describe('bytes that are no request', () => {
	let on: Stage;
	beforeAll(async () => {
		on = await stage({ headersTimeout: 600, requestTimeout: 600 });
	});
	afterAll(() => on.broker.stop());

	it.each<[string, string, number, string]>([
		['nonsense', 'nonsense\r\n\r\n', 400, 'Request.Malformed'],
		['no Host', 'GET /orders HTTP/1.1\r\nConnection: close\r\n\r\n', 400, 'Request.Malformed'],
		['a bad header', `${GET}Bad Header: 1\r\n\r\n`, 400, 'Request.Malformed'],
		[
			'two lengths',
			`${POST}Content-Length: 4\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n`,
			400,
			'Request.Malformed',
		],
		['a bad chunk', `${POST}Transfer-Encoding: chunked\r\n\r\nxyz\r\n`, 400, 'Request.Malformed'],
		['a large header', `${GET}X: ${'x'.repeat(20_000)}\r\n\r\n`, 431, 'Request.HeadersTooLarge'],
		['a header without end', `${GET}X: `, 408, 'Request.Timeout'],
		['a body without end', `${POST}Content-Length: 100\r\n\r\n{`, 408, 'Request.Timeout'],
		['silence', '', 408, 'Request.Timeout'],
		['a tunnel', 'CONNECT a:1 HTTP/1.1\r\nHost: a:1\r\n\r\n', 400, 'Request.Malformed'],
		['an expectation', `${GET}Expect: miracles\r\nConnection: close\r\n\r\n`, 417, 'Request.ExpectationFailed'],
		[
			'a key twice',
			`${POST}Idempotency-Key: a\r\nIdempotency-Key: a\r\nContent-Length: 2\r\nConnection: close\r\n\r\n{}`,
			400,
			'Request.Malformed',
		],
		[
			'a key twice, once empty',
			`${POST}Idempotency-Key:\r\nIdempotency-Key: a\r\nContent-Length: 2\r\nConnection: close\r\n\r\n{}`,
			400,
			'Request.Malformed',
		],
		['a path from nowhere', 'GET orders HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n', 400, 'Request.Malformed'],
	])('%s', async (_name, bytes, status, code) => {
		const answer = await speak(on.port, bytes);
		const [head = '', body = ''] = answer.split('\r\n\r\n');
		expect(head).toMatch(new RegExp(`^HTTP/1.1 ${status} `));
		expect(head).toMatch(/Content-Type: application\/problem\+json/);
		expect(head).toMatch(/Connection: close/);
		expect(JSON.parse(body)).toMatchObject({ status, code });
		expect(answer.match(/HTTP\/1\.1/g)).toHaveLength(1);
		expect(on.calls).toEqual([]);
	});

	it('answers 413 before the body has come, and then throws it away', async () => {
		const { socket, until } = wire(on.port);
		socket.write(`${POST}Content-Length: 40000\r\n\r\n`);
		expect(await until('Request.TooLarge')).toMatch(/^HTTP\/1.1 413 /);
		socket.write(`${'x'.repeat(40_000)}${GET}Connection: close\r\n\r\n`);
		expect(await until('"currency"')).toContain('HTTP/1.1 200 ');
	});

	it('answers a request that is followed by nonsense, and then closes', async () => {
		// One turn later all that came with the request has been parsed.
		on.once(() => new Promise((resolve) => setImmediate(resolve, { id: ID, amount: '1' })));
		const answer = await speak(on.port, `${GET}\r\nnonsense\r\n\r\n`);
		expect(answer.match(/HTTP\/1\.1 \d+/g)).toEqual(['HTTP/1.1 200']);
	});

	it('ends a 304 where its header ends, and reads headers that come twice as one list', async () => {
		on.calls.length = 0;
		on.once(({ meta }) => {
			meta.version = 'b';
			return { id: ID, amount: '1' };
		});
		const twice = 'If-None-Match: "a"\r\nIf-None-Match: W/"b"\r\nPrefer: x\r\nPrefer: wait=7, wait=8\r\n';
		const answer = await speak(on.port, `${GET}${twice}\r\n${GET}Connection: close\r\n\r\n`);
		expect(answer.match(/HTTP\/1\.1 \d+/g)).toEqual(['HTTP/1.1 304', 'HTTP/1.1 200']);
		const [head = '', next = ''] = answer.split('\r\n\r\n');
		expect(head).toContain('ETag: "b"');
		expect(head).not.toMatch(/^(Content-(Length|Type)|Transfer-Encoding):/m);
		expect(next).toMatch(/^HTTP\/1\.1 200/);
		expect(on.calls[0]?.params).toEqual({ id: ID, known: ['a', 'b'], wait: 7 });
	});

	it('keeps nothing of a client that goes away', async () => {
		on.log.length = 0;
		let answered = 0;
		for (const bytes of [`${POST}Content-Length: 100\r\n\r\n{`, `${GET}\r\n`]) {
			on.once(async () => {
				await sleep(50);
				answered += 1;
				return { id: ID, amount: '1' };
			});
			const { socket, closed } = wire(on.port);
			socket.write(bytes, () => setTimeout(() => socket.resetAndDestroy(), 20));
			await closed;
		}
		await until(() => answered > 0, 'the order was answered to nobody');
		expect((await fetch(`${on.url}/orders`)).status).toBe(200);
		expect(on.log).toEqual([]);
	});
});

describe('health', () => {
	let on: Stage;
	beforeAll(async () => {
		on = await stage();
	});
	afterAll(() => on.broker.stop());
	const database = { name: 'database', reason: 'no answer' };

	it.each([
		['ok', HEALTHY, 200],
		['degraded', { ready: true, failing: [], degraded: [database] }, 200],
		['unavailable', { ready: false, failing: [database], degraded: [] }, 503],
	] as const)('is %s', async (status, health, code) => {
		on.health = async () => health;
		const res = await fetch(`${on.url}/health/ready`);
		expect([res.status, await res.json()]).toEqual([
			code,
			{ status, failing: health.failing, degraded: health.degraded },
		]);
		expect((await fetch(`${on.url}/health/live?probe=1`)).status).toBe(200);
		expect(on.calls).toEqual([]);
	});
});

describe('start and stop', () => {
	it('says in one line that the port is in use', async () => {
		const on = await stage();
		const { settings, ...platform } = gatewayPlatform(async () => HEALTHY);
		const http = { host: '127.0.0.1', port: on.port };
		const second = testBroker({ ...platform, settings: { ...settings, http } });
		const service = second.createService(gateway) as unknown as WithServer;
		await second.start();
		const error = await service.listen().catch((err: Error) => err);
		expect(error).toHaveProperty('message', `The gateway cannot listen on 127.0.0.1:${on.port}: the port is in use`);
		await second.stop();
		await on.broker.stop();
	});

	it('closes idle and silent connections at once', async () => {
		const on = await stage();
		const idle = wire(on.port);
		idle.socket.write(`${GET}\r\n`);
		await idle.until('"currency"');
		const silent = wire(on.port);
		await sleep(50);
		const start = performance.now();
		await on.broker.stop();
		await Promise.all([idle.closed, silent.closed]);
		expect(performance.now() - start).toBeLessThan(5_000); // a stop may take seven seconds
		await expect(fetch(`${on.url}/health/live`)).rejects.toThrow();
	});

	it('ends what is under way, refuses what is new, and says so to probes', async () => {
		const on = await stage();
		let release = (_: unknown) => {};
		on.once(() => new Promise((resolve) => (release = resolve)));
		const [slow, other, upload] = [wire(on.port), wire(on.port), wire(on.port)];
		slow.socket.write(`${GET}\r\n`);
		upload.socket.write(`${POST}Expect: 100-continue\r\nContent-Length: ${LAMP.length}\r\n\r\n{`);
		other.socket.write('GET /health/ready HTTP/1.1\r\nHost: x\r\n');
		// Both have been begun, however busy the machine.
		await Promise.all([until(() => on.calls.length === 1), upload.until('100 Continue'), sleep(50)]);
		const stopped = on.broker.stop();
		await sleep(50);
		other.socket.write('\r\n');
		const probe = await other.closed;
		expect(probe).toMatch(/^HTTP\/1.1 503 .*Connection: close.*"reason":"stopping"/s);
		release({ id: ID, amount: '1.0' });
		expect(await slow.closed).toMatch(/^HTTP\/1.1 200 .*Connection: close.*"amount":1\.0/s);
		const refused = (): Promise<boolean> =>
			fetch(`${on.url}/health/live`).then(
				() => false,
				() => true,
			);
		await until(refused, 'nobody is let in any more');
		upload.socket.write(LAMP.slice(1));
		expect(await upload.closed).toMatch(/HTTP\/1.1 201 .*Connection: close/s);
		await stopped;
		expect(on.calls.map(({ action }) => action)).toEqual(['orders.get', 'orders.create', 'stopped']);
	});

	it('leaves before that: all that a connection has asked is answered, and then it ends', async () => {
		const on = await stage();
		const [idle, busy] = [wire(on.port), wire(on.port)];
		idle.socket.write(`${GET}\r\n`);
		await idle.until('"currency"');
		let release = (_: unknown) => {};
		on.once(() => new Promise((resolve) => (release = resolve)));
		busy.socket.write(`${GET}\r\n${GET}\r\n${GET}\r\n`);
		await until(() => on.calls.length === 2);
		(on.broker.getLocalService('gateway') as unknown as WithServer).server.leave();
		release({ id: ID, amount: '1.0' });
		const answers = (await busy.closed).split('HTTP/1.1 200').slice(1);
		expect(answers.map((answer) => answer.includes('Connection: close'))).toEqual([false, false, true]);
		idle.socket.write(`${GET}\r\n`);
		expect(await idle.closed).toMatch(/keep-alive.*HTTP\/1.1 200 .*Connection: close/s);
		expect((await fetch(`${on.url}/orders?limit=1`)).headers.get('connection')).toBe('close');
		await on.broker.stop();
	});

	it('refuses a new request on a connection that is still open', async () => {
		const on = await stage();
		const { socket, closed } = wire(on.port);
		socket.write(GET);
		await sleep(50);
		const stopped = on.broker.stop();
		await sleep(20);
		socket.write('\r\n');
		expect(await closed).toMatch(/^HTTP\/1.1 503 .*Retry-After: 1.*Connection: close.*Service\.Unavailable/s);
		await stopped;
		expect(on.calls.map(({ action }) => action)).toEqual(['stopped']);
	});

	it.each([
		['the broker', (on: Stage) => on.broker.stop()],
		['the service alone', (on: Stage) => on.broker.destroyService('gateway')],
	])('stopping %s is not held up by a client that never finishes', async (_name, stop) => {
		const on = await stage({ stopTimeout: 400 });
		const { socket, closed, until: seen } = wire(on.port);
		socket.write(`${POST}Expect: 100-continue\r\nContent-Length: 100\r\n\r\n`);
		const begun = await seen('HTTP/1.1 100 Continue\r\n\r\n');
		socket.write('{');
		const start = performance.now();
		await stop(on);
		expect(performance.now() - start).toBeLessThan(5_000); // a request may take fifteen
		expect(await closed).toBe(begun);
		expect(on.log).toEqual([]);
		await on.broker.stop();
	});

	it('is not ready before the broker is', async () => {
		const broker = testBroker(gatewayPlatform(async () => HEALTHY));
		const service = broker.createService(gateway) as unknown as WithServer;
		let release = () => {};
		broker.createService({ name: 'slow', started: () => new Promise<void>((resolve) => (release = resolve)) });
		const started = broker.start();
		await service.listen();
		const { port } = service.address();
		const early = await fetch(`http://127.0.0.1:${port}/health/ready`);
		expect([early.status, await early.json()]).toMatchObject([503, { failing: [{ reason: 'starting' }] }]);
		release();
		await started;
		expect((await fetch(`http://127.0.0.1:${port}/health/ready`)).status).toBe(200);
		await broker.stop();
	});
});
