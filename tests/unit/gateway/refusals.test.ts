import { afterAll, beforeAll, beforeEach, describe, expect, it } from '@jest/globals';
import { ID, problem, type Stage, stage } from './fixtures.ts';

const LAMP = '{"productName":"Lamp","amount":12.50}';
const JSON_TYPE = { 'content-type': 'application/json' };

let on: Stage;
beforeAll(async () => {
	on = await stage();
});
afterAll(() => on.broker.stop());
beforeEach(() => {
	on.calls.length = 0;
});

function ask(path: string, init: RequestInit = {}): Promise<Response> {
	return fetch(on.url + path, init);
}

const big = `{"productName":"${'x'.repeat(17_000)}","amount":1}`;
const chunked = (text: string) => ({
	body: new ReadableStream({
		start(controller) {
			controller.enqueue(new TextEncoder().encode(text));
			controller.close();
		},
	}),
	duplex: 'half' as const,
});
const create = (
	body: NonNullable<RequestInit['body']> | undefined,
	headers: Record<string, string> = {},
): RequestInit => ({
	method: 'POST',
	...(body === undefined ? {} : { body }),
	headers: { ...JSON_TYPE, ...headers },
});

const amend = (body: string, type = 'application/merge-patch+json'): RequestInit => ({
	...create(body, { 'content-type': type }),
	method: 'PATCH',
});

describe('requests that are refused before any action', () => {
	it.each<[string, string, RequestInit, number, string, string[]?]>([
		['unknown path', '/nothing', {}, 404, 'Route.NotFound'],
		['unknown problem', '/problems/orders.lost', {}, 404, 'Route.NotFound'],
		['no problem', '/problems/', {}, 404, 'Route.NotFound'],
		['a problem that is changed', '/problems/orders.not-found', { method: 'PUT' }, 405, 'Route.MethodNotAllowed'],
		['unknown sub-path', `/orders/${ID}/refund`, { method: 'POST' }, 404, 'Route.NotFound'],
		['too deep', `/orders/${ID}/cancel/now`, { method: 'POST' }, 404, 'Route.NotFound'],
		['empty segment', '/orders//cancel', { method: 'POST' }, 404, 'Route.NotFound'],
		['case counts', '/Orders', {}, 404, 'Route.NotFound'],
		['an action by name', '/orders/secret/x', {}, 404, 'Route.NotFound'],
		['the gateway itself', '/gateway/listAliases', {}, 404, 'Route.NotFound'],
		['internal services', '/~node/options', {}, 404, 'Route.NotFound'],
		['other method', '/orders', { method: 'DELETE' }, 405, 'Route.MethodNotAllowed'],
		['other method, item', `/orders/${ID}`, { method: 'PUT' }, 405, 'Route.MethodNotAllowed'],
		['GET on a command', `/orders/${ID}/cancel`, {}, 405, 'Route.MethodNotAllowed'],
		['POST on health', '/health/live', { method: 'POST' }, 405, 'Route.MethodNotAllowed'],
		['OPTIONS', '/orders', { method: 'OPTIONS' }, 405, 'Route.MethodNotAllowed'],
		[
			'OPTIONS as a preflight',
			'/orders',
			{ ...create(LAMP, { 'access-control-request-method': 'POST' }), method: 'OPTIONS' },
			405,
			'Route.MethodNotAllowed',
		],
		['id', '/orders/42', {}, 400, 'Request.Malformed'],
		['id of a command', '/orders/42/cancel', { method: 'POST' }, 400, 'Request.Malformed'],
		['percent-encoding', '/orders/%zz', {}, 400, 'Request.Malformed'],
		['encoded slash', `/orders/x%2Fhistory`, {}, 400, 'Request.Malformed'],
		['no body', '/orders', create(undefined), 400, 'Request.Malformed'],
		['empty body', '/orders', create(''), 400, 'Request.Malformed'],
		['empty chunked body', '/orders', { ...create(undefined), ...chunked('') }, 400, 'Request.Malformed'],
		['broken JSON', '/orders', create('{"productName":'), 400, 'Request.Malformed'],
		['broken UTF-8', '/orders', create(Buffer.from('{"productName":"\xff"}', 'latin1')), 400, 'Request.Malformed'],
		['UTF-16', '/orders', create(Buffer.from(LAMP, 'utf16le')), 400, 'Request.Malformed'],
		[
			'form',
			'/orders',
			create('a=b', { 'content-type': 'application/x-www-form-urlencoded' }),
			415,
			'Request.UnsupportedMediaType',
		],
		['text', '/orders', { method: 'POST', body: LAMP }, 415, 'Request.UnsupportedMediaType'],
		[
			'charset',
			'/orders',
			create(LAMP, { 'content-type': 'application/json; charset=utf-16' }),
			415,
			'Request.UnsupportedMediaType',
		],
		['encoding', '/orders', create(LAMP, { 'content-encoding': 'gzip' }), 415, 'Request.UnsupportedMediaType'],
		['too large', '/orders', create(big), 413, 'Request.TooLarge'],
		['too large in chunks', '/orders', { ...create(undefined), ...chunked(big) }, 413, 'Request.TooLarge'],
		['array', '/orders', create('[]'), 422, 'Validation.Failed', ['#']],
		['null', '/orders', create('null'), 422, 'Validation.Failed', ['#']],
		['string', '/orders', create('"x"'), 422, 'Validation.Failed', ['#']],
		[
			'amount as a string',
			'/orders',
			create('{"productName":"x","amount":"12.50"}'),
			422,
			'Validation.Failed',
			['#/amount'],
		],
		['amount null', '/orders', create('{"productName":"x","amount":null}'), 422, 'Validation.Failed', ['#/amount']],
		[
			'key in the body',
			'/orders',
			create('{"productName":"x","amount":1,"idempotencyKey":"k"}'),
			422,
			'Validation.Failed',
			['#/idempotencyKey'],
		],
		['key empty', '/orders', create(LAMP, { 'idempotency-key': '' }), 400, 'Request.Malformed'],
		['key too long', '/orders', create(LAMP, { 'idempotency-key': 'x'.repeat(256) }), 400, 'Request.Malformed'],
		['key with a space', '/orders', create(LAMP, { 'idempotency-key': 'a b' }), 400, 'Request.Malformed'],
		['key beyond ASCII', '/orders', create(LAMP, { 'idempotency-key': 'é' }), 400, 'Request.Malformed'],
		['fields of a command', `/orders/${ID}/hold`, create('{"until":1}'), 422, 'Validation.Failed', ['#/until']],
		['a change without a body', `/orders/${ID}`, { method: 'PATCH' }, 400, 'Request.Malformed'],
		['a change of nothing', `/orders/${ID}`, amend('{}'), 422, 'Validation.Failed', ['#/amount']],
		['a change to nothing', `/orders/${ID}`, amend('{"amount":null}'), 422, 'Validation.Failed', ['#/amount']],
		['a change to 0', `/orders/${ID}`, amend('{"amount":0.00}'), 422, 'Validation.Failed', ['#/amount']],
		['a change to a text', `/orders/${ID}`, amend('{"amount":"1"}'), 422, 'Validation.Failed', ['#/amount']],
		[
			'a change of more',
			`/orders/${ID}`,
			amend(`{"id":"${ID}","amount":-1,"status":"Shipped"}`),
			422,
			'Validation.Failed',
			['#/amount', '#/id', '#/status'],
		],
		[
			'a change by another kind of patch',
			`/orders/${ID}`,
			amend('[]', 'application/json-patch+json'),
			415,
			'Request.UnsupportedMediaType',
		],
		[
			'an order as a merge patch',
			'/orders',
			create(LAMP, { 'content-type': 'application/merge-patch+json' }),
			415,
			'Request.UnsupportedMediaType',
		],
		['unknown query', '/orders?page=2&x=', {}, 422, 'Validation.Failed', ['page', 'x']],
		[
			'every wrong part of a query',
			'/orders?page=2&limit=0&status=Gone',
			{},
			422,
			'Validation.Failed',
			['page', 'status', 'limit'],
		],
		['repeated query', '/orders?limit=1&limit=2', {}, 422, 'Validation.Failed', ['limit']],
		[
			'query of a history',
			`/orders/${ID}/history?limit=1001&cursor=!`,
			{},
			422,
			'Validation.Failed',
			['limit', 'cursor'],
		],
		['nested query', '/orders?limit[]=1', {}, 422, 'Validation.Failed', ['limit[]']],
		['__proto__ query', '/orders?__proto__=1', {}, 422, 'Validation.Failed', ['__proto__']],
		['query on an item', `/orders/${ID}?verbose`, {}, 422, 'Validation.Failed', ['verbose']],
		['query on create', '/orders?amount=1', create(LAMP), 422, 'Validation.Failed', ['amount']],
	])('%s', async (...row) => {
		// jest would fill a missing sixth with its `done`.
		const [, path, init, status, code, fields] = row;
		const { errors } = await problem(await ask(path, init), status, code);
		const places = errors?.map(({ pointer, parameter }) => pointer ?? parameter);
		expect(path === `/orders/${ID}` ? places?.sort() : places).toEqual(fields);
		expect(on.calls).toEqual([]);
	});

	it.each([
		['DELETE', '/orders', 'GET, HEAD, POST'],
		['PUT', `/orders/${ID}`, 'GET, HEAD, PATCH'],
		['GET', `/orders/${ID}/resume`, 'POST'],
	])('405 to %s %s allows %s', async (method, path, allow) => {
		expect((await ask(path, { method })).headers.get('allow')).toBe(allow);
	});

	it('says with 415 what it takes', async () => {
		expect((await ask('/orders', create(LAMP, { 'content-type': 'text/xml' }))).headers.get('accept')).toBe(
			'application/json',
		);
		expect((await ask(`/orders/${ID}`, amend('{}', 'text/xml'))).headers.get('accept-patch')).toBe(
			'application/merge-patch+json, application/json',
		);
		expect((await ask('/orders', create(LAMP, { 'content-encoding': 'br' }))).headers.get('accept-encoding')).toBe(
			'identity',
		);
	});
});
