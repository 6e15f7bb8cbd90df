/** The console in a real browser, for a buyer and for whoever may everything. */
import { afterAll, beforeAll, describe, expect, it, jest } from '@jest/globals';
import type { Browser } from 'playwright-core';
import type { Application } from '../../../bin/application.ts';
import type { OrderDto } from '../../../services/orders/order-dto.ts';
import { META, startTestApplication } from '../../support/application.ts';
import { CHROMIUM, launch } from '../../support/chromium.ts';
import { ConsolePage, createOrder } from '../../support/console.ts';
import { startTestDatabase, type TestDatabase } from '../../support/database.ts';
import { PATIENCE, until } from '../../support/until.ts';

jest.setTimeout(3 * PATIENCE);

const inChromium = CHROMIUM === undefined ? describe.skip : describe;
inChromium('the console in Chromium (skipped where none is installed)', () => {
	let database: TestDatabase;
	let application: Application;
	let browser: Browser;
	let shown: ConsolePage;

	beforeAll(async () => {
		database = await startTestDatabase();
		application = await startTestApplication(database, { CANCELLATION_WINDOW: '10m' });
		browser = await launch(CHROMIUM ?? '');
		const context = await browser.newContext({ reducedMotion: 'reduce' });
		// A browser whose clock is an hour fast: the windows are counted by the server's.
		await context.addInitScript('const { now } = Date; Date.now = () => now() + 3_600_000;');
		shown = await ConsolePage.open(context, `${application.url}/`);
	});

	afterAll(async () => {
		await browser?.close();
		await application?.stop();
		await database?.stop();
	});

	const read = (id: string): Promise<OrderDto> => application.broker.call('orders.get', { id }, { meta: META });
	const reaches = (id: string, wanted: Partial<OrderDto>): Promise<OrderDto> =>
		until(
			async () => {
				const order = await read(id);
				return Object.entries(wanted).every(([name, value]) => Reflect.get(order, name) === value) ? order : undefined;
			},
			`${id} is ${JSON.stringify(wanted)}`,
		);
	const create = (fields: Readonly<Record<string, string | number>> = {}) => createOrder(application.url, fields);

	/** Of a countdown, in seconds. */
	async function rest(order: OrderDto): Promise<number> {
		const text = (await shown.order(order).getByRole('timer').textContent()) ?? '';
		const [, minutes, seconds] = /^(\d+):([0-5]\d)$/.exec(text) ?? [];
		return Number(minutes) * 60 + Number(seconds);
	}

	it('stands where the root leads to, and shows an order that is created there', async () => {
		const { page } = shown;
		expect(page.url()).toBe(`${application.url}/console`);
		await page.getByText('No orders yet').waitFor();
		await page.getByLabel('Product').fill('Wall clock');
		await page.getByLabel('Amount').fill('49.90');
		await page.getByRole('button', { name: 'Create order' }).click();
		await shown.says('status', /Wall clock \(ORD-\w+\) is created/);
		const [stored] = await database.query<{ id: string }>('SELECT id FROM orders');
		const order = await read(stored?.id ?? '');
		await shown.order(order).getByText('$49.90').waitFor();
		await until(async () => (await rest(order)) < 598);
		expect(
			Math.abs((await rest(order)) - (Date.parse(order.pendingUntil) - (await database.now())) / 1_000),
		).toBeLessThan(3);

		await shown.button(order, 'Cancel order').click();
		await shown.says('status', 'is cancelled: its payment will not be taken');
		await shown.order(order).getByText('Cancelled', { exact: true }).waitFor();
		expect(await shown.order(order).getByRole('button').allTextContents()).toEqual(['History']);
	});

	it('says what is wrong with a new order, at its field', async () => {
		const { page } = shown;
		await page.getByLabel('Amount').fill('1.234');
		await page.getByRole('button', { name: 'Create order' }).click();
		await page.locator('input[name=amount][aria-invalid=true]').waitFor();
		await page.getByLabel('Amount').fill('much');
		await page.getByRole('button', { name: 'Create order' }).click();
		await page.getByText('An amount is a number such as 19.90.').waitFor();
		await page.getByLabel('Amount').fill('19.90');
	});

	it('makes one order, although the answer is lost', async () => {
		const { page } = shown;
		const keys: (string | undefined)[] = [];
		await page.route('**/orders', async (route) => {
			keys.push(route.request().headers()['idempotency-key']);
			if (keys.length > 1) return route.continue();
			await route.fetch();
			return route.abort();
		});
		await page.getByLabel('Product').fill('Once');
		await page.getByRole('button', { name: 'Create order' }).click();
		await shown.says('status', /Once \(ORD-\w+\) is created/);
		await page.unroute('**/orders');
		expect(keys.length).toBe(2);
		expect(new Set(keys).size).toBe(1);
		expect(await database.query(`SELECT FROM orders WHERE product_name = 'Once'`)).toHaveLength(1);
	});

	it('knows what was left of a window that was paused before the page was opened', async () => {
		const { page } = shown;
		const order = await create();
		await shown.button(order, 'Pause').click();
		await shown.order(order).getByText('On hold').waitFor();
		const stopped = await rest(order);
		await page.reload();
		await shown.order(order).getByText('left when resumed').waitFor();
		// The page's clock follows the server's within a second.
		expect(Math.abs((await rest(order)) - stopped)).toBeLessThanOrEqual(1);
		await shown.button(order, 'Cancel order').click();
		await shown.order(order).getByText('Cancelled', { exact: true }).waitFor();
	});

	it('pauses, resumes and lowers the amount; the keyboard keeps its place', async () => {
		const { page } = shown;
		const order = await create();
		await shown.button(order, 'Pause').focus();
		await page.keyboard.press('Enter');
		await shown.order(order).getByText('On hold').waitFor();
		const stopped = await rest(order);
		expect(stopped).toBeGreaterThan(500);
		await shown.hasFocus(shown.button(order, 'Resume'));
		await page.keyboard.press('Enter');
		await shown.order(order).getByText('Pending', { exact: true }).waitFor();

		await shown.button(order, 'Lower amount').focus();
		await page.keyboard.press('Enter');
		const dialog = page.getByRole('dialog');
		await dialog.getByRole('textbox').fill('25');
		await page.keyboard.press('Enter');
		await dialog.getByRole('alert').filter({ hasText: /\w/ }).waitFor();
		await dialog.getByRole('textbox').fill('12.50');
		await page.keyboard.press('Enter');
		await shown.order(order).getByText('$12.50').waitFor();
		await dialog.waitFor({ state: 'detached' });
		await shown.hasFocus(shown.button(order, 'Lower amount'));

		await shown.button(order, 'Cancel order').focus();
		await page.keyboard.press('Enter');
		await shown.order(order).getByText('Cancelled', { exact: true }).waitFor();
		await shown.hasFocus(shown.button(order, 'History'));
	});

	it('leads the buyer to the bank, and sees what comes of it', async () => {
		const order = await create({ paymentMethod: 'card_authentication' });
		const opened = shown.page.waitForEvent('popup');
		await shown.order(order).getByRole('link', { name: 'Confirm at the bank' }).click();
		const bank = await opened;
		await bank.getByRole('button', { name: 'Confirm the payment' }).click();
		await bank.getByText('You have confirmed this payment.').waitFor();
		await bank.close();
		await shown.order(order).getByText('The money is held').waitFor();
	});

	it('says why a cancel came too late', async () => {
		const { page } = shown;
		const order = await create({ cancellationWindow: '3s' });
		const held = Promise.withResolvers<void>();
		await page.route('**/cancel', async (route) => {
			await held.promise;
			await route.continue();
		});
		await shown.button(order, 'Cancel order').click();
		await reaches(order.id, { status: 'Shipped' });
		held.resolve();
		await shown.says('alert', /window/i);
		await shown.says('alert', order.orderNumber);
		await page.unroute('**/cancel');
		await shown.order(order).getByText('Shipped', { exact: true }).waitFor();
	});

	it('tells the story of an order with every attempt, and gives money back', async () => {
		const { page } = shown;
		const order = await create({ productName: 'Teapot', cancellationWindow: '6s', paymentMethod: 'card_flaky' });
		await shown.button(order, 'Refund').click();
		const dialog = page.getByRole('dialog', { name: 'Give money back' });
		await dialog.getByLabel('Amount').fill('5');
		await dialog.getByLabel('Reason').fill('a dent');
		await dialog.getByRole('button', { name: 'Refund' }).click();
		await shown.order(order).getByText('$5.00 given back').waitFor();
		await shown.button(order, 'History').click();
		const story = page.getByRole('dialog', { name: 'Teapot' });
		await story.getByText('Money given back', { exact: true }).waitFor();
		const titles = await story.getByRole('heading', { level: 3 }).allTextContents();
		expect(titles).toEqual([
			...['Order created', 'Money held', 'Window over: confirmed', 'Money taken', 'Handed over to the parcel service'],
			...['Refund asked for', 'Money given back'],
		]);
		const { data } = (await (await fetch(`${application.url}/orders/${order.id}/history`)).json()) as {
			data: { data: { attempts?: unknown[] } }[];
		};
		const attempts = data.reduce((sum, { data }) => sum + (data.attempts?.length ?? 0), 0);
		expect(attempts).toBeGreaterThan(2);
		expect(await story.getByRole('list', { name: 'Attempts' }).getByRole('listitem').count()).toBe(attempts);
		await story.getByText('a dent').waitFor();
		await page.keyboard.press('Escape');
		await story.waitFor({ state: 'detached' });
	});

	it('finds an order by the number that somebody reads out', async () => {
		const { page } = shown;
		const order = await create({ productName: 'Needle' });
		await page.getByLabel('Order number').fill(order.orderNumber.toLowerCase().replaceAll('1', 'l'));
		await page.getByRole('button', { name: 'Find' }).click();
		await until(async () => (await page.getByRole('article').count()) === 1);
		await shown.order(order).waitFor();
		await page.getByLabel('State').selectOption('Cancelled');
		await page.getByRole('article').filter({ hasText: 'Wall clock' }).waitFor();
		expect(await page.getByRole('article').filter({ hasText: 'Needle' }).count()).toBe(0);
		await page.getByLabel('State').selectOption('');
		await shown.order(order).waitFor();
	});

	it('keeps nobody out, in light and dark, wide and narrow', async () => {
		const { page } = shown;
		await create();
		for (const colorScheme of ['light', 'dark'] as const) {
			await page.emulateMedia({ colorScheme });
			for (const width of [1440, 375]) {
				await page.setViewportSize({ width, height: 900 });
				const wide = await page.evaluate<number>('document.documentElement.scrollWidth');
				expect([width, wide]).toEqual([width, width]);
				expect([colorScheme, width, await shown.barriers()]).toEqual([colorScheme, width, []]);
			}
		}
		await page.getByRole('button', { name: 'History' }).first().click();
		await page.getByRole('dialog').getByRole('heading', { level: 3 }).first().waitFor();
		expect(await shown.barriers()).toEqual([]);
		await page.keyboard.press('Escape');
		await page.setViewportSize({ width: 1440, height: 900 });
	});

	it('shows an endpoint that was disabled, and enables it', async () => {
		const { page } = shown;
		const endpoints = `${application.url}/webhook-endpoints`;
		const headers = { 'content-type': 'application/json' };
		const body = JSON.stringify({ url: 'http://127.0.0.1:9/shop', types: ['RefundFailed'] });
		const { id } = (await (await fetch(endpoints, { method: 'POST', headers, body })).json()) as { id: string };
		await fetch(`${endpoints}/${id}`, { method: 'PATCH', headers, body: JSON.stringify({ status: 'disabled' }) });
		await page.reload();
		const problems = page.getByRole('region', { name: 'Needs a person', exact: true });
		await problems.getByText('http://127.0.0.1:9/shop').waitFor();
		await problems.getByRole('button', { name: 'Enable' }).click();
		await shown.says('status', 'is enabled again');
		await problems.waitFor({ state: 'detached' });
		expect(await (await fetch(`${endpoints}/${id}`)).json()).toMatchObject({ status: 'enabled' });
	});

	it('reads the list again where it was away too long, and asks for it where there is no stream', async () => {
		const { page } = shown;
		const ids: (string | undefined)[] = [];
		await page.route('**/orders/stream', (route) => {
			const id = route.request().headers()['last-event-id'];
			ids.push(id);
			if (ids.length === 1)
				return route.fulfill({ contentType: 'text/event-stream', body: 'id: old\nevent: now\ndata: {"now": 0}\n\n' });
			return route.fulfill({
				status: id === undefined ? 503 : 410,
				contentType: 'application/problem+json',
				body: '{}',
			});
		});
		await page.reload();
		await page.getByText('Live, every 2 s').waitFor();
		expect(ids).toEqual([undefined, 'old', undefined]);
		const order = await create({ productName: 'Without a stream' });
		await shown.order(order).getByText('The money is held').waitFor();
		await until(async () => (await rest(order)) > 500);
		await page.unroute('**/orders/stream');
		await page.reload();
		await page.getByText('Live', { exact: true }).waitFor();
	});

	it('says that the connection is lost, and comes back by itself', async () => {
		const { page } = shown;
		const { port } = new URL(application.url ?? '');
		await application.stop();
		await page.getByText('Connection lost').waitFor();
		expect(await page.getByRole('status').filter({ hasText: 'Connection lost' }).count()).toBe(1);
		application = await startTestApplication(database, { CANCELLATION_WINDOW: '10m', PORT: port });
		await page.getByText('Connection lost').waitFor({ state: 'detached' });
		const order = await create({ productName: 'After it' });
		await shown.order(order).getByText('The money is held').waitFor();
	});

	it('asked nobody else for anything, and nothing complained', () => {
		expect(shown.requests.filter((url) => !url.startsWith(`${application.url}/`))).toEqual([]);
		expect(shown.requests.some((url) => url.endsWith('/orders/stream'))).toBe(true);
		expect(shown.complaints).toEqual([]);
	});
});
