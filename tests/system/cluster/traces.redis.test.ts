/** One trace over processes and a broker: each hop in it, and each process under a name of its own. */
import { afterAll, beforeAll, expect, it } from '@jest/globals';
import { redis } from '../../../bin/brokers/redis.ts';
import { type TestBroker, testBroker } from '../../support/broker-kinds.ts';
import { describeBroker } from '../../support/brokers.ts';
import { Cluster } from '../../support/cluster.ts';
import { Collector, KINDS } from '../../support/collector.ts';
import { startTestDatabase, type TestDatabase } from '../../support/database.ts';
import { tracedOrder, wayBack } from '../../support/traces.ts';
import { until } from '../../support/until.ts';

await describeBroker(redis, 'traces of a system on Redis', () => {
	let broker: TestBroker;
	let database: TestDatabase;
	let collector: Collector;
	let cluster: Cluster;

	beforeAll(async () => {
		broker = await testBroker(redis);
		[database, collector] = await Promise.all([startTestDatabase(), Collector.start()]);
		await broker.up();
		cluster = await Cluster.create(database, broker.url, collector.env);
		await cluster.up({ gateway: 1, 'orders,outbox-relay': 1, settlement: 2, shipping: 1 });
	}, 240_000);
	afterAll(async () => {
		await cluster?.dispose();
		await Promise.all([database?.stop(), broker?.dispose(), collector?.stop()]);
	}, 60_000);

	it('an order is one trace, in which every span leads back to the request', async () => {
		const { traceId } = await tracedOrder(cluster.url() ?? '', collector);
		const last = await until(
			() => collector.trace(traceId).find(({ name }) => name === 'parcel service hand_over'),
			'the hand-over has come',
		);
		const spans = await until(() => {
			const found = collector.trace(traceId);
			return found.every((span) => wayBack(span, found).at(-1) === 'POST /orders') ? found : undefined;
		}, 'every span leads back');
		expect(wayBack(last, spans)).toEqual([
			...['parcel service hand_over', 'process shipping', 'process settlement', 'process deadlines'],
			...['orders.create', 'orders.create', 'POST /orders'],
		]);
		const calls = spans.filter(({ name }) => name === 'orders.create');
		expect(calls.map(({ kind }) => kind).sort()).toEqual([KINDS.server, KINDS.client]);
		expect(spans.filter(({ name }) => name === 'send outbox').length).toBeGreaterThan(1);
		expect(spans.find(({ name }) => name === 'process shipping')?.attributes).toMatchObject({
			'messaging.system.name': 'redis',
			'protected_payment.message.type': 'PaymentCaptured',
		});
		const processes = new Map(spans.map(({ resource }) => [resource['service.instance.id'], resource['service.name']]));
		expect(new Set(processes.values())).toEqual(
			new Set(['gateway', 'orders-outbox-relay', 'settlement', 'shipping'].map((name) => `protected-payment-${name}`)),
		);
	}, 120_000);

	it('two processes of a service have ids of their own', async () => {
		await until(async () => {
			await tracedOrder(cluster.url() ?? '', collector);
			const spans = collector.spans.filter(
				({ resource }) => resource['service.name'] === 'protected-payment-settlement',
			);
			return new Set(spans.map(({ resource }) => resource['service.instance.id'])).size === 2;
		}, 'both settlements have had an order');
	}, 120_000);

	it('one that is told to stop does so though the collector says nothing', async () => {
		collector.isSilent = true;
		await fetch(`${cluster.url()}/orders`);
		const [gateway] = cluster.running;
		const began = performance.now();
		expect(await gateway?.stop()).toEqual({ code: 0, signal: null });
		expect(performance.now() - began).toBeLessThan(9_000);
	}, 60_000);
});
