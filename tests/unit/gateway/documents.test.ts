/** What the gateway serves of its own, and what it says to browsers. */
import { request } from 'node:http';
import { gunzipSync } from 'node:zlib';
import { afterAll, beforeAll, describe, expect, it } from '@jest/globals';
import { ID, problem, type Stage, speak, stage } from './fixtures.ts';

const SCRIPT = '/scalar/v1/standalone.js';

let on: Stage;
beforeAll(async () => {
	on = await stage({ headersTimeout: 600, requestTimeout: 600 });
});
afterAll(() => on.broker.stop());

interface Answer {
	readonly status: number;
	readonly headers: Readonly<Record<string, string | string[] | undefined>>;
	readonly body: Buffer;
}

/** Without `fetch`, which decompresses and adds headers of its own. */
function ask(path: string, headers: Record<string, string> = {}, method = 'GET'): Promise<Answer> {
	return new Promise((resolve, reject) => {
		request(`${on.url}${path}`, { method, headers, agent: false }, async (res) => {
			const chunks: Buffer[] = [];
			for await (const chunk of res) chunks.push(chunk);
			resolve({ status: res.statusCode ?? 0, headers: res.headers, body: Buffer.concat(chunks) });
		})
			.on('error', reject)
			.end();
	});
}

describe('a document', () => {
	it.each([
		['/openapi.json', 'application/json', 'no-cache'],
		['/scalar/v1', 'text/html; charset=utf-8', 'no-cache'],
		['/scalar/v1/', 'text/html; charset=utf-8', 'no-cache'],
		[SCRIPT, 'text/javascript; charset=utf-8', 'public, max-age=31536000, immutable'],
	])('%s comes plain and compressed, with a tag for each', async (path, type, cache) => {
		const [plain, zipped] = [await ask(path), await ask(path, { 'accept-encoding': 'br, GZIP;q=0.5' })];
		for (const { status, headers } of [plain, zipped]) {
			expect(status).toBe(200);
			expect(headers).toMatchObject({ 'content-type': type, 'cache-control': cache, vary: 'Accept-Encoding' });
		}
		expect([plain.headers['content-encoding'], zipped.headers['content-encoding']]).toEqual([undefined, 'gzip']);
		expect(gunzipSync(zipped.body).equals(plain.body)).toBe(true);
		expect(zipped.body.length).toBeLessThan(plain.body.length);
		expect(plain.headers.etag).not.toBe(zipped.headers.etag);
		const known = { 'if-none-match': `"x", ${zipped.headers.etag}`, 'accept-encoding': '*' };
		const again = await ask(path, known);
		expect([again.status, again.body.length, again.headers.etag]).toEqual([304, 0, zipped.headers.etag]);
		const head = await ask(path, {}, 'HEAD');
		expect([head.status, head.body.length, head.headers['content-length']]).toEqual([
			200,
			0,
			String(plain.body.length),
		]);
		await problem(await fetch(`${on.url}${path}`, { method: 'POST' }), 405, 'Route.MethodNotAllowed');
		await problem(await fetch(`${on.url}${path}`, { headers: { 'if-none-match': 'x' } }), 400, 'Request.Malformed');
	});

	it.each(['identity', 'gzip;q=0', 'gzip; q=0.0', 'br', 'x-gzip2'])('is not compressed for %s', async (coding) => {
		const { headers } = await ask('/openapi.json', { 'accept-encoding': coding });
		expect(headers['content-encoding']).toBeUndefined();
	});

	it('is the page that shows the document, with nothing from elsewhere in it', async () => {
		const { body, headers } = await ask('/scalar/v1');
		const page = body.toString();
		expect(page).toContain('data-url="../openapi.json"');
		expect(page).toMatch(/src="\.\.\/scalar\/v1\/standalone\.js\?v=\d+\.\d+\.\d+\.\d+"/);
		expect(page).not.toMatch(/https?:/);
		expect(page).not.toMatch(/<script>[^<]/);
		const policy = String(headers['content-security-policy']);
		expect(policy).toContain("default-src 'none'; script-src 'self' 'wasm-unsafe-eval';");
		expect(policy).not.toMatch(/https?:|\*|script-src[^;]*'unsafe-(inline|eval)'/);
		expect((await ask(`${SCRIPT}?v=1.46.4`)).status).toBe(200);
	});
});

describe('every answer', () => {
	const SECURITY = {
		'content-security-policy': "default-src 'none'; frame-ancestors 'none'",
		'cross-origin-resource-policy': 'same-origin',
		'referrer-policy': 'no-referrer',
		'x-content-type-options': 'nosniff',
		'x-frame-options': 'DENY',
	};

	it.each([
		['GET', '/orders', 200],
		['GET', `/orders/${ID}`, 200],
		['POST', `/orders/${ID}/cancel`, 202],
		['GET', '/health/live', 200],
		['GET', '/nothing', 404],
		['DELETE', '/orders', 405],
		['OPTIONS', '/orders', 405],
		['GET', '/orders?x=1', 422],
		['GET', '/openapi.json', 200],
	])('%s %s says so to browsers, and nothing of what it is made of', async (method, path, status) => {
		const foreign = { origin: 'https://elsewhere.test', 'access-control-request-method': 'POST' };
		const { headers, ...answer } = await ask(path, foreign, method);
		expect(answer.status).toBe(status);
		expect(headers).toMatchObject(SECURITY);
		expect(Object.keys(headers).filter((name) => /^access-control|^server$|powered|moleculer/.test(name))).toEqual([]);
		expect(headers['x-request-id']).toMatch(/^[0-9a-f]{32}$/);
		if (!path.includes('openapi')) expect(headers['cache-control']).toBe('no-store');
	});

	it('does so also on a socket on which no request could be read', async () => {
		const [head = '', body = ''] = (await speak(on.port, 'nonsense\r\n\r\n')).toLowerCase().split('\r\n\r\n');
		for (const [name, value] of Object.entries(SECURITY)) expect(head).toContain(`${name}: ${value.toLowerCase()}`);
		expect(JSON.parse(body)).toMatchObject({ traceid: expect.stringMatching(/^[0-9a-f]{32}$/) });
	});
});

describe("a browser's request", () => {
	it.each([
		['cross-site', 403],
		['same-site', 403],
		['same-origin', 202],
		['none', 202],
	])('that is %s', async (site, status) => {
		on.calls.length = 0;
		const headers = { 'sec-fetch-site': site };
		const changing = await ask(`/orders/${ID}/cancel`, headers, 'POST');
		expect(changing.status).toBe(status);
		expect(on.calls).toHaveLength(status === 403 ? 0 : 1);
		if (status === 403) expect(JSON.parse(changing.body.toString())).toMatchObject({ code: 'Request.CrossSite' });
		expect((await ask(`/orders/${ID}`, headers)).status).toBe(200);
	});
});
