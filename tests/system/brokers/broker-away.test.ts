/** Processes whose broker is not there at their start, or goes away later, on every broker that is there. */
import { afterAll, afterEach, beforeAll, beforeEach, expect, it } from '@jest/globals';
import { BROKER_KINDS, type TestBroker, testBroker } from '../../support/broker-kinds.ts';
import { describeBroker } from '../../support/brokers.ts';
import { Client } from '../../support/client.ts';
import { Cluster, healthOf, ready } from '../../support/cluster.ts';
import { startTestDatabase, type TestDatabase } from '../../support/database.ts';
import { collect, unfinished } from '../../support/evidence.ts';
import { violations } from '../../support/invariants.ts';
import type { Running } from '../../support/process.ts';
import { until } from '../../support/until.ts';

for (const kind of BROKER_KINDS) {
	await describeBroker(kind, `${kind.scheme} away`, () => {
		let broker: TestBroker;
		let database: TestDatabase;
		let cluster: Cluster;
		let client: Client;

		beforeAll(async () => {
			broker = await testBroker(kind);
			database = await startTestDatabase();
		}, 120_000);
		beforeEach(async () => {
			await database.reset();
			cluster = await Cluster.create(database, broker.url, { CANCELLATION_WINDOW: '1s' });
			client = new Client(cluster.url);
		});
		afterEach(() => cluster.dispose(), 60_000);
		afterAll(async () => {
			await Promise.all([database?.stop(), broker?.dispose()]);
		}, 60_000);

		const ended = (): Promise<unknown> => until(async () => (await unfinished(cluster)) === 0, 'every order has ended');
		const place = (key: string): Promise<{ status: number }> => client.create({ productName: key, amount: 1 }, key);

		async function waits(running: Running): Promise<void> {
			const report = await until(async () => {
				const answer = await healthOf(running);
				const all = [...answer.failing, ...answer.degraded];
				return all.some(({ reason }) => reason === 'the broker cannot be reached') ? answer : undefined;
			}, 'the process says why it is not ready');
			expect(report.httpStatus).toBe(503);
			const live = await fetch(`${running.probeUrl}/health/live`);
			expect(live.status).toBe(200);
			const said = /waiting: the broker (cannot be reached|has not answered yet)/;
			await until(() => running.lines.some((line) => said.test(line)), 'the process says what it waits for');
			expect(running.exit).toBeUndefined();
		}

		it('at the start: is waited for, and said why', async () => {
			await broker.down();
			const [whole, part, given] = [cluster.start(), cluster.start('orders'), cluster.start('settlement')];
			for (const running of [whole, part, given]) await waits(running);
			expect(await given.stop()).toEqual({ code: 0, signal: null }); // also while it waits
			await broker.up();
			for (const running of [whole, part]) await ready(running);
			expect([whole.nodeID, part.nodeID]).toEqual(['all-0', 'orders-0']);
			expect(await place('first')).toMatchObject({ status: 201 });
			await ended();
			expect(await whole.stop()).toEqual({ code: 0, signal: null });
		}, 180_000);

		it('later: one process with all services goes on accepting, degraded', async () => {
			await broker.up();
			const whole = cluster.start();
			await ready(whole);
			await until(async () => (await healthOf(whole)).status === 'ok', 'its carrier has the broker too');
			expect(await place('before')).toMatchObject({ status: 201 });
			await broker.kill();
			const report = await until(async () => {
				const answer = await healthOf(whole);
				return answer.degraded.some(({ name }) => name === 'transporter') ? answer : undefined;
			}, 'degraded');
			expect(report.httpStatus).toBe(200);
			expect(report.failing).toEqual([]);
			expect(report.status).toBe('degraded');
			for (let order = 0; order < 20; order += 1)
				expect(await place(`meanwhile-${order}`)).toMatchObject({ status: 201 });
			const gateway = await fetch(`${whole.url}/health/ready`);
			expect([gateway.status, await gateway.json()]).toMatchObject([200, { status: 'degraded' }]);
			await broker.up();
			await until(async () => (await healthOf(whole)).status === 'ok');
			await ended();
			const evidence = await collect(cluster, client);
			expect(evidence.orders.map(({ status }) => status)).toEqual(Array.from({ length: 21 }, () => 'Shipped'));
			expect(violations(evidence)).toEqual([]);
			expect(whole.exit).toBeUndefined();
		}, 240_000);

		it('later: processes that cannot reach each other answer 503, and lose nothing', async () => {
			await broker.up();
			const all = await cluster.up({ gateway: 1, orders: 1, 'outbox-relay': 1, settlement: 1, shipping: 1 });
			expect(await place('before')).toMatchObject({ status: 201 });
			await broker.kill();
			const order = (key: string): Promise<Response> =>
				fetch(`${cluster.url()}/orders`, {
					method: 'POST',
					headers: { 'content-type': 'application/json', 'idempotency-key': key },
					body: JSON.stringify({ productName: key, amount: 1 }),
				});
			for (const key of ['during', 'during', 'during-2']) {
				const answer = await order(key);
				expect(answer.status).toBe(503);
				expect(Number(answer.headers.get('retry-after'))).toBeGreaterThan(0);
				expect(await answer.json()).toMatchObject({ code: 'Service.Unavailable' });
			}
			for (const running of all) await until(async () => (await healthOf(running)).httpStatus === 503, 'not ready');
			await broker.up();
			for (const running of all) await ready(running);
			expect(await place('during')).toMatchObject({ status: 201 }); // the same key again: the same order, if there is one
			expect(await place('after')).toMatchObject({ status: 201 });
			await ended();
			const evidence = await collect(cluster, client);
			expect(violations(evidence)).toEqual([]);
			expect(evidence.orders.map(({ productName }) => productName)).toEqual(
				expect.arrayContaining(['before', 'during', 'after']),
			);
			expect(all.map(({ exit }) => exit)).toEqual(all.map(() => undefined));
		}, 240_000);
	});
}
