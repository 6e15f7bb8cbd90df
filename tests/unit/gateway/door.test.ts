/** Who is let in without tokens, what a body may be called, and where links lead from below a proxy's path. */
import { request } from 'node:http';
import { afterAll, beforeAll, beforeEach, describe, expect, it } from '@jest/globals';
import { PROBLEMS, problemType } from '../../../mixins/http/problem-codes.ts';
import { ID, type ProblemBody, problem, type Stage, speak, stage } from './fixtures.ts';

const LAMP = '{"productName":"Lamp","amount":12.50}';

let on: Stage;
beforeAll(async () => {
	const access = {
		auth: { kind: 'off', host: '127.0.0.1' },
		trustProxy: [{ address: '127.0.0.1', prefix: 32, family: 'ipv4' }],
	} as const;
	on = await stage({}, { access });
});
afterAll(() => on.broker.stop());
beforeEach(() => {
	on.calls.length = 0;
});

/** Without `fetch`, which writes `Host` itself; the status. */
function statusOf(
	path: string,
	headers: Record<string, string>,
	method = 'GET',
	url = on.url,
): Promise<number | undefined> {
	return new Promise((resolve, reject) => {
		request(`${url}${path}`, { method, headers, agent: false }, (res) => {
			res.resume();
			resolve(res.statusCode);
		})
			.on('error', reject)
			.end();
	});
}

const create = (body: NonNullable<RequestInit['body']>, headers: Record<string, string> = {}): Promise<Response> =>
	fetch(`${on.url}/orders`, { method: 'POST', body, headers: { 'content-type': 'application/json', ...headers } });

describe('without tokens a name that may be rebound to this machine is refused', () => {
	it.each([
		...['localhost', 'LOCALHOST:80', 'localhost.:5300', 'shop.localhost', '127.0.0.1', '127.0.0.1:1', '127.9.9.9:5300'],
		...['[::1]', '[::1]:5300', '[0:0:0:0:0:0:0:1]:5300', '127.1'],
	])('%s is this machine', async (host) => {
		expect(await statusOf('/orders', { host })).toBe(200);
	});

	it.each([
		...['evil.example', 'evil.example:5300', 'localhost.evil.example', '127.0.0.1.evil.example', 'evillocalhost'],
		...['10.0.0.1', '128.0.0.1', '[::2]:5300', '[fe80::1]', '0.0.0.0:5300', 'xn--lcalhost-54a'],
	])('%s is not', async (host) => {
		for (const [method, path] of [
			['GET', '/orders'],
			['POST', `/orders/${ID}/cancel`],
			['GET', '/openapi.json'],
			['GET', '/'],
		] as const) {
			expect([path, await statusOf(path, { host }, method)]).toEqual([path, 421]);
		}
		expect(on.calls).toEqual([]);
		// Whoever asks for the process's health may call it as they like, and learns nothing of orders.
		expect(await statusOf('/health/live', { host })).toBe(200);
	});

	it('metrics are told to whoever calls this machine by a name of the network, and to no stranger', async () => {
		for (const host of ['localhost', 'x', 'monitoring:5300', '10.0.0.1:5300', 'shop.internal'])
			expect([host, await statusOf('/metrics', { host })]).toEqual([host, 200]);
		for (const host of ['evil.example', '127.0.0.1.evil.example:5300'])
			expect([host, await statusOf('/metrics', { host })]).toEqual([host, 421]);
	});

	it('nor is one in the request line', async () => {
		const ask = (host: string) =>
			speak(on.port, `GET http://${host}/orders HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n`);
		expect(await ask('localhost')).toMatch(/^HTTP\/1\.1 200/);
		const refused = await ask('evil.example');
		expect(refused).toMatch(/^HTTP\/1\.1 421/);
		expect(refused).toContain('"code":"Request.Misdirected"');
	});

	it('on another HOST every address and private name is taken, and no name that a stranger may own', async () => {
		const other = await stage({}, { access: { auth: { kind: 'off', host: 'Orders.Shop.example' } } });
		const ask = async (host: string): Promise<unknown[]> => [
			host,
			await statusOf('/orders', { host }, 'GET', other.url),
		];
		try {
			for (const host of [
				'gateway:5300',
				'10.0.0.1',
				'[fd00::1]:80',
				'gateway.shop.svc.cluster.local',
				'ORDERS.shop.example',
			]) {
				expect(await ask(host)).toEqual([host, 200]);
			}
			for (const host of ['evil.example', 'shop.example', 'local.evil.example:5300', 'evil.orders.shop.example']) {
				expect(await ask(host)).toEqual([host, 421]);
			}
		} finally {
			await other.broker.stop();
		}
	});

	it('a request without a host, which no browser sends, is answered', async () => {
		expect(await speak(on.port, 'GET /orders HTTP/1.1\r\nHost:\r\nConnection: close\r\n\r\n')).toMatch(/ 200 /);
		expect(await speak(on.port, 'GET /orders HTTP/1.0\r\n\r\n')).toMatch(/ 200 /);
	});
});

describe('a JSON body', () => {
	it.each([
		...['application/json; charset=utf-8', 'application/json;charset=UTF-8', 'application/json; charset="utf-8"'],
		...['application/json; charset=utf8', 'application/json; charset="UTF8"', 'APPLICATION/JSON ; Charset=Utf-8'],
		...['application/json;', 'application/json; charset=', 'application/json; profile="a;charset=latin1"'],
		...['application/json ; profile=x ; charset=utf-8'],
	])('is %j', async (type) => {
		expect((await create(LAMP, { 'content-type': type })).status).toBe(201);
	});

	it.each([
		['application/json; charset=iso-8859-1', 'charset'],
		['application/json; charset="utf-16"', 'charset'],
		['application/json; charset=utf-7', 'charset'],
		['text/json', 'application/json'],
		['application/json5', 'application/json'],
		['application/merge-patch+json', 'application/json'],
		['x application/json', 'application/json'],
		['', 'application/json'],
	])('is not %j, and the answer says why', async (type, reason) => {
		const { detail } = await problem(await create(LAMP, { 'content-type': type }), 415, 'Request.UnsupportedMediaType');
		expect(detail).toContain(reason);
	});

	it('may begin with a byte order mark, once', async () => {
		expect((await create(`\ufeff${LAMP}`)).status).toBe(201);
		expect(on.calls[0]?.params).toMatchObject({ productName: 'Lamp', amount: '12.50' });
		for (const body of [`\ufeff\ufeff${LAMP}`, ` \ufeff${LAMP}`, '\ufeff']) {
			await problem(await create(body), 400, 'Request.Malformed');
		}
	});
});

it('a failure that nothing answers ends its connection, and nothing else', async () => {
	const failing = await stage();
	const unhandled: unknown[] = [];
	const note = (reason: unknown): void => void unhandled.push(reason);
	process.on('unhandledRejection', note);
	try {
		const whole = failing.metrics.requestAnswered;
		failing.metrics.requestAnswered = () => {
			throw new Error('no metrics today');
		};
		await speak(failing.port, 'GET /orders HTTP/1.1\r\nHost: x\r\n\r\n');
		failing.metrics.requestAnswered = whole;
		expect((await fetch(`${failing.url}/orders`)).status).toBe(200);
		expect(failing.log.join()).toContain('no metrics today');
		expect(unhandled).toEqual([]);
	} finally {
		process.off('unhandledRejection', note);
		await failing.broker.stop();
	}
});

describe('what a problem means', () => {
	it.each(Object.entries(PROBLEMS))('%s is a page that its type leads to', async (code, { title, status }) => {
		const res = await fetch(`${on.url}${problemType(code)}`);
		const page = await res.text();
		expect([res.status, res.headers.get('content-type')]).toEqual([200, 'text/html; charset=utf-8']);
		expect(page).toContain(`<h1>${title}</h1>`);
		expect(page).toContain(`<code>${code}</code>, HTTP status ${status}`);
		expect(page).not.toMatch(/`|https?:|<script|<style/);
	});
});

describe('below a path that a proxy takes away', () => {
	/** What a browser asks for that has `path` below the proxy's prefix, as the gateway sees it. */
	const below = (reference: string | null, path: string): string => {
		const { pathname } = new URL(reference ?? '', `http://proxy.example/shop/api${path}`);
		expect(pathname).toMatch(/^\/shop\/api\//);
		return pathname.slice('/shop/api'.length);
	};

	it.each([
		'/console',
		'/console/',
		'/scalar/v1',
		'/scalar/v1/',
		'/problems/orders.not-found',
		'/problems/orders.not-found/',
	])('%s refers to what is there', async (path) => {
		const page = await (await fetch(on.url + path)).text();
		const references = Array.from(
			page.matchAll(/(?:data-url|src|<(?:a|link) [^>]*href)="(?!data:)([^"]*)"/g),
			([, found = '']) => found,
		);
		expect(references.length).toBeGreaterThan(0);
		for (const reference of references) expect((await fetch(on.url + below(reference, path))).status).toBe(200);
	});

	it.each(['/openapi.json', '/openapi.json/'])('the operations are beside %s', async (path) => {
		const { servers } = (await (await fetch(on.url + path)).json()) as { servers: { url: string }[] };
		expect(below(servers[0]?.url ?? '', path)).toBe('/');
	});

	it('the root leads to the page', async () => {
		const res = await fetch(on.url, { redirect: 'manual' });
		expect(res.status).toBe(303);
		expect(below(res.headers.get('location'), '/')).toBe('/console');
		expect((await fetch(on.url, { method: 'HEAD', redirect: 'manual' })).status).toBe(303);
		expect((await fetch(on.url, { method: 'POST' })).status).toBe(405);
	});

	it.each([
		['/shop/api', '/shop/api'],
		['/shop/api/', '/shop/api'],
		['/', ''],
		['//evil.example', ''],
		['/shop//api', ''],
		['https://evil.example', ''],
		['/shop api', ''],
		['/a, /b', ''],
	])('a trusted proxy says so with X-Forwarded-Prefix: %s', async (sent, prefix) => {
		const headers = { 'x-forwarded-prefix': sent };
		expect((await create(LAMP, headers)).headers.get('location')).toBe(`${prefix}/orders/${ID}`);
		const { type } = (await (await fetch(`${on.url}/nothing`, { headers })).json()) as ProblemBody;
		expect(type).toBe(`${prefix}/problems/route.not-found`);
	});

	it('and nobody else does', async () => {
		const other = await stage();
		try {
			const headers = { 'x-forwarded-prefix': '/shop' };
			const { type } = (await (await fetch(`${other.url}/nothing`, { headers })).json()) as ProblemBody;
			expect(type).toBe('/problems/route.not-found');
		} finally {
			await other.broker.stop();
		}
	});
});
