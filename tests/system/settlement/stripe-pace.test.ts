/** More orders at once than Stripe takes calls: they are worked off at its pace, and no call waits until its time is over. */
import { afterAll, afterEach, beforeAll, beforeEach, expect, it } from '@jest/globals';
import type { Application } from '../../../bin/application.ts';
import { META, startTestApplication } from '../../support/application.ts';
import { startTestDatabase, type TestDatabase } from '../../support/database.ts';
import { seeded } from '../../support/random.ts';
import { StripeStandIn, TEST_KEY } from '../../support/stripe/stand-in.ts';
import { until } from '../../support/until.ts';

/** At 20 calls a second they need twice as long as one call may take. */
const ORDERS = 200;

let database: TestDatabase;
let standIn: StripeStandIn;
let application: Application;

beforeAll(async () => {
	database = await startTestDatabase();
});
afterAll(() => database.stop());
beforeEach(async () => {
	await database.reset();
	standIn = await StripeStandIn.open({ patience: 5_000, random: seeded(3) });
	application = await startTestApplication(database, {
		...{ PAYMENT_PROVIDER: 'stripe', STRIPE_API_KEY: TEST_KEY, STRIPE_API_BASE: standIn.url },
		CANCELLATION_WINDOW: '1h',
	});
});
afterEach(async () => {
	await application.stop();
	await standIn.close();
});

async function place(): Promise<void> {
	const order = { productName: 'Tea', amount: '19.90', paymentMethod: 'pm_card_visa' };
	await Promise.all(
		Array.from({ length: ORDERS }, () => application.broker.call('orders.create', order, { meta: META })),
	);
}

async function payments(status: string): Promise<number> {
	const [row] = await database.query<{ count: string }>(`SELECT count(*) FROM payments WHERE status = '${status}'`);
	return Number(row?.count);
}

/** How many requests of a kind there were for all orders. */
const requests = (kind: string): number =>
	[...standIn.book().values()].reduce((sum, entry) => sum + (entry.requests[kind] ?? 0), 0);

it('a backlog takes one call for each order', async () => {
	await place();
	await until(async () => (await payments('Authorized')) === ORDERS, 'all are authorised', 120_000);
	expect(requests('create')).toBeLessThan(ORDERS * 1.1);
}, 180_000);

it('what a Stripe without answers has left open is cleared up once it answers again', async () => {
	standIn.faults.atRandom({ random: seeded(4), share: 1, kinds: ['timeout after', 'timeout before'] });
	await place();
	await until(async () => (await payments('Unknown')) > ORDERS / 2, 'most are unknown', 120_000);
	standIn.faults.atRandom(undefined);
	await until(async () => (await payments('Authorized')) === ORDERS, 'all are authorised', 180_000);
	const book = [...standIn.book().values()];
	expect(book.every(({ intents, authorized }) => intents.length === 1 && authorized === 1990)).toBe(true);
	expect(requests('create')).toBeLessThan(ORDERS * 3);
}, 360_000);
