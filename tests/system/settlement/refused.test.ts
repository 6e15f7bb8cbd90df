/** A provider that refuses us has said nothing of any order: calls wait, but for one a second, and all goes on by itself. */
import { afterAll, afterEach, beforeAll, beforeEach, expect, it } from '@jest/globals';
import type { Application } from '../../../bin/application.ts';
import type { OrderDto } from '../../../services/orders/order-dto.ts';
import { META, startTestApplication } from '../../support/application.ts';
import { startTestDatabase, type TestDatabase } from '../../support/database.ts';
import { StripeStandIn } from '../../support/stripe/stand-in.ts';
import { until } from '../../support/until.ts';

let database: TestDatabase;
let standIn: StripeStandIn;
let application: Application;

beforeAll(async () => {
	database = await startTestDatabase();
});
afterAll(() => database.stop());
beforeEach(async () => {
	await database.reset();
	standIn = await StripeStandIn.open({ patience: 2_000 });
	application = await startTestApplication(database, { ...standIn.settings, PROVIDER_TIMEOUT: '2s' });
});
afterEach(async () => {
	await application.stop();
	await standIn.close();
});

const call = <T>(action: string, params: object): Promise<T> => application.broker.call(action, params, { meta: META });
const place = (): Promise<OrderDto> =>
	call('orders.create', { productName: 'Tea', amount: '19.90', paymentMethod: 'pm_card_visa' });
const text = async (path: string): Promise<string> => (await fetch(`${application.url}${path}`)).text();
const sweeps = async (): Promise<number> => {
	const [row] = await database.query<{ sum: number }>('SELECT sum(sweeps)::int AS sum FROM orders');
	return row?.sum ?? 0;
};

it('decides nothing, is asked once a second at most, and is told of', async () => {
	standIn.gate.revoke();
	const began = performance.now();
	const orders = await Promise.all(Array.from({ length: 30 }, place));
	await until(async () => (await text('/metrics')).includes('provider_refuses_us 1'), 'it is noticed');
	const ready = await fetch(`${application.url}/health/ready`);
	expect(ready.status).toBe(200);
	expect(await ready.json()).toMatchObject({
		status: 'degraded',
		degraded: [{ name: 'payment provider', reason: expect.stringMatching(/^it refuses us: /) }],
	});
	await until(async () => (await sweeps()) > 60, 'the sweeper has found all of them twice');
	const asked = standIn.api.totals;
	const seconds = (performance.now() - began) / 1_000;
	const requests = Object.values(asked).reduce((sum, count) => sum + count, 0);
	// Those that were under way when it was noticed, and a probe a second.
	expect(requests).toBeLessThanOrEqual(30 + 2 * seconds);
	for (const { id } of orders) expect((await call<OrderDto>('orders.get', { id })).status).not.toBe('PaymentFailed');

	standIn.gate.restore();
	for (const { id } of orders) {
		await until(
			async () => (await call<OrderDto>('orders.get', { id })).status === 'Shipped',
			`${id} is Shipped`,
			90_000,
		);
		expect(standIn.book().get(id)).toMatchObject({ authorized: 1990, captured: 1990, held: 0 });
	}
	expect(await text('/metrics')).toContain('provider_refuses_us 0');
}, 180_000);
