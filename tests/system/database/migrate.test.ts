/** A database that is not embedded: processes that wait for its version, and processes that bring it there at once. */
import { afterEach, beforeEach, expect, it } from '@jest/globals';
import { MIGRATIONS } from '../../../mixins/database/migrations/index.ts';
import { Client } from '../../support/client.ts';
import { startTestDatabase, type TestDatabase } from '../../support/database.ts';
import { System } from '../../support/process.ts';
import { eventually, until } from '../../support/until.ts';

let database: TestDatabase;
let system: System;

beforeEach(async () => {
	database = await startTestDatabase({ unmigrated: true });
	system = await System.create({ DATABASE_URL: database.url });
}, 60_000);

afterEach(async () => {
	await system.dispose();
	await database.stop();
}, 60_000);

interface Ready {
	readonly status: number;
	readonly text: string;
}

it('MIGRATE=off waits, is not ready, says what to run, and goes on once that was done', async () => {
	// The gateway listens only once it is ready.
	const running = system.start({ MIGRATE: 'off', METRICS_PORT: '0' });
	const url = await until(() => running.probeUrl);
	const ready = async (): Promise<Ready> => {
		const response = await fetch(`${url}/health/ready`);
		return { status: response.status, text: await response.text() };
	};
	const waiting = await eventually(async () => {
		const answer = await ready();
		if (!answer.text.includes('migrate')) throw new Error(answer.text);
		return answer;
	});
	expect(waiting.status).toBe(503);
	expect(waiting.text).toContain('npm run migrate -- up');
	expect((await fetch(`${url}/health/live`)).status).toBe(200);
	expect(running.url).toBeUndefined();
	expect(running.lines.join('\n')).toContain('npm run migrate -- up');

	const migration = system.run('bin/migrate.ts', ['up']);
	expect(await migration.exited).toMatchObject({ code: 0 });
	await until(async () => (await ready()).status === 200, 'ready');
	await running.listening;
	const client = new Client(system.url);
	expect(await client.create({ productName: 'book', amount: 1 }, 'book')).toMatchObject({ status: 201 });
	expect(await running.stop()).toEqual({ code: 0, signal: null });
}, 120_000);

it('two processes that migrate at the same time take turns', async () => {
	const names = MIGRATIONS.map(({ name }) => name);
	const runs = [1, 2, 3].map(() => system.run('bin/migrate.ts', ['up']));
	const exits = await Promise.all(runs.map(({ exited }) => exited));
	expect(exits.map(({ code }) => code)).toEqual([0, 0, 0]);
	const applied = runs.flatMap(({ lines }) => lines.filter((line) => line.startsWith('up ')));
	expect(applied.sort()).toEqual(names.map((name) => `up ${name}`));
	expect(await database.query('SELECT name FROM schema_migrations ORDER BY name')).toEqual(
		names.map((name) => ({ name })),
	);
}, 120_000);

it('two whole systems that start at once on an empty database both work', async () => {
	const [first, second] = [await System.create({ DATABASE_URL: database.url }), system];
	try {
		await Promise.all([first.up(), second.up()]);
		const answers = await Promise.all(
			[first, second].map((one, index) =>
				new Client(one.url).create({ productName: `from ${index}`, amount: 1 }, `key-${index}`),
			),
		);
		expect(answers.map(({ status }) => status)).toEqual([201, 201]);
	} finally {
		await first.dispose();
	}
}, 120_000);

/** As a later release would have recorded a migration that it has applied. */
const FUTURE = '9999-from-the-future';
const recordFuture = (breaking: boolean | null, reason: string | null, spares: string | null = null) =>
	database.query('INSERT INTO schema_migrations (name, breaking, reason, spares) VALUES ($1, $2, $3, $4)', [
		...[FUTURE, breaking, reason, spares],
	]);
const forgetFuture = () => database.query('DELETE FROM schema_migrations WHERE name = $1', [FUTURE]);

it('a database that is newer than the program is left alone where the newer release does not say that they go together', async () => {
	expect(await system.run('bin/migrate.ts', ['up']).exited).toMatchObject({ code: 0 });
	await database.query('INSERT INTO schema_migrations (name) VALUES ($1)', [FUTURE]); // as older releases do
	const running = system.start();
	await until(() => running.lines.some((line) => line.includes(`newer than this program (${FUTURE}), which cannot`)));
	expect(running.url).toBeUndefined();
	expect(await running.stop()).toMatchObject({ code: 0 });
}, 120_000);

it('a newer schema that breaks nothing is told of once; one that breaks the program makes it not ready, until it is gone', async () => {
	expect(await system.run('bin/migrate.ts', ['up']).exited).toMatchObject({ code: 0 });
	await recordFuture(false, null);
	const running = await system.up({ METRICS_PORT: '0' });
	const client = new Client(system.url);
	const ready = async () => {
		const response = await fetch(`${running.probeUrl}/health/ready`);
		return { status: response.status, text: await response.text() };
	};
	const readiness = (status: number, words: string) =>
		eventually(async () => expect(await ready()).toEqual({ status, text: expect.stringContaining(words) }));
	expect(await client.create({ productName: 'beside', amount: 1 }, 'beside')).toMatchObject({ status: 201 });
	await readiness(200, 'ok');

	await forgetFuture();
	await recordFuture(true, 'it reads a column that is gone', '9998-of-no-release');
	await readiness(503, `(${FUTURE}), which cannot go on beside it: it reads a column that is gone`);
	expect((await fetch(`${running.url}/orders`)).status).toBe(503);
	const status = system.run('bin/migrate.ts', ['status']);
	await status.exited;
	expect(status.lines).toContain(
		`applied ${FUTURE} (not known to this program) breaking: it reads a column that is gone`,
	);
	const down = system.run('bin/migrate.ts', ['down']);
	expect(await down.exited).toMatchObject({ code: 1 });
	expect(down.errors).toEqual([`take ${FUTURE} back first, with the release that knows it`]);

	// The same for programs that know the release before: it has not used the column.
	await forgetFuture();
	await recordFuture(true, 'it reads a column that is gone', MIGRATIONS.at(-1)?.name);
	await readiness(200, 'ok');
	expect(await client.create({ productName: 'after', amount: 1 }, 'after')).toMatchObject({ status: 201 });
	const told = running.lines.filter((line) => line.includes('which goes on'));
	expect(told).toEqual([expect.stringContaining(`the database is newer than this program (${FUTURE})`)]);
	expect(running.lines.filter((line) => line.includes('which cannot go on'))).toHaveLength(1);
	await forgetFuture();

	// And what this program needs: it was started with MIGRATE=on, but what a person takes back stays so.
	expect(await system.run('bin/migrate.ts', ['down']).exited).toMatchObject({ code: 0 });
	await readiness(503, 'npm run migrate -- up');
	expect(await system.run('bin/migrate.ts', ['up']).exited).toMatchObject({ code: 0 });
	await readiness(200, 'ok');
	expect(await running.stop()).toEqual({ code: 0, signal: null });
}, 180_000);

it('a database of the release before has no word for breaks; to look at it changes nothing, to migrate adds them', async () => {
	expect(await system.run('bin/migrate.ts', ['up']).exited).toMatchObject({ code: 0 });
	const last = MIGRATIONS.at(-1);
	await database.query('ALTER TABLE schema_migrations DROP breaking, DROP reason, DROP spares');
	await database.query('DELETE FROM schema_migrations WHERE name = $1', ['0013-payments']);
	const status = system.run('bin/migrate.ts', ['status']);
	expect(await status.exited).toMatchObject({ code: 0 });
	expect(status.lines).toContain(`applied ${last?.name}`);
	expect(status.lines.at(-1)).toMatch(/^pending 0013-payments breaking: it lets payments into states/);
	const columns = `SELECT attname FROM pg_attribute WHERE attrelid = 'schema_migrations'::regclass AND attnum > 0 AND NOT attisdropped ORDER BY 1`;
	expect(await database.query(columns)).toHaveLength(2);
	expect(await system.run('bin/migrate.ts', ['down']).exited).toMatchObject({ code: 0 });
	expect(await database.query(columns)).toEqual(
		['applied_at', 'breaking', 'name', 'reason', 'spares'].map((attname) => ({ attname })),
	);
}, 120_000);
