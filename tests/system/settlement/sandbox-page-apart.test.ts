/** `card_authentication` where the gateway, which shows the page, and settlement, which owns the sandbox, are processes apart. */
import { afterAll, beforeAll, expect, it } from '@jest/globals';
import { redis } from '../../../bin/brokers/redis.ts';
import type { OrderDto } from '../../../services/orders/order-dto.ts';
import { type TestBroker, testBroker } from '../../support/broker-kinds.ts';
import { describeBroker } from '../../support/brokers.ts';
import { Cluster, ready } from '../../support/cluster.ts';
import { startTestDatabase, type TestDatabase } from '../../support/database.ts';
import type { Running } from '../../support/process.ts';
import { until } from '../../support/until.ts';

/** Longer than the shortest window, so that what the bank wants is heard after that. */
const SLOW = { SANDBOX_LATENCY: '1500ms' };
const JSON_TYPE = { 'Content-Type': 'application/json' };

await describeBroker(redis, 'a buyer who has to answer a bank, over HTTP, with a process for each part', () => {
	let broker: TestBroker;
	let database: TestDatabase;
	let cluster: Cluster;
	let settlement: Running;

	beforeAll(async () => {
		[broker, database] = await Promise.all([testBroker(redis), startTestDatabase()]);
		await broker.up();
		cluster = await Cluster.create(database, broker.url, SLOW);
		settlement = cluster.start('settlement');
		const others = [cluster.start('orders,outbox-relay,shipping'), cluster.start('gateway')];
		await Promise.all([settlement, ...others].map((running) => ready(running)));
	}, 300_000);

	afterAll(async () => {
		await cluster?.dispose();
		await Promise.all([database?.stop(), broker?.dispose()]);
	}, 60_000);

	const send = (path: string, body?: object): Promise<Response> =>
		fetch(`${cluster.url()}/orders${path}`, { method: 'POST', headers: JSON_TYPE, body: JSON.stringify(body ?? {}) });

	async function place(cancellationWindow: string): Promise<string> {
		const body = { productName: 'Tea', amount: 19.9, paymentMethod: 'card_authentication', cancellationWindow };
		const placed = await send('', body);
		expect(placed.status).toBe(201);
		return ((await placed.json()) as OrderDto).id;
	}

	const reaches = (id: string, wanted: Partial<OrderDto>): Promise<OrderDto> =>
		until(
			async () => {
				const order = (await (await fetch(`${cluster.url()}/orders/${id}`)).json()) as OrderDto;
				const isSo = Object.entries(wanted).every(([name, value]) => order[name as keyof OrderDto] === value);
				return isSo ? order : undefined;
			},
			() => `${id} is ${JSON.stringify(wanted)}\n${cluster.lastWords()}`,
			90_000,
		);

	async function waits(id: string): Promise<string> {
		const { paymentAction } = await reaches(id, { paymentStatus: 'ActionRequired' });
		expect(paymentAction?.url).toMatch(new RegExp(`^${cluster.url()}/sandbox/payments/[0-9a-f-]{36}$`));
		return paymentAction?.url ?? '';
	}

	const answer = (page: string, outcome = 'succeeded'): Promise<Response> =>
		fetch(page, { method: 'POST', redirect: 'manual', body: new URLSearchParams({ outcome }) });

	const history = async (id: string): Promise<string[]> => {
		const { data } = (await (await fetch(`${cluster.url()}/orders/${id}/history`)).json()) as {
			data: { type: string }[];
		};
		return data.map(({ type }) => type);
	};

	const authorized = async (id: string): Promise<number> => {
		const rows = await cluster.sql(
			`SELECT FROM sandbox_operations WHERE order_id = $1 AND operation = 'authorize' AND outcome = 'succeeded'`,
			[id],
		);
		return rows.length;
	};

	it('may pause meanwhile, and answer in the pause', async () => {
		const id = await place('15s');
		const page = await waits(id);
		expect(await (await fetch(page)).text()).toContain('19.9 USD');
		expect((await send(`/${id}/hold`)).status).toBe(200);
		expect(await reaches(id, { status: 'OnHold' })).toMatchObject({
			paymentStatus: 'ActionRequired',
			paymentAction: { url: page },
		});
		expect((await answer(page)).status).toBe(303);
		const held = await reaches(id, { paymentStatus: 'Authorized' });
		expect(held).toMatchObject({ status: 'OnHold', paymentAction: null });
		expect((await send(`/${id}/resume`)).status).toBe(200);
		await reaches(id, { status: 'Shipped', paymentStatus: 'Captured' });
		expect(await authorized(id)).toBe(1);
	}, 180_000);

	it('is asked for once more if that is heard when the order is confirmed already; then it fails, and nothing can be held', async () => {
		// On a busy machine the bank may be heard first: then another order is tried.
		const id = await until(async () => {
			const id = await place('1s');
			await reaches(id, { status: 'PaymentFailed', paymentStatus: 'Voided' });
			const types = await history(id);
			return types.indexOf('OrderConfirmed') < types.indexOf('PaymentActionRequired') ? id : undefined;
		}, 'an order is confirmed before the bank asks');
		const [note] = await cluster.sql<{ page: string; ended_as: string }>(
			'SELECT page, ended_as FROM sandbox_memory WHERE order_id = $1',
			[id],
		);
		expect(note?.ended_as).toBe('cancelled');
		expect((await answer(`${cluster.url()}/sandbox/payments/${note?.page}`)).status).toBe(409);
		expect(await authorized(id)).toBe(0);
	}, 180_000);

	it('is waited for also after settlement was killed, before the answer and right after it', async () => {
		const [before, after] = await Promise.all([place('10m'), place('10m')]);
		const [early, late] = await Promise.all([waits(before), waits(after)]);
		expect((await answer(early)).status).toBe(303);
		await settlement.kill();
		// Nobody knows the page now; the answer is not lost in silence.
		expect((await answer(late)).status).toBeGreaterThanOrEqual(500);
		expect((await fetch(`${cluster.url()}/orders/${after}`)).status).toBe(200);
		settlement = cluster.start('settlement');
		await ready(settlement);
		await reaches(before, { status: 'Pending', paymentStatus: 'Authorized' });
		await until(async () => (await answer(late)).status === 303);
		await reaches(after, { status: 'Pending', paymentStatus: 'Authorized', paymentAction: null });
		expect([await authorized(before), await authorized(after)]).toEqual([1, 1]);
	}, 240_000);
});
