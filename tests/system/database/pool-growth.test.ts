/** Connections that hang keep nobody from the next one. */
import { afterAll, beforeAll, expect, it } from '@jest/globals';
import { startTestDatabase, type TestDatabase } from '../../support/database.ts';
import { until } from '../../support/until.ts';

let database: TestDatabase;
beforeAll(async () => {
	database = await startTestDatabase();
}, 60_000);
afterAll(() => database.stop(), 60_000);

it('opens another connection while all that are enough hang', async () => {
	const pool = database.database;
	// They stand for statements that hang: nobody waits for their end, and the test cancels them.
	const asleep = Array.from({ length: 10 }, () =>
		pool.query({ name: 'asleep', text: 'SELECT pg_sleep(600)', values: [] }).catch((error: Error) => error.message),
	);
	const sleeping = `FROM pg_stat_activity WHERE query = 'SELECT pg_sleep(600)' AND state = 'active'`;
	await until(async () => (await database.query(`SELECT ${sleeping}`)).length === 10);
	expect(await pool.query({ name: 'awake', text: 'SELECT 1 AS one', values: [] })).toEqual([{ one: 1 }]);
	await database.query(`SELECT pg_cancel_backend(pid) ${sleeping}`);
	for (const ended of await Promise.all(asleep)) expect(ended).toMatch(/canceling statement/);
});

it('opens few for many that are short', async () => {
	const pool = database.database;
	let most = 0;
	for (let round = 0; round < 20; round += 1) {
		await Promise.all(Array.from({ length: 40 }, () => pool.query({ name: 'short', text: 'SELECT 1', values: [] })));
		most = Math.max(most, pool.connections.total);
	}
	expect(most).toBeLessThanOrEqual(12);
});
