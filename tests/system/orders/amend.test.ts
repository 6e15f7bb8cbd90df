/** The buyer lowers the amount: over HTTP, by the action, and what the provider takes in the end. */
import { afterAll, beforeAll, describe, expect, it } from '@jest/globals';
import type { Application } from '../../../bin/application.ts';
import type { OrderDto } from '../../../services/orders/order-dto.ts';
import { META, startTestApplication } from '../../support/application.ts';
import { startTestDatabase, type TestDatabase } from '../../support/database.ts';
import { until } from '../../support/until.ts';

let database: TestDatabase;
let application: Application;
beforeAll(async () => {
	database = await startTestDatabase();
	application = await startTestApplication(database, { CANCELLATION_WINDOW: '10m' });
});
afterAll(async () => {
	await application.stop();
	await database.stop();
});

const JSON_TYPE = { 'content-type': 'application/json' };

async function place(body: object = {}): Promise<string> {
	const order = { productName: 'tea', amount: 20, ...body };
	const init = { method: 'POST', headers: JSON_TYPE, body: JSON.stringify(order) };
	const res = await fetch(`${application.url}/orders`, init);
	expect(res.status).toBe(201);
	return ((await res.json()) as { id: string }).id;
}

/** `amount` as it is written. */
const amend = (id: string, amount: string): Promise<Response> =>
	fetch(`${application.url}/orders/${id}`, { method: 'PATCH', headers: JSON_TYPE, body: `{"amount":${amount}}` });

const call = (id: string, amount: string | number): Promise<OrderDto> =>
	application.broker.call('orders.amend', { id, amount }, { meta: META });

async function typesOf(id: string): Promise<string[]> {
	const rows = await database.query<{ type: string }>(
		'SELECT type FROM order_events WHERE order_id = $1 ORDER BY sequence',
		[id],
	);
	return rows.map(({ type }) => type).filter((type) => type.startsWith('Order'));
}

describe('the amount', () => {
	it('is taken in the digits that were written, in the decimals of the currency', async () => {
		const id = await place({ amount: 4.125, currency: 'KWD' });
		const res = await amend(id, '4.120');
		expect([res.status, await res.text()]).toEqual([200, expect.stringContaining('"amount":4.12,')]);
		expect((await amend(id, '4.1200')).status).toBe(422);
		expect((await amend(await place({ currency: 'JPY' }), '19.0')).status).toBe(422);
		expect(await typesOf(id)).toEqual(['OrderPending', 'OrderAmended']);
		expect((await call(id, '3.999')).amount).toBe('3.999');
		await expect(call(id, '3.9990')).rejects.toMatchObject({ type: 'VALIDATION_ERROR' });
		expect((await call(id, 2)).amount).toBe('2');
	});

	it.each(['20.01', '0', '-1', '19.999', '1e15'])('is never %s where the order costs 20', async (amount) => {
		const id = await place();
		const res = await amend(id, amount);
		expect([res.status, await res.json()]).toEqual([
			422,
			expect.objectContaining({
				code: 'Validation.Failed',
				errors: [{ pointer: '#/amount', detail: expect.any(String) }],
			}),
		]);
		expect(await typesOf(id)).toEqual(['OrderPending']);
	});

	it('may be the present one, which changes nothing', async () => {
		const id = await place();
		expect((await amend(id, '20.00')).status).toBe(200);
		expect(await typesOf(id)).toEqual(['OrderPending']);
	});
});

it('changes as long as the order can be paused, and not a moment longer, the same amount neither', async () => {
	const held = await place();
	await application.broker.call('orders.hold', { id: held }, { meta: META });
	expect((await amend(held, '19')).status).toBe(200);
	const gone = await place();
	await application.broker.call('orders.cancel', { id: gone }, { meta: META });
	const late = await place({ cancellationWindow: '1s' });
	await until(async () => (await call(late, 20).catch((error) => error)).type === 'Orders.WindowClosed', 'it is due');
	for (const [id, code] of [
		[gone, 'Orders.InvalidState'],
		[late, 'Orders.WindowClosed'],
	] as const) {
		for (const amount of ['20', '19', '21']) {
			const res = await amend(id, amount);
			expect([amount, res.status, await res.json()]).toEqual([amount, 409, expect.objectContaining({ code })]);
		}
	}
	const nobodys = '01a204ea-7a9f-7000-8000-055d243c1f4d';
	expect((await amend(nobodys, '1')).status).toBe(404);
});

it('takes what was last agreed, of what was held at first', async () => {
	const id = await place({ cancellationWindow: '2s', amount: 20 });
	await until(async () => (await call(id, 20)).paymentStatus === 'Authorized', 'it is authorised');
	expect((await amend(id, '12.50')).status).toBe(200);
	expect((await amend(id, '7.05')).status).toBe(200);
	await until(async () => {
		const order = await application.broker.call<OrderDto, object>('orders.get', { id }, { meta: META });
		return order.status === 'Shipped' && order.amount === '7.05';
	}, 'it has shipped');
	const rows = await database.query<{ operation: string; amount: number }>(
		'SELECT operation, amount::int FROM sandbox_operations WHERE order_id = $1',
		[id],
	);
	expect(new Map(rows.map(({ operation, amount }) => [operation, amount]))).toEqual(
		new Map([
			['authorize', 2000],
			['capture', 705],
		]),
	);
	const { data } = (await (await fetch(`${application.url}/orders/${id}/history`)).json()) as {
		data: { type: string; data: object }[];
	};
	expect(data.filter(({ type }) => type === 'OrderAmended').map((event) => event.data)).toEqual([
		{ version: 1, amountMinor: '1250', previousMinor: '2000', currency: 'USD' },
		{ version: 1, amountMinor: '705', previousMinor: '1250', currency: 'USD' },
	]);
});
