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

it('a database that is newer than the program is left alone', async () => {
	expect(await system.run('bin/migrate.ts', ['up']).exited).toMatchObject({ code: 0 });
	await database.query(`INSERT INTO schema_migrations (name) VALUES ('9999-from-the-future')`);
	const running = system.start();
	await until(() => running.lines.some((line) => line.includes('newer than this program (9999-from-the-future)')));
	expect(running.url).toBeUndefined();
	expect(await running.stop()).toMatchObject({ code: 0 });
}, 120_000);
