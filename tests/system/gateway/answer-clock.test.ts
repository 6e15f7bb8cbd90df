/** The `Date` of every answer about an order is the database's clock, which here is an hour ahead of the process's. */
import { afterAll, beforeAll, expect, it } from '@jest/globals';
import type { Application } from '../../../bin/application.ts';
import { startTestApplication } from '../../support/application.ts';
import { startTestDatabase, type TestDatabase } from '../../support/database.ts';

const HOUR = 3_600_000;

let database: TestDatabase;
let application: Application;
beforeAll(async () => {
	database = await startTestDatabase();
	await database.query('CREATE SCHEMA ahead');
	await database.query(
		`CREATE FUNCTION ahead.clock_timestamp() RETURNS timestamptz LANGUAGE sql AS $$ SELECT pg_catalog.clock_timestamp() + interval '1 hour' $$`,
	);
	const [row] = await database.query<{ name: string }>('SELECT current_database() AS name');
	await database.query(`ALTER DATABASE "${row?.name}" SET search_path = ahead, pg_catalog, public`);
	application = await startTestApplication(database, { CANCELLATION_WINDOW: '1h' });
});
afterAll(async () => {
	await application.stop();
	await database.stop();
});

async function aheadOf(path: string, init: RequestInit = {}): Promise<[number, number]> {
	const { status, headers } = await fetch(`${application.url}${path}`, init);
	return [status, Math.abs(Math.round((Date.parse(headers.get('date') ?? '') - Date.now()) / HOUR))];
}

it('whatever is asked', async () => {
	const headers = { 'content-type': 'application/json', 'idempotency-key': 'one' };
	const create = { method: 'POST', headers, body: '{"productName":"Tea","amount":1}' };
	expect(await aheadOf('/orders', create)).toEqual([201, 1]);
	expect(await aheadOf('/orders', create)).toEqual([201, 1]);
	const [row] = await database.query<{ id: string }>('SELECT id FROM orders');
	const order = `/orders/${row?.id}`;
	expect(await aheadOf(order)).toEqual([200, 1]);
	expect(await aheadOf(order, { headers: { 'if-none-match': '*' } })).toEqual([304, 1]);
	expect(await aheadOf(order, { headers: { prefer: 'wait=0' } })).toEqual([200, 1]);
	expect(await aheadOf(`${order}/history`)).toEqual([200, 1]);
	expect(await aheadOf('/orders')).toEqual([200, 1]);
	for (const [command, status] of [
		['hold', 200],
		['resume', 200],
		['cancel', 202],
		['resume', 409],
	] as const) {
		expect(await aheadOf(`${order}/${command}`, { method: 'POST' })).toEqual([status, 1]);
	}
	// What is about no order has this process's.
	expect(await aheadOf('/nothing')).toEqual([404, 0]);
});
