/** Migrations beside work that goes on, and what a role has to be permitted, on a real PostgreSQL. */
import { readFileSync } from 'node:fs';
import { afterAll, beforeAll, expect, it } from '@jest/globals';
import pg from 'pg';
import { Database } from '../../../mixins/database/database.ts';
import { MIGRATIONS, migrate } from '../../../mixins/database/migrations/index.ts';
import { DatabaseReadiness } from '../../../mixins/database/readiness.ts';
import { RIGHTS } from '../../../mixins/database/rights.ts';
import { SchemaGate } from '../../../mixins/database/schema-gate.ts';
import { startTestApplication } from '../../support/application.ts';
import { Client } from '../../support/client.ts';
import { type MemoryLog, memoryLog, startTestDatabase, type TestDatabase } from '../../support/database.ts';
import { TcpProxy } from '../../support/tcp-proxy.ts';
import { eventually, until } from '../../support/until.ts';

let server: TestDatabase;
beforeAll(async () => {
	server = await startTestDatabase();
}, 60_000);
afterAll(() => server.stop());

const ALTERED = /ALTER TABLE (\w+)/;

it('a migration waits briefly for its locks and again, says for whom, and lets the others through meanwhile', async () => {
	// The last one that alters a table which is there, and those after it.
	const altering = MIGRATIONS.findLastIndex(({ up }) => ALTERED.test(up));
	const [last, ...later] = MIGRATIONS.slice(altering).map(({ name }) => name);
	const table = ALTERED.exec(MIGRATIONS[altering]?.up ?? '')?.[1];
	for (const _ of later) await migrate(server.connection, 'down', server.log);
	await migrate(server.connection, 'down', server.log);
	const long = new pg.Client(server.connection);
	await long.connect();
	await long.query(`BEGIN; SELECT FROM ${table}`);
	const log = memoryLog();
	const up = migrate(server.connection, 'up', log);
	const slowest = { ms: 0 };
	const told = new RegExp(`^warn waiting: migration ${last} needs a lock that a transaction of \\d+ s \\(pid \\d+,`);
	await until(async () => {
		const begun = performance.now();
		await server.query(`SELECT FROM ${table} LIMIT 1`);
		slowest.ms = Math.max(slowest.ms, performance.now() - begun);
		return log.lines.some((line) => told.test(line));
	});
	expect(slowest.ms).toBeLessThan(2_500);
	await long.query('COMMIT');
	expect(await up).toEqual([last, ...later]);
	for (const _ of later) await migrate(server.connection, 'down', server.log);
	await long.query(`BEGIN; LOCK TABLE ${table}`);
	await expect(migrate(server.connection, 'down', log, 100)).rejects.toThrow(
		new RegExp(`waited 0.1 s: migration .* ${table}\\) holds$`),
	);
	await long.query('COMMIT');
	await long.end();
	await migrate(server.connection, 'up', server.log);
	const held = `SELECT FROM pg_locks JOIN pg_database d ON d.oid = database WHERE locktype = 'advisory' AND datname = current_database()`;
	expect(await server.query(held)).toEqual([]);
}, 60_000);

it('a line that goes dead under a migration, whose statements may take any time, is noticed, and nothing is applied', async () => {
	await server.query('CREATE DATABASE cut');
	const { host, port } = server.connection;
	const line = await TcpProxy.open(`${host}/.s.PGSQL.${port}`);
	try {
		line.asks = (data) => {
			if (data.includes('CREATE TABLE orders (')) line.freeze();
			return data;
		};
		const address = { ...server.connection, host: '127.0.0.1', port: line.port, database: 'cut' };
		const dead = expect(migrate(address, 'up', server.log)).rejects.toThrow(/Connection terminated/);
		await until(() => line.isFrozen);
		line.thaw(); // what was open stays dead
		await dead;
		line.asks = (data) => data;
		expect(await eventually(() => migrate(address, 'up', server.log))).toHaveLength(MIGRATIONS.length);
	} finally {
		await line.close();
	}
}, 60_000);

interface Gate {
	readonly log: MemoryLog;
	readonly gate: SchemaGate;
	stop(): Promise<void>;
}

function gateOf(
	more: { readonly user?: string; readonly database?: string; readonly host?: string },
	migrates = true,
): Gate {
	const log = memoryLog();
	const address = { ...server.connection, ...more };
	const database = new Database(address, log);
	const readiness = new DatabaseReadiness(database, new Set());
	const gate = new SchemaGate({ address, database, readiness, migrates, log });
	gate.start();
	return {
		log,
		gate,
		stop: async () => {
			await gate.stop();
			await database.close();
		},
	};
}

it('the gate says why the database cannot be used: once in the log in full, in readiness without names', async () => {
	await server.query('CREATE ROLE poor LOGIN');
	await server.query('CREATE DATABASE taken');
	await server.query('CREATE DATABASE latin ENCODING LATIN1 LOCALE "C" TEMPLATE template0');
	const other = new pg.Client({ ...server.connection, database: 'taken' });
	await other.connect();
	await other.query('CREATE TABLE orders (what text)');
	await other.end();
	const cases: [Parameters<typeof gateOf>[0], string | RegExp, RegExp][] = [
		[{ database: 'nosuch' }, 'there is no such database', /database "nosuch" does not exist/],
		[{ user: 'nosuch' }, 'the database refuses the login', /role "nosuch" does not exist/],
		[{ host: '/nosuch' }, 'the database cannot be reached', /ENOENT/],
		[{ user: 'poor', database: 'postgres' }, /refuses a right: permission denied for schema public/, /schema public/],
		[{ database: 'taken' }, /migration 0001-orders failed/, /relation "orders" already exists/],
		[{ database: 'latin' }, /encoding is LATIN1; it has to be UTF8/, /UTF8/],
	];
	await Promise.all(
		cases.map(async ([more, kind, line]) => {
			const { log, gate, stop } = gateOf(more);
			await until(
				() => log.lines.some((said) => said.startsWith('warn waiting: ') && line.test(said)),
				() => `${line}: ${log.lines}`,
			);
			if (typeof kind === 'string') expect(gate.waitsFor).toBe(kind);
			else expect(gate.waitsFor).toMatch(kind);
			await stop();
			expect(log.lines.filter((said) => said.startsWith('warn '))).toHaveLength(1);
		}),
	);
}, 60_000);

it('a role that may create in the schema migrates, up and down', async () => {
	await server.query('CREATE ROLE migrator LOGIN');
	await server.query('CREATE DATABASE fresh');
	const admin = new pg.Client({ ...server.connection, database: 'fresh' });
	await admin.connect();
	await admin.query('GRANT CREATE ON SCHEMA public TO migrator');
	await admin.end();
	const address = { ...server.connection, user: 'migrator', database: 'fresh' };
	expect(await migrate(address, 'up', server.log)).toEqual(MIGRATIONS.map(({ name }) => name));
	expect(await migrate(address, 'down', server.log)).toHaveLength(1);
});

it('docs/operations.md lists the rights that are required, and no others', () => {
	const text = readFileSync(new URL('../../../docs/operations.md', import.meta.url), 'utf8');
	const rows = text.matchAll(/^\| (SELECT[A-Z, ]*?) *\| (.*?) *\|$/gm);
	const listed = [...rows].flatMap(([, rights = '', tables = '']) =>
		[...tables.matchAll(/`(\w+)`/g)].map(([, table]) => [table, rights.split(', ')]),
	);
	expect(Object.fromEntries(listed)).toEqual(RIGHTS);
});

it('a role that has what docs/operations.md lists runs the system; a right that is taken away is named in log and readiness', async () => {
	await server.query('CREATE ROLE runner LOGIN');
	for (const [table, rights] of Object.entries(RIGHTS)) await server.query(`GRANT ${rights} ON ${table} TO runner`);
	const application = await startTestApplication(
		{ ...server, url: server.url.replace('postgres@', 'runner@') } as TestDatabase,
		{ MIGRATE: 'off', RATE_LIMIT: '1000/s' },
	);
	try {
		const client = new Client(() => application.url);
		const { orderId } = await client.create({ productName: 'book', amount: 1 }, 'key');
		await eventually(async () => expect((await client.get(String(orderId)))?.status).toBe('Shipped'));
		const { health } = application.platform;
		expect((await health.readiness()).failing).toEqual([]);
		await server.query('REVOKE UPDATE ON payments FROM runner');
		const reason = 'the database refuses a right: permission denied for table payments (UPDATE)';
		await until(async () => (await health.readiness()).failing.some((finding) => finding.reason === reason));
	} finally {
		await application.stop();
	}
}, 60_000);
