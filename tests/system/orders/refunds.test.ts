/** Refunds over HTTP and by the action: what may be asked for, what it comes to, and that a key makes one. */
import { afterAll, beforeAll, describe, expect, it } from '@jest/globals';
import pg from 'pg';
import type { Application } from '../../../bin/application.ts';
import type { OrderDto } from '../../../services/orders/order-dto.ts';
import type { RefundDto } from '../../../services/orders/refund-dto.ts';
import { META, startTestApplication } from '../../support/application.ts';
import { startTestDatabase, type TestDatabase } from '../../support/database.ts';
import { until } from '../../support/until.ts';

let database: TestDatabase;
let application: Application;
beforeAll(async () => {
	database = await startTestDatabase();
	application = await startTestApplication(database);
});
afterAll(async () => {
	await application.stop();
	await database.stop();
});

const call = <T>(action: string, params: object): Promise<T> => application.broker.call(action, params, { meta: META });
const orderOf = (id: string): Promise<OrderDto> => call('orders.get', { id });

async function shipped(body: object = {}): Promise<string> {
	const { id } = await call<OrderDto>('orders.create', { productName: 'tea', amount: 20, ...body });
	await until(async () => (await orderOf(id)).status === 'Shipped', 'it has shipped');
	return id;
}

const ask = (id: string, body?: string, key?: string): Promise<Response> =>
	fetch(`${application.url}/orders/${id}/refunds`, {
		method: 'POST',
		headers: {
			...(body === undefined ? {} : { 'content-type': 'application/json' }),
			...(key === undefined ? {} : { 'idempotency-key': key }),
		},
		body: body ?? null,
	});

type Shown = Omit<RefundDto, 'amount'> & { readonly amount: number };

async function refundsOf(id: string): Promise<Shown[]> {
	const res = await fetch(`${application.url}/orders/${id}/refunds`);
	expect(res.status).toBe(200);
	return ((await res.json()) as { data: Shown[] }).data;
}

const settled = (id: string): Promise<unknown> =>
	until(async () => (await refundsOf(id)).every(({ settledAt }) => settledAt !== null), 'all refunds are settled');

async function codeOf(res: Response): Promise<[number, string]> {
	return [res.status, ((await res.json()) as { code: string }).code];
}

it('gives back a part, then all that is left, and then nothing', async () => {
	const id = await shipped({ amount: 4.125, currency: 'KWD' });
	const res = await ask(id, '{"amount":1.010,"reason":" broken "}');
	expect(res.status).toBe(201);
	expect(JSON.parse(await res.clone().text())).toEqual({
		...{ id: expect.any(String), orderId: id, amount: 1.01, currency: 'KWD', status: 'Requested', reason: 'broken' },
		...{ createdAt: expect.any(String), settledAt: null, failureReason: null },
	});
	expect(await res.text()).toContain('"amount":1.01,');
	await settled(id);
	expect(await orderOf(id)).toMatchObject({
		...{ status: 'Shipped', paymentStatus: 'PartiallyRefunded', amount: '4.125', refundedAmount: '1.01' },
	});
	expect(await codeOf(await ask(id, '{"amount":3.116}'))).toEqual([409, 'Refunds.TooMuch']);
	expect((await ask(id)).status).toBe(201);
	await settled(id);
	expect(await orderOf(id)).toMatchObject({ paymentStatus: 'Refunded', refundedAmount: '4.125' });
	expect(await codeOf(await ask(id))).toEqual([409, 'Refunds.TooMuch']);
	const refunds = await refundsOf(id);
	expect(refunds.map(({ amount, status }) => [amount, status])).toEqual([
		[1.01, 'Succeeded'],
		[3.115, 'Succeeded'],
	]);
	const { data } = await call<{ data: { type: string; data: object }[] }>('orders.history', { id });
	expect(data.slice(-4).map(({ type }) => type)).toEqual([
		...['RefundRequested', 'RefundSucceeded', 'RefundRequested', 'RefundSucceeded'],
	]);
	const journal = await database.query<{ idempotency_key: string; amount: number }>(
		`SELECT idempotency_key, amount::int FROM sandbox_operations WHERE operation = 'refund' AND order_id = $1 ORDER BY amount`,
		[id],
	);
	expect(journal).toEqual([
		{ idempotency_key: `${id}:refund:${refunds[0]?.id}`, amount: 1010 },
		{ idempotency_key: `${id}:refund:${refunds[1]?.id}`, amount: 3115 },
	]);
	const [row] = await database.query<{ sweep_at: Date | null }>('SELECT sweep_at FROM orders WHERE id = $1', [id]);
	expect(row?.sweep_at).toBeNull();
}, 60_000);

it('gives back no more than what was last agreed', async () => {
	const { id } = await call<OrderDto>('orders.create', { productName: 'tea', amount: 20 });
	await call('orders.amend', { id, amount: '7.50' });
	await until(async () => (await orderOf(id)).status === 'Shipped', 'it has shipped');
	expect(await codeOf(await ask(id, '{"amount":7.51}'))).toEqual([409, 'Refunds.TooMuch']);
	expect((await call<RefundDto>('orders.refund', { id })).amount).toBe('7.5');
});

describe('a refund', () => {
	it.each([
		['{"amount":0}', '#/amount'],
		['{"amount":-1}', '#/amount'],
		['{"amount":1.999}', '#/amount'],
		['{"amount":"1"}', '#/amount'],
		['{"amount":null}', '#/amount'],
		['{"reason":""}', '#/reason'],
		['{"reason":"a\\u0000b"}', '#/reason'],
		['{"id":"x"}', '#/id'],
		['{"idempotencyKey":"k"}', '#/idempotencyKey'],
	])('of %s is 422', async (body, pointer) => {
		const id = await until(() => anyShipped);
		const res = await ask(id, body);
		expect([res.status, await res.json()]).toEqual([
			422,
			expect.objectContaining({ code: 'Validation.Failed', errors: [expect.objectContaining({ pointer })] }),
		]);
	});

	it('of an order that has not shipped, or of none, is refused', async () => {
		const { id } = await call<OrderDto>('orders.create', { productName: 'tea', amount: 20, cancellationWindow: '10m' });
		expect(await codeOf(await ask(id))).toEqual([409, 'Orders.InvalidState']);
		expect(await refundsOf(id)).toEqual([]);
		expect(await codeOf(await ask('01a204ea-7a9f-7000-8000-055d243c1f4d'))).toEqual([404, 'Orders.NotFound']);
	});
});

let anyShipped: string | undefined;
beforeAll(async () => {
	anyShipped = await shipped();
}, 60_000);

describe('a key', () => {
	it('makes one refund, and every answer is the first one', async () => {
		const id = await shipped();
		const first = await ask(id, '{"amount":2.5}', 'refund-1');
		const text = await first.text();
		await settled(id);
		const again = await ask(id, '{ "amount": 2.50 }', 'refund-1');
		expect([again.status, again.headers.get('idempotent-replayed'), await again.text()]).toEqual([201, 'true', text]);
		expect(first.headers.get('idempotent-replayed')).toBeNull();
		expect(await refundsOf(id)).toHaveLength(1);
		expect(await codeOf(await ask(id, '{"amount":2.51}', 'refund-1'))).toEqual([422, 'Idempotency.KeyReused']);
		expect(await codeOf(await ask(id, '{"amount":2.5,"reason":"x"}', 'refund-1'))).toEqual([
			422,
			'Idempotency.KeyReused',
		]);
		const other = await shipped();
		expect(await codeOf(await ask(other, '{"amount":2.5}', 'refund-1'))).toEqual([422, 'Idempotency.KeyReused']);
		expect(await refundsOf(other)).toEqual([]);
	}, 60_000);

	it('of an order is not one of a refund, and the other way round', async () => {
		const id = await shipped({ idempotencyKey: 'mine' });
		const reused = { code: 422, type: 'Idempotency.KeyReused' };
		await expect(call('orders.refund', { id, idempotencyKey: 'mine' })).rejects.toMatchObject(reused);
		await call('orders.refund', { id, idempotencyKey: 'yours' });
		await expect(
			call('orders.create', { productName: 'tea', amount: 20, idempotencyKey: 'yours' }),
		).rejects.toMatchObject(reused);
	}, 60_000);

	it('that was refused is free again', async () => {
		const id = await shipped();
		expect(await codeOf(await ask(id, '{"amount":20.01}', 'free'))).toEqual([409, 'Refunds.TooMuch']);
		expect((await ask(id, '{"amount":20}', 'free')).status).toBe(201);
	}, 60_000);

	it('that another request has, is waited for; after 5 s it is 409', async () => {
		const id = await shipped();
		const other = new pg.Client(database.connection);
		await other.connect();
		const take = `SELECT pg_advisory_xact_lock(hashtextextended('tester' || E'\\n' || 'busy', 5300))`;
		await other.query('BEGIN');
		await other.query(take);
		await expect(call('orders.refund', { id, idempotencyKey: 'busy' })).rejects.toMatchObject({
			...{ code: 409, type: 'Idempotency.InProgress' },
		});
		const waiting = call<RefundDto>('orders.refund', { id, idempotencyKey: 'busy' });
		await other.query('COMMIT');
		await other.end();
		expect((await waiting).amount).toBe('20');
	}, 60_000);
});

it('50 at once never give back more than was taken, with one key or with many', async () => {
	const [many, one] = [await shipped(), await shipped()];
	const answers = await Promise.all(
		Array.from({ length: 50 }, (_, index) => [
			ask(many, '{"amount":0.99}', `many-${index}`),
			ask(one, '{"amount":12}', 'one'),
		]).flat(),
	);
	const statuses = answers.map(({ status }) => status);
	const ofMany = statuses.filter((_, index) => index % 2 === 0);
	expect(ofMany.filter((status) => status === 201)).toHaveLength(20); // of 20.00
	expect(ofMany.filter((status) => status === 409)).toHaveLength(30);
	expect(new Set(statuses.filter((_, index) => index % 2 === 1))).toEqual(new Set([201]));
	await settled(many);
	await settled(one);
	expect(await refundsOf(one)).toHaveLength(1);
	const rows = await database.query<{ order_id: string; given: number; times: number }>(
		`SELECT order_id, sum(amount)::int AS given, count(*)::int AS times FROM sandbox_operations
			WHERE operation = 'refund' AND outcome = 'succeeded' AND order_id = ANY($1::uuid[]) GROUP BY order_id`,
		[[many, one]],
	);
	expect(new Map(rows.map(({ order_id, given, times }) => [order_id, [given, times]]))).toEqual(
		new Map([
			[many, [1980, 20]],
			[one, [1200, 1]],
		]),
	);
	expect(await orderOf(many)).toMatchObject({ paymentStatus: 'PartiallyRefunded', refundedAmount: '19.8' });
}, 90_000);
