/** The pictures of the README, taken again when they are missing or asked for: a test run leaves no change behind. */
import { existsSync } from 'node:fs';
import { join } from 'node:path';
import { it, jest } from '@jest/globals';
import { META, startTestApplication } from '../../support/application.ts';
import { CHROMIUM, launch } from '../../support/chromium.ts';
import { ConsolePage, createOrder } from '../../support/console.ts';
import { startTestDatabase, type TestDatabase } from '../../support/database.ts';
import { ROOT } from '../../support/process.ts';
import { PATIENCE } from '../../support/until.ts';

jest.setTimeout(3 * PATIENCE);

const PICTURES = { orders: join(ROOT, 'docs/console.png'), problems: join(ROOT, 'docs/console-problems.png') };
const IS_ASKED_FOR = process.env.UPDATE_PICTURE === '1' || !Object.values(PICTURES).every((path) => existsSync(path));

const takes = CHROMIUM !== undefined && IS_ASKED_FOR ? it : it.skip;
takes('the console has its pictures taken (UPDATE_PICTURE=1)', async () => {
	const database = await startTestDatabase();
	const application = await startTestApplication(database, { CANCELLATION_WINDOW: '10m' });
	const browser = await launch(CHROMIUM ?? '');
	try {
		const shown = await ConsolePage.open(browser, `${application.url}/console`);
		const { page } = shown;
		const create = (productName: string, amount: number, more = {}) =>
			createOrder(application.url, { productName, amount, ...more });
		const call = (action: string, params: object) => application.broker.call(action, params, { meta: META });
		const shipped = await create('Teapot, cast iron', 64.5, { cancellationWindow: '1s' });
		await create('Headphones', 189, { paymentMethod: 'card_declined' });
		await shown.order(shipped).getByText('Shipped').waitFor();
		await call('orders.refund', { id: shipped.id, amount: '14.50', reason: 'a dent' });
		const cancelled = await create('Umbrella', 22);
		await call('orders.cancel', { id: cancelled.id });
		const paused = await create('Reading lamp', 74.9, { currency: 'EUR' });
		await create('Walking boots, size 43', 129, { cancellationWindow: '7m' });
		await create('Wall clock', 49.9, { cancellationWindow: '5m', paymentMethod: 'card_authentication' });
		await create('Notebook, dotted', 12, { cancellationWindow: '55s' });
		await create('A pound of tea', 19.9);
		await page.getByText('Confirm at the bank').waitFor();
		await shown.order(cancelled).getByText('Cancelled').waitFor();
		await call('orders.hold', { id: paused.id });
		await shown.order(paused).getByText('On hold').waitFor();
		await page.getByText('$14.50 given back').waitFor();
		await page.getByRole('row', { name: /paused 1/ }).waitFor();
		await page.setViewportSize({ width: 1440, height: 980 });
		await page.screenshot({ path: PICTURES.orders, animations: 'disabled' });

		await trouble(database, paused.id, cancelled.id);
		await page.emulateMedia({ colorScheme: 'dark' });
		await page.setViewportSize({ width: 1440, height: 700 });
		await page.getByText('no parcel for').waitFor();
		await page.screenshot({ path: PICTURES.problems, animations: 'disabled' });
	} finally {
		await browser.close();
		await application.stop();
		await database.stop();
	}
});

/** What an operator hopes never to see. */
async function trouble(database: TestDatabase, held: string, other: string): Promise<void> {
	await database.query(
		`INSERT INTO dead_letters (letter, consumer, id, type, key, body, attempts, error)
		SELECT gen_random_uuid(), 'shipping', gen_random_uuid(), 'PaymentCaptured', $1::uuid, '{}', 8,
			'TypeError: no parcel for ' || gen_random_uuid() FROM generate_series(1, 12)`,
		[other],
	);
	await database.query(`UPDATE payments SET capture_before = now() + interval '40 minutes' WHERE order_id = $1`, [
		held,
	]);
	await database.query(`INSERT INTO paused_consumers (consumer, paused_by) VALUES ('shipping', 'adam')`);
	await database.query(`UPDATE paused_consumers SET paused_at = now() - interval '8 minutes'`);
}
