/** What was stored once is read, listed, cancelled, shipped and replayed, whatever list or setting has changed since. */
import { hash } from 'node:crypto';
import { afterAll, beforeAll, describe, expect, it } from '@jest/globals';
import type { Application } from '../../../bin/application.ts';
import { startTestApplication } from '../../support/application.ts';
import { startTestDatabase, type TestDatabase } from '../../support/database.ts';
import { until } from '../../support/until.ts';

let database: TestDatabase;
let application: Application;
beforeAll(async () => {
	database = await startTestDatabase();
	application = await startTestApplication(database, { CANCELLATION_WINDOW: '1h' });
});
afterAll(async () => {
	await application.stop();
	await database.stop();
});

interface Order {
	readonly id: string;
	readonly amount: number;
	readonly currency: string;
	readonly status: string;
}

const ask = (path: string, init: RequestInit = {}): Promise<Response> => fetch(application.url + path, init);
const post = (body: unknown, headers: Record<string, string> = {}): Promise<Response> =>
	ask('/orders', {
		method: 'POST',
		body: typeof body === 'string' ? body : JSON.stringify(body),
		headers: { 'content-type': 'application/json', ...headers },
	});
const read = async <T>(path: string): Promise<T> => (await (await ask(path)).json()) as T;

/** An order as an older list of currencies let it in. */
async function ordered(currency: string, more: object = {}): Promise<string> {
	const { id } = (await (await post({ productName: 'Tea', amount: 19.9, ...more })).json()) as Order;
	await database.query(`UPDATE orders SET currency = '${currency}' WHERE id = '${id}'`);
	return id;
}

describe.each(['ANG', 'BGN', 'CUC', 'HRK'])('an order in %s, which is no longer payable', (currency) => {
	it('is refused when it is new', async () => {
		const res = await post({ productName: 'Tea', amount: 1, currency });
		expect([res.status, await res.json()]).toMatchObject([422, { errors: [{ pointer: '#/currency' }] }]);
	});

	it('is read, waited for, listed, paused, resumed and cancelled when it is old', async () => {
		const id = await ordered(currency);
		const shown = { id, amount: 19.9, currency };
		expect(await read(`/orders/${id}`)).toMatchObject(shown);
		expect(await (await ask(`/orders/${id}`, { headers: { prefer: 'wait=0' } })).json()).toMatchObject(shown);
		expect(await read('/orders?status=Pending&limit=1')).toMatchObject({ data: [shown] });
		expect(await read(`/orders/${id}/history?limit=1`)).toMatchObject({ data: [{ type: 'OrderPending' }] });
		for (const [command, status] of [
			['hold', 200],
			['resume', 200],
			['cancel', 202],
		] as const) {
			const res = await ask(`/orders/${id}/${command}`, { method: 'POST' });
			expect([res.status, await res.json()]).toMatchObject([status, shown]);
		}
		const isCancelled = async () => (await read<Order>(`/orders/${id}`)).status === 'Cancelled';
		await until(isCancelled, 'it is cancelled');
	});
});

it('an order in a currency of yesterday is captured and shipped', async () => {
	const id = await ordered('BGN', { cancellationWindow: '1s' });
	await until(async () => (await read<Order>(`/orders/${id}`)).status === 'Shipped', 'it is shipped');
});

it('a request that was taken under an older list is answered as it was; only a new one is refused', async () => {
	const headers = { 'idempotency-key': 'of-yesterday' };
	const first = await (await post({ productName: 'Tea', amount: 5 }, headers)).text();
	// What releases before this one have stored for this body, whose amount may be written in other ways.
	const fingerprint = hash('sha256', JSON.stringify(['Tea', '5', 'ANG', null, null]), 'base64');
	await database.query(`UPDATE idempotency_keys SET fingerprint = '${fingerprint}' WHERE key = 'of-yesterday'`);
	for (const amount of ['5', '5.00', '0.5e1']) {
		const again = await post(`{"productName":"Tea","amount":${amount},"currency":"ANG"}`, headers);
		expect([again.status, again.headers.get('idempotent-replayed'), await again.text()]).toEqual([201, 'true', first]);
	}
	const [before] = await database.query<{ n: bigint }>('SELECT count(*) AS n FROM orders');
	for (const key of ['of-yesterday', 'of-today']) {
		const other = await post({ productName: 'Tea', amount: 6, currency: 'ANG' }, { 'idempotency-key': key });
		expect([other.status, await other.json()]).toMatchObject([422, { code: 'Validation.Failed' }]);
	}
	expect(await database.query('SELECT count(*) AS n FROM orders')).toEqual([before]);
	expect(await database.query(`SELECT FROM idempotency_keys WHERE key = 'of-today'`)).toEqual([]);
});

describe('what is wrong with a request', () => {
	it.each<[string, Record<string, string>]>([
		['{"productName":"","amount":-1}', { productName: 'Must not be empty.', amount: 'Must be above 0.' }],
		[
			'{"productName":" ","amount":1.234,"currency":"USD","gift":1}',
			{
				productName: 'Must not be empty.',
				amount: 'Has more decimals than the currency.',
				gift: 'Unknown field.',
			},
		],
		[
			'{"amount":-0.001,"currency":"ZZZ","cancellationWindow":"1","paymentMethod":""}',
			{
				productName: 'Is missing.',
				amount: 'Must be above 0.',
				currency: expect.stringContaining('ISO 4217') as never,
				cancellationWindow: expect.any(String) as never,
				paymentMethod: 'Must not be empty.',
			},
		],
		[`{"productName":"x","amount":${'9'.repeat(100)}}`, { amount: 'Must be at most 999999999999.99.' }],
		[`{"productName":"x","amount":1.${'0'.repeat(100)}}`, { amount: 'Has more decimals than the currency.' }],
		['{"productName":"x","amount":1e-999}', { amount: 'Has more decimals than the currency.' }],
		['{"productName":7,"amount":"1"}', { productName: 'Must be a string.', amount: 'Must be a number.' }],
	])('is named all at once: %s', async (body, expected) => {
		for (const key of [undefined, 'wrong']) {
			const res = await post(body, key === undefined ? {} : { 'idempotency-key': key });
			const { code, errors } = (await res.json()) as { code: string; errors: { pointer: string; detail: string }[] };
			expect([res.status, code]).toEqual([422, 'Validation.Failed']);
			expect(Object.fromEntries(errors.map(({ pointer, detail }) => [pointer.slice(2), detail]))).toEqual(expected);
		}
	});
});

describe('a long history', () => {
	const EVENTS = 2_500;
	let id: string;
	beforeAll(async () => {
		id = await ordered('USD');
		await database.query(`
			INSERT INTO order_events (order_id, sequence, id, type, occurred_at, data)
			SELECT '${id}', n, gen_random_uuid(), 'OrderHeld', now(), '{"version":1}' FROM generate_series(101, ${EVENTS + 100}) AS n`);
	});

	interface Page {
		readonly data: readonly { readonly sequence: number }[];
		readonly nextCursor: string | null;
	}

	it('comes in pages, in order, without a gap, over HTTP and from the action', async () => {
		const call = (params: object): Promise<Page> =>
			application.broker.call(
				'orders.history',
				{ id, ...params },
				{ meta: { caller: { subject: 'x', scopes: ['orders:admin'] } } },
			);
		const get = (params: object): Promise<Page> =>
			read(`/orders/${id}/history?${new URLSearchParams(params as Record<string, string>)}`);
		for (const page of [call, get]) {
			const sequences: number[] = [];
			const sizes: number[] = [];
			for (let cursor: string | null = ''; cursor !== null; ) {
				const { data, nextCursor }: Page = await page(cursor === '' ? {} : { cursor });
				sequences.push(...data.map(({ sequence }) => sequence));
				sizes.push(data.length);
				cursor = nextCursor;
			}
			expect(sizes.slice(0, 2)).toEqual([1_000, 1_000]);
			expect(sequences.filter((sequence) => sequence > 100)).toEqual(Array.from({ length: EVENTS }, (_, n) => n + 101));
			expect(sequences).toEqual(sequences.toSorted((a, b) => a - b));
		}
		const last = await get({ limit: '1' });
		expect([last.data.length, last.data[0]?.sequence]).toEqual([1, 1]);
	});

	it.each([
		'limit=0',
		'limit=1001',
		'limit=x',
		'cursor=x',
		'cursor=MA',
		'cursor=MDE',
		'cursor=OTk5OTk5OTk5OQ',
		'page=1',
	])('is refused with %s', async (query) => {
		const res = await ask(`/orders/${id}/history?${query}`);
		expect([res.status, await res.json()]).toMatchObject([
			422,
			{ code: 'Validation.Failed', errors: [{ parameter: query.split('=')[0] }] },
		]);
	});
});
