/** A provider that refuses us has said nothing of any order: calls wait, but for one a second, and all goes on by itself. */
import { expect, it } from '@jest/globals';
import type { OrderDto } from '../../../services/orders/order-dto.ts';
import { freshSystem } from '../../support/stripe/fresh-system.ts';
import { eventually, until } from '../../support/until.ts';

const system = freshSystem({ PROVIDER_TIMEOUT: '2s' });

const { call, place } = system;
const text = async (path: string): Promise<string> => (await fetch(`${system.application.url}${path}`)).text();
const sweeps = async (): Promise<number> => {
	const [row] = await system.database.query<{ sum: number }>('SELECT sum(sweeps)::int AS sum FROM orders');
	return row?.sum ?? 0;
};

it('decides nothing, is asked once a second at most, and is told of', async () => {
	system.standIn.gate.revoke();
	const began = performance.now();
	const orders = await Promise.all(Array.from({ length: 30 }, () => place()));
	await until(async () => (await text('/metrics')).includes('provider_refuses_us 1'), 'it is noticed');
	// What readiness has seen stays good for a moment.
	await eventually(async () => {
		const ready = await fetch(`${system.application.url}/health/ready`);
		expect(ready.status).toBe(200);
		expect(await ready.json()).toMatchObject({
			status: 'degraded',
			degraded: [{ name: 'payment provider', reason: expect.stringMatching(/^it refuses us: /) }],
		});
	}, 'readiness tells of it');
	await until(async () => (await sweeps()) > 60, 'the sweeper has found all of them twice');
	const asked = system.standIn.api.totals;
	const seconds = (performance.now() - began) / 1_000;
	const requests = Object.values(asked).reduce((sum, count) => sum + count, 0);
	// Those that were under way when it was noticed, and a probe a second.
	expect(requests).toBeLessThanOrEqual(30 + 2 * seconds);
	for (const { id } of orders) expect((await call<OrderDto>('orders.get', { id })).status).not.toBe('PaymentFailed');

	system.standIn.gate.restore();
	for (const { id } of orders) {
		await until(
			async () => (await call<OrderDto>('orders.get', { id })).status === 'Shipped',
			`${id} is Shipped`,
			90_000,
		);
		expect(system.standIn.book().get(id)).toMatchObject({ authorized: 1990, captured: 1990, held: 0 });
	}
	expect(await text('/metrics')).toContain('provider_refuses_us 0');
}, 180_000);
