/** `GET /orders/stream` with processes for each part: who comes back to another gateway, after kills, has missed nothing. */
import { afterAll, beforeAll, expect, it } from '@jest/globals';
import { redis } from '../../../bin/brokers/redis.ts';
import { type TestBroker, testBroker } from '../../support/broker-kinds.ts';
import { describeBroker } from '../../support/brokers.ts';
import { Client } from '../../support/client.ts';
import { Cluster, ready } from '../../support/cluster.ts';
import { startTestDatabase, type TestDatabase } from '../../support/database.ts';
import { Load } from '../../support/load.ts';
import type { Running } from '../../support/process.ts';
import { seeded } from '../../support/random.ts';
import { Follower } from '../../support/stream-client.ts';
import { until } from '../../support/until.ts';

await describeBroker(redis, 'the stream of a system on Redis', () => {
	let broker: TestBroker;
	let database: TestDatabase;
	let cluster: Cluster;
	let gateways: [Running, Running];
	let orders: Running;

	beforeAll(async () => {
		[broker, database] = await Promise.all([testBroker(redis), startTestDatabase()]);
		await broker.up();
		cluster = await Cluster.create(database, broker.url, { CANCELLATION_WINDOW: '1s', HOLD_LIMIT: '3s' });
		gateways = [cluster.start('gateway'), cluster.start('gateway')];
		orders = cluster.start('orders,outbox-relay');
		const others = [cluster.start('settlement'), cluster.start('shipping')];
		await Promise.all([...gateways, orders, ...others].map((running) => ready(running)));
	}, 300_000);

	afterAll(async () => {
		await cluster?.dispose();
		await Promise.all([database?.stop(), broker?.dispose()]);
	}, 60_000);

	it('has no gap and nothing twice over a killed gateway and a killed orders service', async () => {
		let here = gateways[0];
		const [first, there] = gateways;
		const follower = new Follower(() => here.url);
		const client = new Client(() => there.url);
		await until(() => follower.lastId !== undefined, 'the stream is open');
		const load = new Load(client, { random: seeded(3), perSecond: 20 });
		await until(() => load.count >= 40, 'the load has begun');
		await first.kill();
		here = there;
		await until(() => follower.connections >= 2, 'the stream is open at the other gateway');
		await until(() => load.count >= 80, 'the load goes on');
		await orders.kill();
		orders = cluster.start('orders,outbox-relay');
		await ready(orders);
		await until(() => load.count >= 120, 'the load goes on again');
		await load.stop();
		const isOver = ({ status }: { status: string }): boolean => /Shipped|Cancelled|PaymentFailed/.test(status);
		await until(async () => (await client.list()).every(isOver), 'every order has come to its end', 90_000);
		const rows = await cluster.sql<{ id: string; n: number }>(
			'SELECT order_id AS id, count(*)::int AS n FROM order_events GROUP BY order_id',
		);
		const stored = rows.reduce((sum, { n }) => sum + n, 0);
		const heard = (): number => [...follower.told.values()].reduce((sum, n) => sum + n, 0);
		await until(() => heard() >= stored, 'all that is stored was told');
		expect(new Map(follower.told)).toEqual(new Map(rows.map(({ id, n }) => [id, n])));
		await follower.stop();
		client.giveUp();
	}, 240_000);
});
