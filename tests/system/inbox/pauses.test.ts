/** `consumers.pause` and `consumers.resume`: for all processes, and kept over restarts. */
import { describe, expect, it } from '@jest/globals';
import { freshSystem } from '../../support/fresh-system.ts';
import { until } from '../../support/until.ts';

const system = freshSystem();
const { call, get, place } = system;

const isAt = (id: string, status: string, payment: string) => async (): Promise<boolean> => {
	const order = await get(id);
	return order.status === status && order.paymentStatus === payment;
};
const health = async (): Promise<{ status: number; body: { status: string; degraded: { name: string }[] } }> => {
	const answer = await fetch(`${system.application.url}/health/ready`);
	return { status: answer.status, body: (await answer.json()) as never };
};
const pauseIsKnown = (group: string): Promise<unknown> =>
	until(async () => (await health()).body.degraded.some(({ name }) => name === `pause of ${group}`), 'it is known');
/** The sweeper has found the order, and more than once: it would have done what nobody did. */
const isSwept = (id: string): Promise<unknown> =>
	until(async () => {
		const [row] = await system.database.query<{ sweeps: number }>('SELECT sweeps FROM orders WHERE id = $1', [id]);
		return (row?.sweeps ?? 0) >= 2;
	}, 'it was swept twice');

describe('a group that is paused', () => {
	it.each([
		['settlement', 'Confirmed', 'Requested'],
		['deadlines', 'Pending', 'Authorized'],
		['shipping', 'Confirmed', 'Captured'],
	])('%s: an order stops at %s, %s, and goes on after it', async (group, status, payment) => {
		const paused = await call('consumers.pause', { group });
		expect(paused).toMatchObject({ group, pausedBy: 'tester' });
		expect(await call('consumers.pause', { group })).toEqual(paused);
		await pauseIsKnown(group);
		expect(await health()).toMatchObject({ status: 200, body: { status: 'degraded' } });
		const metrics = await (await fetch(`${system.application.url}/metrics`)).text();
		expect(metrics).toContain(`consumer_paused{group="${group}"} 1`);

		const { id } = await place();
		await until(isAt(id, status, payment), `${id} is ${status}, ${payment}`);
		await isSwept(id);
		expect(await isAt(id, status, payment)()).toBe(true);

		expect(await call('consumers.resume', { group })).toEqual({ group, wasPaused: true });
		await until(isAt(id, 'Shipped', 'Captured'), `${id} is Shipped`);
		expect(await call('consumers.resume', { group })).toEqual({ group, wasPaused: false });
		expect((await health()).body.status).toBe('ok');
	});

	it('stays paused over a restart, and begins nothing before it knows', async () => {
		await call('consumers.pause', { group: 'settlement' });
		await pauseIsKnown('settlement');
		const { id } = await place();
		await system.restart();
		await isSwept(id);
		expect(await get(id)).toMatchObject({ paymentStatus: 'Requested' });
		await call('consumers.resume', { group: 'settlement' });
		await until(isAt(id, 'Shipped', 'Captured'), `${id} is Shipped`);
	});

	it('has to be one that there is', async () => {
		await expect(call('consumers.pause', { group: 'setlement' })).rejects.toMatchObject({
			...{ code: 422, data: [{ field: 'group', message: expect.stringContaining('deadlines, settlement, shipping') }] },
		});
	});
});
