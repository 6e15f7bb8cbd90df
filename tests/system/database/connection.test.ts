/** Connections that go wrong in every way, on a real PostgreSQL: what they do to the work, to the readers, to the process. */
import { setTimeout as pause } from 'node:timers/promises';
import { afterAll, beforeAll, describe, expect, it } from '@jest/globals';
import { Database, DatabaseUnavailable } from '../../../mixins/database/database.ts';
import { DatabaseReadiness } from '../../../mixins/database/readiness.ts';
import { reading } from '../../../mixins/database/reading/adapter.ts';
import { defineModels } from '../../../mixins/database/reading/models.ts';
import type { DatabaseAddress } from '../../../mixins/settings/database-address.ts';
import { memoryLog, startTestDatabase, type TestDatabase } from '../../support/database.ts';
import { System } from '../../support/process.ts';
import { TcpProxy } from '../../support/tcp-proxy.ts';
import { eventually, until } from '../../support/until.ts';

let server: TestDatabase;
let line: TcpProxy;
let burst: Database;
const closers: (() => Promise<unknown>)[] = [];

beforeAll(async () => {
	server = await startTestDatabase();
	const { host, port } = server.connection;
	line = await TcpProxy.open(`${host}/.s.PGSQL.${port}`);
	burst = server.open(8);
	await Promise.all(Array.from({ length: 8 }, () => burst.query(select('pg_sleep(0.1)::text'))));
}, 60_000);
afterAll(async () => {
	for (const close of closers.reverse()) await close().catch(() => {}); // a test may have closed its own
	await line.close();
	await server.stop();
}, 60_000);

const select = (expression: string) => ({ name: expression, text: `SELECT ${expression} AS value`, values: [] });

/** The database through the line, as a process has it: the pool, the readers, and what it says of its readiness. */
function connected(more: Partial<DatabaseAddress> = {}, connections = 4) {
	const log = memoryLog();
	const address = { ...server.connection, host: '127.0.0.1', port: line.port, ...more };
	const database = new Database(address, log, connections);
	database.open();
	const models = defineModels(address);
	const { sequelize } = models;
	closers.push(
		() => database.close(),
		() => sequelize.close(),
	);
	const value = async (expression: string): Promise<unknown> =>
		(await database.query<{ value: unknown }>(select(expression)))[0]?.value;
	const readValue = async (expression: string): Promise<unknown> => {
		const [rows] = await reading(database, () => sequelize.query(`SELECT ${expression} AS value`));
		return (rows as { value: unknown }[])[0]?.value;
	};
	const readiness = new DatabaseReadiness(database, new Set([models]));
	return { address, log, database, value, readValue, readiness };
}

const insertKey = (key: string) => ({
	name: 'insert-key',
	text: `INSERT INTO idempotency_keys (caller, key, fingerprint, order_id, answer, created_at)
		VALUES ('connection', $1, '', gen_random_uuid(), '', now())`,
	values: [key],
});
const keys = async (): Promise<readonly string[]> =>
	(await server.query<{ key: string }>(`SELECT key FROM idempotency_keys WHERE caller = 'connection'`)).map(
		({ key }) => key,
	);

/** Ends the sessions of pools and readers that were made since. */
const endSessions = (since: Date): Promise<unknown> =>
	server.query(
		`SELECT pg_terminate_backend(pid) FROM pg_stat_activity
		WHERE application_name IN ('protected-payment', 'protected-payment-reads') AND backend_start > $1`,
		[since],
	);

describe('what decides how a session is', () => {
	const OURS = { TimeZone: 'UTC', DateStyle: 'ISO, MDY', IntervalStyle: 'postgres', synchronous_commit: 'on' };
	const SAFE = { statement_timeout: '6s', lock_timeout: '5s', default_transaction_isolation: 'read committed' };
	const THEIRS = {
		...{ TimeZone: 'Asia/Tokyo', DateStyle: 'German', IntervalStyle: 'sql_standard', synchronous_commit: 'off' },
		...{ statement_timeout: '1h', lock_timeout: '0', default_transaction_isolation: 'serializable' },
		...{ transaction_timeout: '1min', application_name: 'theirs' },
	};

	it('is the program, not the database, the role, the URL or a PG* variable; for writing and for reading', async () => {
		const environment = { ...process.env };
		for (const [name, value] of Object.entries(THEIRS))
			await server.query(`ALTER ROLE postgres SET ${name} = '${value}'`);
		Object.assign(process.env, {
			...{ PGOPTIONS: '-c search_path=nowhere', PGSSLMODE: 'require', PGHOST: 'nowhere.invalid', PGPORT: '1' },
			...{ PGUSER: 'nobody', PGPASSWORD: 'x', PGDATABASE: 'none', PGAPPNAME: 'x', PGREPLICATION: 'database' },
			...{ PGCLIENT_ENCODING: 'LATIN1', PGSSLNEGOTIATION: 'direct', PGTZ: 'Asia/Tokyo', PGCONNECT_TIMEOUT: '1' },
		});
		try {
			const { value, readValue } = connected({
				settings: { timezone: 'Asia/Tokyo', search_path: 'public', lock_timeout: '0' },
			});
			for (const ask of [value, readValue]) {
				for (const [name, expected] of Object.entries({
					...OURS,
					...SAFE,
					transaction_timeout: '0',
					search_path: 'public',
				}))
					expect([name, await ask(`current_setting('${name}')`)]).toEqual([name, expected]);
				expect(await ask(`current_setting('application_name')`)).toMatch(/^protected-payment/);
			}
		} finally {
			process.env = environment;
			await server.query('ALTER ROLE postgres RESET ALL');
		}
	});

	it('a pooler that drops the settings is named, and nothing is done through it', async () => {
		// Of the start-up packet's options nothing is left, as PgBouncer does with ignore_startup_parameters.
		line.asks = (data) =>
			Buffer.from(
				data.toString('latin1').replace(/-c [^\0]*/, (all) => ' '.repeat(all.length)),
				'latin1',
			);
		try {
			const { value, readValue, readiness, log } = connected();
			await expect(value('1')).rejects.toThrow(DatabaseUnavailable);
			await expect(readValue('1')).rejects.toThrow(DatabaseUnavailable);
			expect(await readiness.check()).toMatch(/PgBouncer .* DATABASE_URL has to lead to PostgreSQL directly/);
			expect(log.lines.filter((said) => said.startsWith('warn ') && said.includes('PgBouncer'))).toHaveLength(1);
		} finally {
			line.asks = (data) => data;
		}
	});
});

describe('a transaction', () => {
	it('that could not be begun changes nothing, and its session is thrown away', async () => {
		const { database, value } = connected();
		const before = await value('pg_backend_pid()');
		line.asks = (data) => Buffer.from(data.toString('latin1').replace('BEGIN\0', 'BEGUN\0'), 'latin1');
		try {
			const wrong = database.transaction('orders.create', async (tx) => {
				await Promise.all([tx.query(select('1')), tx.query(insertKey('at once'))]);
				tx.write(insertKey('with the commit'));
			});
			await expect(wrong).rejects.toThrow(DatabaseUnavailable);
			await expect(database.transaction('orders.create', async (tx) => tx.write(insertKey('alone')))).rejects.toThrow(
				DatabaseUnavailable,
			);
			await expect(database.transaction('orders.create', (tx) => tx.query(insertKey('first')))).rejects.toThrow(
				DatabaseUnavailable,
			);
		} finally {
			line.asks = (data) => data;
		}
		expect(await keys()).toEqual([]);
		expect(await value('pg_backend_pid()')).not.toBe(before);
	});

	it('stays committed whatever those do who are told of it, and all are told', async () => {
		const { database, log } = connected();
		const told: string[] = [];
		const result = await database.transaction('orders.create', async (tx) => {
			await tx.query(insertKey('committed'));
			tx.afterCommit(() => {
				throw new Error('a listener that throws');
			});
			tx.afterCommit(() => told.push('second'));
			return 'the answer';
		});
		expect(result).toBe('the answer');
		expect(told).toEqual(['second']);
		expect(await keys()).toEqual(['committed']);
		expect(log.lines.join()).toContain(
			'error who is told of the end of orders.create failed: Error: a listener that throws',
		);
	});
});

/** `ReadyForQuery` of a session that was just made. */
const READY = Buffer.from([0x5a, 0, 0, 0, 5, 0x49]);
const FATAL = ((): Buffer => {
	const text = Buffer.from('SFATAL\0VFATAL\0C57P01\0Mterminating connection due to administrator command\0\0');
	const head = Buffer.from([0x45, 0, 0, 0, text.length + 4]);
	return Buffer.concat([head, text]);
})();

it('sessions that end the moment they are made are "not now" for whoever wanted one, and end no process', async () => {
	const { value, readValue, readiness } = connected();
	line.answers = (data, client) => {
		const end = data.indexOf(READY);
		if (end < 0) return data;
		setImmediate(() => client.destroy());
		return Buffer.concat([data.subarray(0, end + READY.length), FATAL]);
	};
	try {
		for (let times = 0; times < 5; times += 1) {
			const all = [value('1'), readValue('1')].map((asked) => expect(asked).rejects.toThrow(DatabaseUnavailable));
			await Promise.all(all);
		}
		expect(await readiness.check()).toBeDefined();
	} finally {
		line.answers = (data) => data;
	}
	expect([await eventually(() => value('1')), await eventually(() => readValue('1'))]).toEqual([1, 1]);
});

it('sessions that are ended while idle or at work are "not now", and the next are good', async () => {
	const since = new Date(await server.now());
	const { value, readValue } = connected();
	await Promise.all([value('1'), readValue('1')]);
	const atWork = [value('pg_sleep(20)::text'), readValue('pg_sleep(20)::text')].map((asked) =>
		expect(asked).rejects.toThrow(DatabaseUnavailable),
	);
	await until(
		async () =>
			(
				await server.query(
					`SELECT FROM pg_stat_activity WHERE query LIKE '%sleep(20)%' AND state = 'active' AND pid <> pg_backend_pid()`,
				)
			).length === 2,
	);
	await endSessions(since);
	await Promise.all(atWork);
	expect([await eventually(() => value('1')), await eventually(() => readValue('1'))]).toEqual([1, 1]);
});

it('writers that have taken all the server gives leave some to the readers, and fail at nothing', async () => {
	await server.query('CREATE ROLE small LOGIN CONNECTION LIMIT 12');
	const { value, readValue, log } = connected({ user: 'small' }, 20);
	let going = true;
	// So long that connections hardly come back, and the pool grows until the server takes no more.
	const load = Array.from({ length: 40 }, async () => {
		while (going) await value('pg_sleep(0.3)::text');
	});
	const refusals = (): number => log.lines.filter((said) => /^warn .*too many connections/.test(said)).length;
	try {
		await until(() => refusals() > 0);
		await eventually(() => readValue('1'));
		for (let times = 0; times < 5; times += 1) expect(await readValue('1')).toBe(1);
		expect(refusals()).toBe(1);
	} finally {
		going = false;
		await Promise.all(load);
	}
});

describe('a server that only reads', () => {
	const readOnly = async (value: 'on' | 'off'): Promise<void> => {
		await server.query(`ALTER SYSTEM SET default_transaction_read_only = ${value}`);
		await server.query('SELECT pg_reload_conf()');
	};

	it('is "not now" and not ready, with one line; once it writes again, so do we', async () => {
		const { database, readiness, log, value } = connected();
		const write = (key: string): Promise<unknown> =>
			database.transaction('orders.create', async (tx) => tx.write(insertKey(key)));
		await Promise.all(['a', 'b', 'c', 'd'].map(write)); // four sessions, which were made before
		expect(await readiness.check()).toBeUndefined();
		await readOnly('on');
		try {
			await until(async () => (await value(`current_setting('transaction_read_only')`).catch(() => 'on')) === 'on');
			for (let times = 0; times < 6; times += 1) await expect(write('no')).rejects.toThrow(DatabaseUnavailable);
			await pause(300);
			expect(await readiness.check()).toBe('the database is read-only');
			expect(log.lines.filter((said) => /^warn .*read-only/.test(said)).length).toBeLessThanOrEqual(2);
		} finally {
			await readOnly('off');
		}
		await eventually(() => write('yes'));
		await until(async () => (await readiness.check()) === undefined);
	});
});

it('a line that goes dead is "not now" within 10 s for pool and readers, and costs nothing once new lines are good', async () => {
	const { database, value, readValue, readiness } = connected();
	await Promise.all([...Array.from({ length: 4 }, () => value('pg_sleep(0.1)::text')), readValue('1')]);
	line.freeze();
	const begun = performance.now();
	const dead = [value('1'), readValue('1')].map((asked) => expect(asked).rejects.toThrow(DatabaseUnavailable));
	dead.push(
		expect(database.transaction('orders.create', (tx) => tx.query(select('1')))).rejects.toThrow(DatabaseUnavailable),
	);
	expect(await readiness.check()).toBe('the database does not answer in time');
	line.thaw(); // what was open stays dead
	await Promise.all(dead);
	expect(performance.now() - begun).toBeLessThan(12_000);
	const again = performance.now();
	// The fourth session was idle all the time: it is as dead as the others, and must not be tried.
	expect(await Promise.all([value('1'), value('2'), value('3'), value('4')])).toEqual([1, 2, 3, 4]);
	expect(await readValue('1')).toBe(1);
	expect(performance.now() - again).toBeLessThan(5_000);
	line.freeze();
	const closing = performance.now();
	await database.close();
	line.thaw();
	expect(performance.now() - closing).toBeLessThan(4_000);
}, 40_000);

it('a process whose lines are all dead answers 503, and ends with 0 in time', async () => {
	const system = await System.create({ DATABASE_URL: `postgres://postgres@127.0.0.1:${line.port}/protected_payment` });
	try {
		const running = await system.up();
		const order = {
			method: 'POST',
			headers: { 'Content-Type': 'application/json' },
			body: '{"productName":"a","amount":1}',
		};
		const place = (): Promise<number> => fetch(`${running.url}/orders`, order).then(({ status }) => status);
		expect(await place()).toBe(201);
		line.freeze();
		const last = place();
		await pause(200);
		const begun = performance.now();
		expect(await running.stop()).toEqual({ code: 0, signal: null });
		expect(performance.now() - begun).toBeLessThan(9_500);
		expect(await last).toBe(503);
	} finally {
		line.thaw();
		await system.dispose();
	}
}, 60_000);

it('connections that nobody uses go back', async () => {
	await until(() => burst.connections.total === 0, 'the idle connections are closed', 30_000);
}, 40_000);
