/** The services as processes of their own, two of some, on every broker that is there. */
import { once } from 'node:events';
import { type AddressInfo, connect, createServer } from 'node:net';
import { setTimeout as pause } from 'node:timers/promises';
import { afterAll, beforeAll, expect, it } from '@jest/globals';
import type { ServiceBroker } from 'moleculer';
import { redis } from '../../../bin/brokers/redis.ts';
import { join } from '../../../bin/repl/join.ts';
import { parseSettings } from '../../../mixins/settings/settings.ts';
import { BROKER_KINDS, type TestBroker, testBroker } from '../../support/broker-kinds.ts';
import { describeBroker } from '../../support/brokers.ts';
import { Client } from '../../support/client.ts';
import { Cluster, healthOf, ready } from '../../support/cluster.ts';
import { startTestDatabase, type TestDatabase } from '../../support/database.ts';
import { census, collect, unfinished } from '../../support/evidence.ts';
import { violations } from '../../support/invariants.ts';
import { Load } from '../../support/load.ts';
import { seeded } from '../../support/random.ts';
import { runRepl } from '../../support/repl.ts';
import { until } from '../../support/until.ts';

const NODES = ['gateway-0', 'orders-0', 'orders-1', 'outbox-relay-0', 'settlement-0', 'settlement-1', 'shipping-0'];
const END_SLOT_SESSIONS = `SELECT pg_terminate_backend(pid) FROM pg_stat_activity
	WHERE application_name LIKE 'protected-payment slot %'`;

for (const kind of BROKER_KINDS) {
	await describeBroker(kind, `seven processes linked by ${kind.scheme}`, () => {
		let broker: TestBroker;
		let database: TestDatabase;
		let cluster: Cluster;
		let client: Client;
		let observer: ServiceBroker;

		const nodes = (): string[] => cluster.running.flatMap(({ nodeID, exit }) => (exit ? [] : (nodeID ?? '?'))).sort();
		const ended = (): Promise<unknown> => until(async () => (await unfinished(cluster)) === 0, 'every order has ended');
		const env = (): Record<string, string> => ({ BROKER_URL: broker.url, DATABASE_URL: database.url });

		beforeAll(async () => {
			broker = await testBroker(kind);
			database = await startTestDatabase();
			await broker.up();
			cluster = await Cluster.create(database, broker.url, { CANCELLATION_WINDOW: '1s', HOLD_LIMIT: '2s' });
			await cluster.up();
			client = new Client(cluster.url);
			observer = await join(parseSettings({ ...env(), LOG_LEVEL: 'fatal' }), () => {});
		}, 300_000);

		afterAll(async () => {
			client?.giveUp();
			await observer?.stop();
			await cluster?.dispose();
			await Promise.all([database?.stop(), broker?.dispose()]);
		}, 60_000);

		it('find each other, under names of their own', async () => {
			expect(nodes()).toEqual(NODES);
			await until(() => {
				const known = observer.registry.getNodeList({ onlyAvailable: true }).map(({ id }) => id);
				return known.sort().join() === [...NODES, 'repl-0'].sort().join();
			});
		});

		it('bring orders to their end', async () => {
			const load = new Load(client, { random: seeded(7), perSecond: 20 });
			await until(() => load.count >= 100);
			await load.stop();
			// With a window that is long enough for a busy machine.
			const { orderId } = await client.create(
				{ productName: 'book', amount: 1, cancellationWindow: '60s' },
				'to cancel',
			);
			await client.command('cancel', orderId ?? '');
			await ended();
			const evidence = await collect(cluster, client);
			expect(violations(evidence)).toEqual([]);
			expect(Object.keys(census(evidence.orders)).sort()).toEqual(['Cancelled', 'PaymentFailed', 'Shipped']);
		}, 180_000);

		it('wake the relay, wherever it runs', async () => {
			const woken: string[] = [];
			observer.createService({
				name: 'outbox-relay',
				events: { 'outbox.stored': ({ nodeID }) => void woken.push(String(nodeID)) },
			});
			let placed = 0;
			await until(async () => {
				placed += 1;
				await client.create({ productName: 'tea', amount: 1 }, `woken-${placed}`);
				return woken.length > 0;
			}, 'the relay is woken');
			await observer.destroyService('outbox-relay');
			await ended();
		});

		it('share the calls', async () => {
			const served: (string | null)[] = [];
			for (let call = 0; call < 20; call += 1) {
				const listing = observer.call('orders.list', { limit: 1 });
				await listing;
				served.push((listing as typeof listing & { ctx: { nodeID: string | null } }).ctx.nodeID);
			}
			const counts = Object.entries(Object.groupBy(served, String)).map(([id, all]) => [id, all?.length]);
			expect(Object.fromEntries(counts)).toEqual({ 'orders-0': 10, 'orders-1': 10 });
		});

		it('answer errors over the broker as within a process', async () => {
			const url = cluster.url() ?? '';
			const none = '01a204ea-7a9f-7000-8000-055d243c1f4d';
			const order = await client.create({ productName: 'tea', amount: 1, cancellationWindow: '10m' }, 'errors');
			await client.command('cancel', order.orderId ?? '');
			const post = (path: string, body = '{}'): Promise<Response> =>
				fetch(`${url}${path}`, { method: 'POST', body, headers: { 'content-type': 'application/json' } });
			const answers = [
				await fetch(`${url}/orders/${none}`),
				await post(`/orders/${none}/cancel`),
				await post(`/orders/${order.orderId}/hold`),
				await post('/orders', '{"productName":"","amount":-1}'),
				await fetch(`${url}/orders?status=Lost`),
			];
			const problems = await Promise.all(answers.map((answer) => answer.json() as Promise<{ code: string }>));
			expect(answers.map(({ status }, index) => [status, problems[index]?.code])).toEqual([
				[404, 'Orders.NotFound'],
				[404, 'Orders.NotFound'],
				[409, 'Orders.InvalidState'],
				[422, 'Validation.Failed'],
				[422, 'Validation.Failed'],
			]);
			expect(JSON.stringify(problems)).not.toMatch(/orders-\d|stack|node_modules/);
		});

		it('are joined by a REPL, which calls as the operator', async () => {
			const { orderId } = await client.create({ productName: 'tea', amount: 1, cancellationWindow: '10m' }, 'by-repl');
			const session = await runRepl(
				env(),
				'nodes',
				`call orders.cancel '{"id":"${orderId}"}'`,
				'call outbox.stats',
				`pp order ${orderId}`,
				'pp outbox',
				'pp dead',
			);
			expect(session.errors).toBe('');
			expect(session.code).toBe(0);
			expect(session.output).toMatch(/repl-1 \(\*\)/); // the test itself is repl-0
			expect(session.output).toMatch(/status: 'CancelRequested'/);
			expect(session.output).toMatch(/unsent: \d+/);
			expect(session.output).toMatch(/^\S+Z {2}\+00:0\S+ {2}OrderCancelRequested {2}requestedBy=buyer$/m);
			expect(session.output).toMatch(/^unsent +\d+$/m);
			expect(session.output).toMatch(/^no dead letters$/m);
			await until(async () => (await client.get(orderId ?? '')).status === 'Cancelled');
		}, 60_000);

		it('are joined by a REPL that calls one which is slow to answer', async () => {
			const slow = cluster.node('outbox-relay-0');
			slow.signal('SIGSTOP');
			const session = runRepl(env(), 'call outbox.stats');
			try {
				await until(() => observer.registry.getNodeList({ onlyAvailable: true }).some(({ id }) => id === 'repl-1'));
				await pause(500); // a REPL that does not wait has called by then
			} finally {
				slow.signal('SIGCONT');
			}
			expect(await session).toMatchObject({ code: 0, errors: '', output: expect.stringMatching(/unsent: \d+/) });
			for (const id of NODES) await ready(cluster.node(id));
		}, 120_000);

		if (kind === redis)
			it('are joined by a REPL on a machine where all takes long', async () => {
				const { port, href } = new URL(broker.url);
				const passes = Promise.withResolvers<void>();
				const slow = createServer(async (near) => {
					setTimeout(passes.resolve, 11_000);
					await passes.promise;
					const far = connect(Number(port), '127.0.0.1');
					for (const socket of [near, far]) socket.on('error', () => {});
					near.pipe(far).pipe(near);
				}).listen(0, '127.0.0.1');
				await once(slow, 'listening');
				const address = href.replace(port, String((slow.address() as AddressInfo).port));
				const session = await runRepl({ ...env(), BROKER_URL: address }, 'call outbox.stats');
				slow.close();
				expect(session).toMatchObject({ code: 0, errors: '', output: expect.stringMatching(/unsent: \d+/) });
			}, 120_000);

		it('go on when one is killed, and its successor takes its place', async () => {
			const load = new Load(client, { random: seeded(8), perSecond: 20 });
			const before = client.answers.length;
			const begin = performance.now();
			await cluster.node('orders-0').kill();
			await until(() => {
				const node = observer.registry.getNodeList({}).find(({ id }) => id === 'orders-0');
				return node?.available === false;
			}, 'the death is noticed');
			const noticed = performance.now() - begin;
			const successor = cluster.start('orders');
			await ready(successor);
			expect(successor.nodeID).toBe('orders-0');
			await cluster.node('settlement-1').kill();
			await load.stop();
			await ended(); // by the other one
			const again = cluster.start('settlement');
			await ready(again);
			expect(again.nodeID).toBe('settlement-1');
			const statuses = Object.entries(Object.groupBy(client.answers.slice(before), ({ status }) => String(status)));
			console.log(
				`${kind.scheme}: noticed after ${Math.round(noticed)} ms; answers`,
				Object.fromEntries(statuses.map(([status, all]) => [status, all?.length])),
			);
			expect(violations(await collect(cluster, client))).toEqual([]);
			expect(statuses.map(([status]) => status).filter((status) => !/^(0|20[012]|409|503)$/.test(status))).toEqual([]);
		}, 240_000);

		it('take their places again when the sessions that hold them break', async () => {
			const [row] = await cluster.sql<{ count: number }>(
				`SELECT count(*)::int AS count FROM (${END_SLOT_SESSIONS}) AS ended`,
			);
			expect(row?.count).toBe(NODES.length + 1); // and the test's own
			const heldAgain = (id: string): boolean =>
				cluster.node(id).lines.some((line) => line.includes(`${id} is held again`));
			await until(() => NODES.every(heldAgain));
			for (const id of NODES) await ready(cluster.node(id));
			expect(nodes()).toEqual(NODES);
			expect(await client.create({ productName: 'tea', amount: 1 }, 'slots')).toMatchObject({ status: 201 });
		}, 120_000);

		it('are not ready while the database is away, and go on when it is back', async () => {
			await database.takeDown();
			await until(async () => (await Promise.all(NODES.map((id) => healthOf(cluster.node(id))))).every(notReady));
			await database.bringUp();
			for (const id of NODES) await ready(cluster.node(id));
			expect(nodes()).toEqual(NODES);
			expect(await client.create({ productName: 'tea', amount: 1 }, 'database')).toMatchObject({ status: 201 });
			await ended();
		}, 180_000);

		it('end in good order', async () => {
			const exits = await Promise.all(NODES.map((id) => cluster.node(id).stop()));
			expect(exits).toEqual(NODES.map(() => ({ code: 0, signal: null })));
		}, 60_000);
	});
}

const notReady = ({ httpStatus, failing }: Awaited<ReturnType<typeof healthOf>>): boolean =>
	httpStatus === 503 && failing.some(({ name }) => name === 'database');
