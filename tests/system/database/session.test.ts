/** What a process held that has gone silent, or vanished without a word, is free again in known time. */
import { afterAll, beforeAll, expect, it, jest } from '@jest/globals';
import { DatabaseUnavailable } from '../../../mixins/database/database.ts';
import { startTestDatabase, type TestDatabase } from '../../support/database.ts';
import { until } from '../../support/until.ts';

const MINUTE = 60_000;
jest.setTimeout(2 * MINUTE);

let server: TestDatabase;
beforeAll(async () => {
	server = await startTestDatabase();
});
afterAll(() => server.stop());

const lock = (query: string) => ({ name: query, text: `SELECT ${query} AS taken`, values: [] });

it('a lock in a transaction that does not go on', async () => {
	const silent = server.open(1);
	const locked = Promise.withResolvers<void>();
	const freed = Promise.withResolvers<void>();
	const stuck = silent.transaction('orders.change', async (tx) => {
		await tx.query(lock('pg_advisory_xact_lock(1)'));
		locked.resolve();
		await freed.promise;
	});
	stuck.catch(() => {});
	await locked.promise;
	const taken = async (): Promise<boolean> => {
		const [row] = await server.database.query<{ taken: boolean }>(lock('pg_try_advisory_lock(1)'));
		return row?.taken === true;
	};
	expect(await taken()).toBe(false);
	await until(taken, 'the lock is free', MINUTE);
	freed.resolve();
	await expect(stuck).rejects.toThrow(DatabaseUnavailable);
});

it.each([
	['a statement that waits for a lock', 'lock_timeout', '5s'],
	['a statement that takes too long', 'statement_timeout', '6s'],
	['a client that is gone while its statement runs', 'client_connection_check_interval', '2s'],
])('%s: %s is %s', async (_, setting, value) => {
	const [row] = await server.database.query<{ taken: string }>(lock(`current_setting('${setting}')`));
	expect(row?.taken).toBe(value);
});
