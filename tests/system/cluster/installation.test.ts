/** The name of a system on its brokers, and what becomes of it when the database is copied. */
import { spawnSync } from 'node:child_process';
import { mkdtemp } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, afterEach, beforeAll, describe, expect, it } from '@jest/globals';
import pg from 'pg';
import { redis } from '../../../bin/brokers/redis.ts';
import { installationOf, serverOf } from '../../../mixins/cluster/installation.ts';
import { NodeSlot } from '../../../mixins/cluster/node-slot.ts';
import { migrate } from '../../../mixins/database/migrations/index.ts';
import { testBroker } from '../../support/broker-kinds.ts';
import { describeBroker } from '../../support/brokers.ts';
import { Client } from '../../support/client.ts';
import { Cluster, healthOf, ready } from '../../support/cluster.ts';
import { memoryLog, startTestDatabase, TestDatabase } from '../../support/database.ts';
import { until } from '../../support/until.ts';

let server: TestDatabase;
let open: (() => Promise<unknown>)[] = [];

beforeAll(async () => {
	server = await startTestDatabase();
}, 60_000);
afterEach(async () => {
	for (const close of open.reverse()) await close();
	open = [];
}, 60_000);
afterAll(() => server?.stop(), 60_000);

async function session(database: string): Promise<pg.Client> {
	const client = new pg.Client({ ...server.connection, database });
	client.on('error', () => {});
	await client.connect();
	open.push(() => client.end());
	return client;
}

const nameIn = async (database: string): Promise<string> => (await installationOf(await session(database))).name;

describe('the name of a system', () => {
	beforeAll(async () => {
		await server.query('CREATE DATABASE production');
		await migrate({ ...server.connection, database: 'production' }, 'up', server.log);
	}, 60_000);

	it('is one for all its processes, also when they come at once, and stays', async () => {
		const names = await Promise.all(Array.from({ length: 8 }, () => nameIn('production')));
		expect(new Set(names).size).toBe(1);
		expect(names[0]).toMatch(/^protected-payment-[0-9a-f]{8}$/);
		expect(await nameIn('production')).toBe(names[0]);
	});

	it("is another one's in a copy by TEMPLATE, for all its processes, and a line says so", async () => {
		const original = await nameIn('production');
		for (const close of open.splice(0)) await close();
		await server.query('CREATE DATABASE staging TEMPLATE production');
		const log = memoryLog();
		const connection = { ...server.connection, database: 'staging' };
		const slots = ['one', 'two', 'three'].map((name) => new NodeSlot({ connection, name, log, onLost: () => {} }));
		for (const slot of slots) {
			open.push(() => slot.stop());
			slot.start();
		}
		const names = (await Promise.all(slots.map(({ taken }) => taken))).map(({ namespace }) => namespace);
		expect(new Set(names).size).toBe(1);
		expect(names[0]).not.toBe(original);
		expect(log.lines.filter((line) => line.startsWith('warn'))).toEqual([
			`warn this database is a copy of another: on the broker its name is ${names[0]}, no longer ${original}`,
		]);
		expect(await nameIn('production')).toBe(original);
	});

	it('goes along to another place when that is asked for, and once only', async () => {
		const original = await nameIn('production');
		for (const close of open.splice(0)) await close();
		await server.query('CREATE DATABASE restored TEMPLATE production');
		await (await session('restored')).query('UPDATE installation SET place = NULL');
		expect(await nameIn('restored')).toBe(original);
		for (const close of open.splice(0)) await close();
		await server.query('CREATE DATABASE copied TEMPLATE restored');
		expect(await nameIn('copied')).not.toBe(original);
	});

	it('ends a process whose database has become another one meanwhile', async () => {
		const lost: string[] = [];
		const connection = { ...server.connection, database: 'production' };
		const onLost = (why: string): void => void lost.push(why);
		const slot = new NodeSlot({ connection, name: 'moved', log: memoryLog(), onLost });
		open.push(() => slot.stop());
		slot.start();
		const { namespace } = await slot.taken;
		await (await session('production')).query(`UPDATE installation SET place = 'elsewhere'`);
		await server.query(`SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE datname = 'production'
			AND application_name LIKE 'protected-payment slot %'`);
		await until(() => lost.length > 0);
		expect(lost).toEqual([
			`the database has another name now, ${await nameIn('production')} in the place of ${namespace}`,
		]);
	});

	it('is read by an ordinary user', async () => {
		const client = await session('production');
		await client.query(
			'CREATE ROLE ordinary; GRANT SELECT, INSERT, UPDATE ON installation TO ordinary; SET ROLE ordinary',
		);
		expect((await installationOf(client)).before).toBeUndefined();
		expect(await serverOf(client)).toMatch(/^[\w-]{16}$/);
	});
});

await describeBroker(redis, 'a copy of the data folder that meets its original on a broker', () => {
	it('ends with one line, and the original goes on', async () => {
		const broker = await testBroker(redis);
		open.push(() => broker.dispose());
		await broker.up();
		await nameIn(server.connection.database);
		for (const close of open.splice(1)) await close();
		await server.takeDown();
		const folder = await mkdtemp(join(tmpdir(), 'pp-copy-'));
		spawnSync('cp', ['-a', `${server.dataDir}/.`, folder]);
		const copy = new TestDatabase(folder, { fsync: 'off' });
		open.push(() => copy.stop());
		await Promise.all([server.bringUp(), copy.bringUp()]);

		const production = await Cluster.create(server, broker.url);
		open.push(() => production.dispose());
		await Promise.all(['orders', 'gateway'].map((services) => ready(production.start(services))));
		const staging = await Cluster.create(copy, broker.url);
		open.push(() => staging.dispose());
		const client = new Client(production.url);
		const intruder = staging.start('orders');
		let created = 0;
		for (; intruder.exit === undefined; created += 1)
			await client.create({ productName: 'tea', amount: 1 }, `key-${created}`);
		expect(intruder.exit).toEqual({ code: 1, signal: null });
		expect(intruder.errors.at(-1)).toMatch(
			/^a copy of this database is in use on the same broker under the same name, /,
		);
		expect(await production.sql('SELECT id FROM orders')).toHaveLength(created);
		expect(await staging.sql('SELECT id FROM orders')).toEqual([]);
		for (const running of production.running) expect(await healthOf(running)).toMatchObject({ httpStatus: 200 });
	}, 120_000);
});
