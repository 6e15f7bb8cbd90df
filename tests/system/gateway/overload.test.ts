/** More orders than the system can take: what is accepted is kept and ends as it should, what is refused was never there. */
import { afterAll, beforeAll, expect, it } from '@jest/globals';
import type { Application } from '../../../bin/application.ts';
import gateway from '../../../services/gateway.service.ts';
import { startTestApplication } from '../../support/application.ts';
import { startTestDatabase, type TestDatabase } from '../../support/database.ts';
import { eventually, until } from '../../support/until.ts';

let database: TestDatabase;
let application: Application;
let url: string;
beforeAll(async () => {
	database = await startTestDatabase();
	application = await startTestApplication(database);
	// The same with less room.
	const { broker, platform } = application;
	await broker.destroyService('gateway');
	const settings = { ...gateway.settings, load: { most: PLACES, least: PLACES, target: 60_000 } };
	broker.createService({ ...gateway, settings });
	url = await eventually(async () => {
		const [entrance] = platform.entrances;
		return entrance?.url ?? Promise.reject(new Error('it does not listen yet'));
	});
});
afterAll(async () => {
	await application.stop();
	await database.stop();
});

const PLACES = 20;
const ALL_AT_ONCE = 80;
const BOOK = { productName: 'book', amount: 1 };

function create(index: number): Promise<Response> {
	return fetch(`${url}/orders`, {
		method: 'POST',
		headers: { 'content-type': 'application/json', 'idempotency-key': `order-${index}` },
		body: JSON.stringify(BOOK),
	});
}

it('what finds no place is refused at once, and what was accepted is shipped', async () => {
	// Nothing goes on in the database for a while, so that work piles up.
	let release = (): void => {};
	const released = new Promise<void>((resolve) => (release = resolve));
	let isHeld = false;
	const holding = database.open(2).transaction('orders.create', async (tx) => {
		await tx.query({ name: 'hold-orders', text: 'LOCK TABLE orders IN SHARE MODE', values: [] });
		isHeld = true;
		await released;
	});
	await until(() => isHeld);
	const statuses: number[] = [];
	const refusals: (string | null)[] = [];
	const asked = Array.from({ length: ALL_AT_ONCE }, async (_, index) => {
		const res = await create(index);
		statuses.push(res.status);
		if (res.status === 503) {
			refusals.push(res.headers.get('retry-after'));
			expect(await res.json()).toMatchObject({ code: 'Service.Overloaded' });
		}
	});
	// A tenth of the places is not for new orders.
	const places = PLACES * 0.9;
	await until(() => refusals.length === ALL_AT_ONCE - places, 'the rest is refused');
	expect(statuses).toEqual(refusals.map(() => 503));
	expect(new Set(refusals)).toEqual(new Set(['1']));
	expect((await fetch(`${url}/health/live`)).status).toBe(200);
	release();
	await holding;
	await Promise.all(asked);
	expect(statuses.slice(-places)).toEqual(Array.from({ length: places }, () => 201));
	const stored = async (where: string): Promise<number> =>
		Number((await database.query<{ n: bigint }>(`SELECT count(*) AS n FROM orders WHERE ${where}`))[0]?.n);
	expect(await stored('true')).toBe(places);
	// Whoever was refused comes again with the same key, and everybody has one order in the end.
	await Promise.all(
		Array.from({ length: ALL_AT_ONCE }, (_, index) =>
			until(async () => (await create(index)).status === 201, `order ${index} is accepted`),
		),
	);
	expect(await stored('true')).toBe(ALL_AT_ONCE);
	await until(async () => (await stored(`status = 'Shipped'`)) === ALL_AT_ONCE, 'all are shipped');
}, 120_000);
