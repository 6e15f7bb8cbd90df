import { afterAll, beforeAll, beforeEach, describe, expect, it } from '@jest/globals';
import { Errors } from 'moleculer';
import { cursorOfId } from '../../../services/orders/cursor.ts';
import { until } from '../../support/until.ts';
import { ID, orderDto, problem, type Stage, speak, stage } from './fixtures.ts';

const { MoleculerClientError, MoleculerError, QueueIsFullError, RequestTimeoutError, ServiceNotAvailableError } =
	Errors;

const LAMP = '{"productName":"Lamp","amount":12.50}';
const CURSOR = cursorOfId(ID);
const JSON_TYPE = { 'content-type': 'application/json' };

let on: Stage;
beforeAll(async () => {
	on = await stage();
});
afterAll(() => on.broker.stop());
beforeEach(() => {
	on.calls.length = 0;
	on.log.length = 0;
});

function ask(path: string, init: RequestInit = {}): Promise<Response> {
	return fetch(on.url + path, init);
}

function post(body: NonNullable<RequestInit['body']>, headers: Record<string, string> = {}): Promise<Response> {
	return ask('/orders', { method: 'POST', body, headers: { ...JSON_TYPE, ...headers } });
}

describe('what goes well', () => {
	it('creates: 201, Location, the exact digits in and out', async () => {
		const res = await post('{"productName":"Lamp","amount":999999999999.10,"cancellationWindow":"60s"}', {
			'Idempotency-Key': 'k~!',
		});
		expect(res.status).toBe(201);
		expect(res.headers.get('location')).toBe(`/orders/${ID}`);
		expect(res.headers.get('content-type')).toBe('application/json');
		expect(await res.text()).toContain('"amount":999999999999.10,');
		const params = { productName: 'Lamp', amount: '999999999999.10', cancellationWindow: '60s', idempotencyKey: 'k~!' };
		expect(on.calls[0]).toMatchObject({ action: 'orders.create', params });
	});

	it.each(['1', '1.0', '0.10', '1e2', '-0', '1.00000000000000000001', '1E400'])(
		'passes the amount %s as written',
		async (amount) => {
			expect((await post(`{"productName":"x","amount": ${amount} }`)).status).toBe(201);
			expect(on.calls[0]?.params.amount).toBe(amount);
		},
	);

	it.each([
		['{"\\u0061mount":1.50,"productName":"x"}', '1.50'],
		['{"\\u0061mount":1.50,"amount":2.50,"productName":"x"}', '2.50'],
		['{"amount":2.50,"am\\u006funt":1.50,"productName":"x"}', '1.50'],
		['{"productName":"\\"amount\\":9.0","amount":1.50}', '1.50'],
		['{"productName":"amount","amount":1.50}', '1.50'],
		['{"amount"\n\t :\r 1.50,"productName":"\\\\"}', '1.50'],
		[' {"paymentMethod":"amount" , "amount" : 1.50,"productName":"x"}', '1.50'],
	])('knows the amount of %s', async (body, amount) => {
		expect((await post(body)).status).toBe(201);
		expect(on.calls[0]?.params.amount).toBe(amount);
	});

	it('takes the last of two amounts, and no amount from below', async () => {
		await post('{"amount":1,"productName":"x","amount":2.0}');
		expect(on.calls[0]?.params.amount).toBe('2.0');
		const { errors } = await problem(
			await post('{"productName":{"amount":7.0},"amount":"7.0"}'),
			422,
			'Validation.Failed',
		);
		expect(errors?.map(({ pointer }) => pointer)).toEqual(['#/productName', '#/amount']);
	});

	it('says where the new order is, and of a replay that it is one, with the same bytes', async () => {
		const replay: Parameters<Stage['once']>[0] = (ctx) => {
			ctx.meta.replayed = true;
			return orderDto('12.50');
		};
		const first = await post(LAMP);
		on.once(replay);
		const second = await post(LAMP);
		expect(second.headers.get('idempotent-replayed')).toBe('true');
		expect(first.headers.get('idempotent-replayed')).toBeNull();
		expect(await second.text()).toBe(await first.text());
	});

	it.each([
		['GET', '/orders', 200, 'orders.list', {}],
		['GET', '/orders/', 200, 'orders.list', {}],
		[
			'GET',
			`/%6Frders?limit=5&status=Pending&cursor=${CURSOR.replace('M', '%4D')}`,
			200,
			'orders.list',
			{ limit: 5, status: 'Pending', cursor: CURSOR },
		],
		['GET', `/orders/${ID.toUpperCase()}`, 200, 'orders.get', { id: ID }],
		['GET', `/orders/${ID}/history`, 200, 'orders.history', { id: ID }],
		['POST', `/orders/${ID}/cancel`, 202, 'orders.cancel', { id: ID }],
		['POST', `/orders/${ID}/hold`, 200, 'orders.hold', { id: ID }],
		['POST', `/orders/${ID}/resume`, 200, 'orders.resume', { id: ID }],
	])('%s %s → %i', async (method, path, status, action, params) => {
		const res = await ask(path, { method });
		expect(res.status).toBe(status);
		expect(on.calls).toEqual([expect.objectContaining({ action, params: expect.objectContaining(params) })]);
	});

	it.each(['application/json', 'application/merge-patch+json', 'Application/Merge-Patch+JSON; charset=utf-8'])(
		'amends with a body of %s, the exact digits in and out',
		async (type) => {
			const init = { method: 'PATCH', body: '{"amount":12.340}', headers: { 'content-type': type } };
			const res = await ask(`/orders/${ID}`, init);
			expect([res.status, await res.text()]).toEqual([200, expect.stringContaining('"amount":12.340,')]);
			expect(on.calls).toEqual([
				expect.objectContaining({ action: 'orders.amend', params: { id: ID, amount: '12.340' } }),
			]);
		},
	);

	it('gives back with a body or without one, the exact digits in and out', async () => {
		const init = {
			method: 'POST',
			body: '{"amount":0.10,"reason":" x "}',
			headers: { ...JSON_TYPE, 'idempotency-key': 'k' },
		};
		const res = await ask(`/orders/${ID}/refunds`, init);
		expect([res.status, res.headers.get('location'), await res.text()]).toEqual([
			201,
			null,
			expect.stringContaining('"amount":0.10'),
		]);
		expect((await ask(`/orders/${ID}/refunds`, { method: 'POST' })).status).toBe(201);
		expect(on.calls.map(({ action, params }) => [action, params])).toEqual([
			['orders.refund', { id: ID, amount: '0.10', reason: 'x', idempotencyKey: 'k' }],
			['orders.refund', { id: ID }],
		]);
		expect(await (await ask(`/orders/${ID}/refunds`)).text()).toContain(`{"data":[{"id":"${ID}","amount":0.10}`);
	});

	it('writes amounts as numbers in orders and leaves the history alone', async () => {
		expect(await (await ask('/orders')).text()).toMatch(/"amount":0\.10,.*"amount":7,.*"nextCursor":null/);
		expect(await (await ask(`/orders/${ID}`)).text()).toContain('"amount":12.50,');
		expect(await (await ask(`/orders/${ID}/history`)).text()).toContain('"amount":"12.50"');
	});

	it('answers HEAD as GET without the body', async () => {
		const body = await (await ask('/orders')).text();
		const head = await ask('/orders', { method: 'HEAD' });
		expect([head.status, head.headers.get('content-length'), await head.text()]).toEqual([
			200,
			String(body.length),
			'',
		]);
		const missing = await ask('/nothing', { method: 'HEAD' });
		expect([missing.status, Number(missing.headers.get('content-length')) > 0]).toEqual([404, true]);
	});

	it('lets a wait last longer than other calls, each with a ticket of its own', async () => {
		const waiting = (seconds: number) => ask(`/orders/${ID}`, { headers: { prefer: `wait=${seconds}` } });
		const timeIsUp = Promise.withResolvers<void>();
		const answer = () => timeIsUp.promise.then(() => orderDto());
		on.once(answer);
		const patient = waiting(1);
		await until(() => on.calls.length === 1, 'the first has come');
		on.once(answer);
		expect((await waiting(0)).status).toBe(503); // it came later, and did not last as long as the first
		timeIsUp.resolve();
		expect((await patient).status).toBe(200);
		await waiting(30);
		const tickets = on.calls.map(({ meta }) => meta.waitTicket);
		expect(tickets).toEqual([expect.any(String), undefined, expect.any(String)]);
		expect(tickets[0]).not.toBe(tickets[2]);
		expect(on.calls.map(({ params }) => params.wait)).toEqual([1, 0, 30]);
	});

	it('knows waits by a name of their own in the metrics, and they take no place of work', async () => {
		let atWork = '';
		on.once(async () => {
			atWork = (await on.metrics.expose()).body;
			return orderDto();
		});
		await ask(`/orders/${ID}`, { headers: { prefer: 'wait=1' } });
		expect(atWork).toMatch(/^http_requests_at_work 0$/m);
		const { body } = await on.metrics.expose();
		expect(body).toMatch(/route="\/orders\/\{id\} \(waiting\)"/);
	});

	it('lets If-None-Match decide nothing where something is made', async () => {
		expect((await post(LAMP, { 'if-none-match': '*' })).status).toBe(201);
	});

	it.each([['application/json; charset=utf-8'], ['Application/JSON;charset="UTF-8"']])('reads %s', async (type) => {
		expect((await post(LAMP, { 'content-type': type })).status).toBe(201);
	});

	it('takes an empty object, and an absolute request target', async () => {
		expect((await ask(`/orders/${ID}/cancel`, { method: 'POST', body: '{}', headers: JSON_TYPE })).status).toBe(202);
		const raw = await speak(on.port, `GET http://x/orders/${ID} HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n`);
		expect(raw).toMatch(/^HTTP\/1.1 200 /);
	});

	it('says nothing about what it is made of', async () => {
		const names = [...(await post(LAMP)).headers.keys()].sort();
		expect(names).toEqual([
			'cache-control',
			'connection',
			'content-length',
			'content-security-policy',
			'content-type',
			'cross-origin-resource-policy',
			'date',
			'keep-alive',
			'location',
			'referrer-policy',
			'x-content-type-options',
			'x-frame-options',
			'x-request-id',
		]);
	});
});

describe('caller and trace', () => {
	const TRACE = '4bf92f3577b34da6a3ce929d0e0e4736';

	it('acts as anybody', async () => {
		await ask('/orders', { headers: { authorization: 'Bearer x' } });
		expect(on.calls[0]?.meta.caller).toEqual({ subject: 'anonymous', scopes: ['orders:admin'] });
	});

	it('joins the trace of the caller with a span of its own, and takes no request id from outside', async () => {
		const headers = {
			traceparent: `00-${TRACE}-00f067aa0ba902b7-01`,
			'x-request-id': 'evil',
			'x-correlation-id': 'evil',
		};
		const res = await ask('/orders', { headers });
		expect(on.calls[0]?.meta.traceparent).toMatch(new RegExp(`^00-${TRACE}-(?!00f067aa0ba902b7)[0-9a-f]{16}-01$`));
		expect(res.headers.get('x-request-id')).toBe(TRACE);
	});

	it('begins a new one without', async () => {
		await ask('/orders');
		await ask('/orders', { headers: { traceparent: 'nonsense' } });
		const [a, b] = on.calls.map(({ meta }) => String(meta.traceparent));
		expect(a).toMatch(/^00-[0-9a-f]{32}-[0-9a-f]{16}-00$/);
		expect(b).toMatch(/^00-[0-9a-f]{32}-[0-9a-f]{16}-00$/);
		expect(a).not.toBe(b);
	});
});

describe('what an action refuses', () => {
	it('names every invalid and unknown field', async () => {
		const body = '{"productName":"","amount":1,"__proto__":{"x":1},"constructor":2,"a/b~c, d":3,"é":4,"\\ud800":5}';
		const { errors } = await problem(await post(body), 422, 'Validation.Failed');
		const pointers = errors?.map(({ pointer }) => pointer);
		const unknown = ['#/__proto__', '#/constructor', '#/a~1b~0c%2C%20d', '#/%C3%A9', '#/%EF%BF%BD'];
		expect(pointers).toEqual([...unknown, '#/productName']);
		expect(({} as Record<string, unknown>).x).toBeUndefined();
	});

	it('names what only a body may not have together with the rest', async () => {
		const { errors } = await problem(
			await post('{"amount":"1","idempotencyKey":"k","currency":"usd","gift":1}'),
			422,
			'Validation.Failed',
		);
		expect(errors?.map(({ pointer }) => pointer).sort()).toEqual(
			['#/amount', '#/currency', '#/gift', '#/idempotencyKey', '#/productName'].sort(),
		);
	});

	it('names query values as parameters', async () => {
		const { errors } = await problem(await ask('/orders?limit=0'), 422, 'Validation.Failed');
		expect(errors).toEqual([{ parameter: 'limit', detail: expect.any(String) }]);
	});

	const secret = 'SELECT * FROM orders at 10.1.2.3 on node-7';
	it.each<[string, () => unknown, number, string]>([
		[
			'closed window',
			() => new MoleculerClientError('Too late.', 409, 'Orders.WindowClosed'),
			409,
			'Orders.WindowClosed',
		],
		['not found', () => new MoleculerClientError('No such order.', 404, 'Orders.NotFound'), 404, 'Orders.NotFound'],
		[
			'key reused',
			() => new MoleculerClientError('Other body.', 422, 'Idempotency.KeyReused'),
			422,
			'Idempotency.KeyReused',
		],
		['time-out', () => new RequestTimeoutError({ action: secret, nodeID: secret }), 503, 'Service.Unavailable'],
		['not available', () => new ServiceNotAvailableError({ action: secret }), 503, 'Service.Unavailable'],
		['queue full', () => new QueueIsFullError({ action: secret, nodeID: secret }), 503, 'Service.Unavailable'],
		['any 503', () => new MoleculerError(secret, 503, 'Database.Away', { secret }), 503, 'Service.Unavailable'],
		['a bug', () => new TypeError(secret), 500, 'Server.Error'],
		[
			'a database error',
			() => Object.assign(new Error(secret), { code: '23505', detail: secret }),
			500,
			'Server.Error',
		],
		['a 4xx that is not ours', () => new MoleculerError(secret, 404, 'ENOENT'), 500, 'Server.Error'],
		['a 5xx with a code', () => new MoleculerError(secret, 502, 'Bad.Gateway'), 500, 'Server.Error'],
		['no error at all', () => secret, 500, 'Server.Error'],
	])('%s', async (_name, thrown, status, code) => {
		on.once(() => Promise.reject(thrown()));
		const res = await ask(`/orders/${ID}`);
		const text = await res.clone().text();
		await problem(res, status, code);
		expect(text).not.toMatch(/SELECT|node-7|10\.1|stack|moleculer/i);
		expect(res.headers.get('retry-after')).toBe(status === 503 ? '1' : null);
		expect(on.log.filter((line) => line.startsWith('error'))).toHaveLength(status === 500 ? 1 : 0);
	});

	it('passes on the faults of a contract error', async () => {
		const data = { errors: [{ field: 'currency', message: 'Unknown currency.' }] };
		on.once(() => Promise.reject(new MoleculerClientError('Invalid.', 422, 'Validation.Failed', data)));
		const body = await problem(await post(LAMP), 422, 'Validation.Failed');
		expect(body).toEqual({
			type: '/problems/validation.failed',
			title: 'Invalid request',
			status: 422,
			detail: 'Invalid.',
			code: 'Validation.Failed',
			errors: [{ pointer: '#/currency', detail: 'Unknown currency.' }],
			traceId: expect.any(String),
		});
	});

	it('takes a result that is no order for a bug', async () => {
		on.once(() => orderDto('1; DROP'));
		await problem(await ask(`/orders/${ID}`), 500, 'Server.Error');
	});

	it('gives up on an action that hangs', async () => {
		on.once(() => new Promise(() => undefined));
		await problem(await ask(`/orders/${ID}`), 503, 'Service.Unavailable');
	});

	it('is unavailable without the orders service', async () => {
		const alone = await stage({}, { orders: false });
		try {
			const res = await fetch(`${alone.url}/orders`);
			await problem(res, 503, 'Service.Unavailable');
			await fetch(`${alone.url}/orders/%0Aforged`);
			expect(alone.log.join()).not.toContain('forged');
			expect((await fetch(`${alone.url}/health/ready`)).status).toBe(200);
		} finally {
			await alone.broker.stop();
		}
	});
});
