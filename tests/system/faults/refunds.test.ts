/** Fifty people give the same order's money back at once, in one process and in several, which are killed meanwhile (I9). */
import { afterEach, expect, it } from '@jest/globals';
import { redis } from '../../../bin/brokers/redis.ts';
import { type TestBroker, testBroker } from '../../support/broker-kinds.ts';
import { describeBroker } from '../../support/brokers.ts';
import { type Answer, Client } from '../../support/client.ts';
import { Cluster, ready } from '../../support/cluster.ts';
import { startTestDatabase, type TestDatabase } from '../../support/database.ts';
import { collect, type Tables, unfinished } from '../../support/evidence.ts';
import { violations } from '../../support/invariants.ts';
import { System } from '../../support/process.ts';
import { until } from '../../support/until.ts';

const ENV = {
	...{ CANCELLATION_WINDOW: '1s', PROVIDER_TIMEOUT: '1s', SANDBOX_LATENCY: '200ms', LOG_LEVEL: 'warn' },
};
const PEOPLE = 50;

/** An order of 20.00 that has shipped. */
async function shipped(client: Client): Promise<string> {
	const { orderId } = await client.create({ productName: 'tea', amount: 20 }, 'tea');
	const id = orderId ?? '';
	await until(async () => (await client.get(id)).status === 'Shipped', 'it has shipped');
	return id;
}

/** Each asks for 0.99, of which there are twenty. */
const askAll = (id: string, clientOf: (person: number) => Client): Promise<Answer[]> =>
	Promise.all(Array.from({ length: PEOPLE }, (_, person) => clientOf(person).refund(id, 0.99, `person-${person}`)));

const asked = async (tables: Tables, least: number, status = ''): Promise<unknown> =>
	until(async () => {
		const [row] = await tables.sql<{ count: number }>(
			`SELECT count(*)::int AS count FROM refunds WHERE $1 IN ('', status)`,
			[status],
		);
		return (row?.count ?? 0) >= least;
	}, `${least} refunds ${status}`);

async function expectGood(tables: Tables, id: string, clients: readonly Client[], answers: readonly Answer[]) {
	const [client] = clients;
	if (client === undefined) throw new Error('nobody has asked');
	await until(async () => (await unfinished(tables)) === 0, 'every refund has ended', 120_000);
	expect(Map.groupBy(answers, ({ status }) => status).get(201)).toHaveLength(20);
	expect(Map.groupBy(answers, ({ code }) => code).get('Refunds.TooMuch')).toHaveLength(30);
	const evidence = await collect(tables, client);
	expect(violations({ ...evidence, answers: clients.flatMap((one) => one.answers) })).toEqual([]);
	const given = evidence.operations.filter(({ operation }) => operation === 'refund');
	expect(given.map(({ amount }) => amount)).toEqual(Array.from({ length: 20 }, () => 99));
	expect(await client.get(id)).toMatchObject({ paymentStatus: 'PartiallyRefunded', refundedAmount: 19.8 });
}

const endings: (() => Promise<unknown>)[] = [];
afterEach(async () => {
	for (const end of endings.splice(0).reverse()) await end();
}, 60_000);

it('in one process', async () => {
	const system = await System.create(ENV);
	endings.push(() => system.dispose());
	const client = new Client(system.url);
	endings.push(async () => client.giveUp());
	let running = await system.up();
	const id = await shipped(client);
	const answers = askAll(id, () => client);
	await asked(system, 1);
	await running.kill();
	running = system.start();
	await asked(system, 20);
	await system.killTree();
	running = system.start();
	await asked(system, 3, 'Succeeded');
	await running.kill();
	system.start();
	await expectGood(system, id, [client], await answers);
}, 240_000);

await describeBroker(redis, 'on a broker', () => {
	it('in several processes', async () => {
		const broker: TestBroker = await testBroker(redis);
		endings.push(() => broker.dispose());
		const database: TestDatabase = await startTestDatabase();
		endings.push(() => database.stop());
		await broker.up();
		const cluster = await Cluster.create(database, broker.url, { ...ENV, MIGRATE: 'on' });
		endings.push(() => cluster.dispose());
		const [first, second] = [cluster.start(), cluster.start()];
		await Promise.all([ready(first), ready(second)]);
		const clients = [first, second].map((running) => new Client(() => running.url ?? cluster.url()));
		endings.push(async () => clients.forEach((client) => void client.giveUp()));
		const [client = new Client(cluster.url)] = clients;
		const id = await shipped(client);
		const answers = askAll(id, (person) => clients[person % clients.length] ?? client);
		await asked(cluster, 5);
		await first.kill();
		cluster.start();
		await asked(cluster, 2, 'Succeeded');
		await second.kill();
		await expectGood(cluster, id, clients, await answers);
	}, 240_000);
});
