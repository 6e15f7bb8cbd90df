/** What becomes of an order that is paid with each difficult card of the sandbox. */
import { afterAll, afterEach, beforeAll, beforeEach, expect, it } from '@jest/globals';
import type { Application } from '../../../bin/application.ts';
import { SECOND } from '../../../domain/time.ts';
import type { OrderDto } from '../../../services/orders/order-dto.ts';
import { META, startTestApplication } from '../../support/application.ts';
import { startTestDatabase, type TestDatabase } from '../../support/database.ts';
import { until } from '../../support/until.ts';

let database: TestDatabase;
let application: Application;

beforeAll(async () => {
	database = await startTestDatabase();
});
afterAll(() => database.stop());
beforeEach(async () => {
	await database.reset();
	application = await startTestApplication(database);
});
afterEach(() => application.stop());

const call = <T>(action: string, params: object): Promise<T> => application.broker.call(action, params, { meta: META });

const place = (paymentMethod: string, cancellationWindow: string): Promise<OrderDto> =>
	call('orders.create', { productName: 'Tea', amount: '19.90', paymentMethod, cancellationWindow });

const reaches = (id: string, wanted: Partial<OrderDto>): Promise<OrderDto> =>
	until(
		async () => {
			const order = await call<OrderDto>('orders.get', { id });
			return Object.entries(wanted).every(([name, value]) => order[name as keyof OrderDto] === value)
				? order
				: undefined;
		},
		`${id} is ${JSON.stringify(wanted)}`,
	);

/** The rows of `sandbox_operations` as `key operation outcome`, the key without the order. */
async function journal(id: string): Promise<string[]> {
	const rows = await database.query<{ row: string }>(
		`SELECT replace(idempotency_key, order_id || ':', '') || ' ' || operation || ' ' || outcome AS row
		FROM sandbox_operations WHERE order_id = $1 ORDER BY created_at`,
		[id],
	);
	return rows.map(({ row }) => row);
}

it('card_remembered_error: the capture is done under its second key, and the order ships', async () => {
	const { id } = await place('card_remembered_error', '1s');
	await reaches(id, { status: 'Shipped', paymentStatus: 'Captured' });
	expect(await journal(id)).toEqual(['authorize authorize succeeded', 'capture:2 capture succeeded']);
});

it('card_remembered_error: the void is done under its second key, and the order is cancelled', async () => {
	const { id } = await place('card_remembered_error', '10m');
	await reaches(id, { paymentStatus: 'Authorized' });
	await call('orders.cancel', { id });
	await reaches(id, { status: 'Cancelled', paymentStatus: 'Voided' });
	expect(await journal(id)).toEqual(['authorize authorize succeeded', 'void:2 void succeeded']);
});

it('card_short_hold: the order shows when the hold ends; once it has lapsed, nothing is captured or shipped', async () => {
	const { id } = await place('card_short_hold', '3s');
	const { captureBefore, createdAt } = await reaches(id, { paymentStatus: 'Authorized' });
	const held = Date.parse(captureBefore ?? '') - Date.parse(createdAt);
	expect(held).toBeGreaterThanOrEqual(20 * SECOND);
	expect(held).toBeLessThan(23 * SECOND);
	// As if the 20 s had passed.
	await database.query(`UPDATE sandbox_operations SET created_at = created_at - interval '20 s'`);
	await reaches(id, { status: 'PaymentFailed' });
	expect((await journal(id)).filter((row) => row.includes('capture') && row.endsWith('succeeded'))).toEqual([]);
});
