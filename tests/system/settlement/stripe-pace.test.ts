/** More orders at once than Stripe takes calls: they are worked off at its pace, and no call waits until its time is over. */
import { expect, it } from '@jest/globals';
import { seeded } from '../../support/random.ts';
import { freshSystem } from '../../support/stripe/fresh-system.ts';
import { until } from '../../support/until.ts';

/** At 20 calls a second they need twice as long as one call may take. */
const ORDERS = 200;

const system = freshSystem({ CANCELLATION_WINDOW: '1h' }, { patience: 5_000, random: seeded(3) });

async function place(): Promise<void> {
	await Promise.all(Array.from({ length: ORDERS }, () => system.place()));
}

async function payments(status: string): Promise<number> {
	const [row] = await system.database.query<{ count: string }>(
		`SELECT count(*) FROM payments WHERE status = '${status}'`,
	);
	return Number(row?.count);
}

/** How many requests of a kind there were for all orders. */
const requests = (kind: string): number =>
	[...system.standIn.book().values()].reduce((sum, entry) => sum + (entry.requests[kind] ?? 0), 0);

it('a backlog takes one call for each order', async () => {
	await place();
	await until(async () => (await payments('Authorized')) === ORDERS, 'all are authorised', 120_000);
	expect(requests('create')).toBeLessThan(ORDERS * 1.1);
}, 180_000);

it('what a Stripe without answers has left open is cleared up once it answers again', async () => {
	system.standIn.faults.atRandom({ random: seeded(4), share: 1, kinds: ['timeout after', 'timeout before'] });
	await place();
	await until(async () => (await payments('Unknown')) > ORDERS / 2, 'most are unknown', 120_000);
	system.standIn.faults.atRandom(undefined);
	await until(async () => (await payments('Authorized')) === ORDERS, 'all are authorised', 180_000);
	const book = [...system.standIn.book().values()];
	expect(book.every(({ intents, authorized }) => intents.length === 1 && authorized === 1990)).toBe(true);
	expect(requests('create')).toBeLessThan(ORDERS * 3);
}, 360_000);
