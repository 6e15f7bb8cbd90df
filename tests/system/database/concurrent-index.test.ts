/** An index that is made beside the work that goes on, by a process that is killed in the midst of it. */
import { afterAll, beforeAll, expect, it } from '@jest/globals';
import pg from 'pg';
import { MIGRATIONS, migrate } from '../../../mixins/database/migrations/index.ts';
import { startTestDatabase, type TestDatabase } from '../../support/database.ts';
import { System } from '../../support/process.ts';
import { until } from '../../support/until.ts';

const MIGRATION = '0021-stream';
const INDEX = 'order_events_xact';

let server: TestDatabase;
let system: System;
beforeAll(async () => {
	server = await startTestDatabase();
	system = await System.create({ DATABASE_URL: server.url });
}, 60_000);
afterAll(async () => {
	await system.dispose();
	await server.stop();
}, 60_000);

/** Whether the index can be used; undefined if there is none. */
async function isValid(): Promise<boolean | undefined> {
	const [row] = await server.query<{ valid: boolean }>(
		`SELECT indisvalid AS valid FROM pg_index WHERE indexrelid = to_regclass('${INDEX}')`,
	);
	return row?.valid;
}

const isMigrating = async (): Promise<boolean> =>
	(await server.query(`SELECT FROM pg_stat_activity WHERE application_name = 'protected-payment-migrations'`)).length >
	0;

it('writes go on beside it and beside a long transaction; a kill leaves it invalid, and the next try makes it anew', async () => {
	const later = MIGRATIONS.slice(MIGRATIONS.findIndex(({ name }) => name === MIGRATION));
	for (const _ of later) await migrate(server.connection, 'down', server.log);
	const insert = `INSERT INTO order_events (order_id, sequence, id, type, occurred_at, data)
		SELECT gen_random_uuid(), 1, gen_random_uuid(), 'OrderPending', now(), '{}' FROM generate_series(1, $1::int)`;
	await server.query(insert, [20_000]);
	const work = { slowest: 0, count: 0, ends: false };
	const writing = (async () => {
		for (; !work.ends; work.count += 1) {
			const begun = performance.now();
			await server.query(insert, [10]);
			work.slowest = Math.max(work.slowest, performance.now() - begun);
		}
	})();
	const long = new pg.Client(server.connection);
	await long.connect();
	try {
		await long.query('BEGIN ISOLATION LEVEL REPEATABLE READ; SELECT count(*) FROM order_events');
		const killed = system.run('bin/migrate.ts', ['up']);
		await until(async () => (await isValid()) === false, 'the index is being made');
		await killed.kill();
		await until(async () => !(await isMigrating()), 'the server has noticed that its client is gone');
		expect(await isValid()).toBe(false);

		const again = system.run('bin/migrate.ts', ['up']);
		const before = work.count;
		await until(async () => (await isMigrating()) && work.count > before + 20, 'it is tried again, and writes go on');
		await long.query('COMMIT');
		expect(await again.exited).toEqual({ code: 0, signal: null });
		expect(again.lines.filter((line) => line.startsWith('up '))).toEqual(later.map(({ name }) => `up ${name}`));
		expect(await isValid()).toBe(true);
	} finally {
		work.ends = true;
		await writing;
		await long.end();
	}
	expect(work.slowest).toBeLessThan(2_500);
}, 180_000);
