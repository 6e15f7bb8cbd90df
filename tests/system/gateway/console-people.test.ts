/** The console for people with tokens: a customer, and somebody who may everything; ten thousand orders. */
import { once } from 'node:events';
import { createServer, request } from 'node:http';
import type { AddressInfo } from 'node:net';
import { afterAll, beforeAll, describe, expect, it, jest } from '@jest/globals';
import type { Browser } from 'playwright-core';
import type { Application } from '../../../bin/application.ts';
import { startTestApplication } from '../../support/application.ts';
import { CHROMIUM, launch } from '../../support/chromium.ts';
import { ConsolePage, createOrder } from '../../support/console.ts';
import { startTestDatabase, type TestDatabase } from '../../support/database.ts';
import { SECRET, secretToken } from '../../support/issuer.ts';
import { PATIENCE, until } from '../../support/until.ts';

jest.setTimeout(3 * PATIENCE);

const MANY = 10_000;
const PREFIX = '/shop/api';

const inChromium = CHROMIUM === undefined ? describe.skip : describe;
inChromium('the console in Chromium, with tokens (skipped where none is installed)', () => {
	let database: TestDatabase;
	let application: Application;
	let browser: Browser;
	let customer: string;
	let admin: string;

	beforeAll(async () => {
		database = await startTestDatabase();
		const env = { CANCELLATION_WINDOW: '10m', AUTH: 'jwt', AUTH_JWT_SECRET: SECRET };
		application = await startTestApplication(database, env);
		browser = await launch(CHROMIUM ?? '');
		customer = await secretToken({ sub: 'carla' });
		admin = await secretToken({ sub: 'adam', scope: 'orders:admin' });
	});

	afterAll(async () => {
		await browser?.close();
		await application?.stop();
		await database?.stop();
	});

	async function signedIn(token: string): Promise<ConsolePage> {
		const shown = await ConsolePage.open(await browser.newContext(), `${application.url}/console`);
		await shown.page.getByLabel('Access token').fill(token);
		await shown.page.keyboard.press('Enter');
		await shown.page.getByRole('heading', { name: 'Orders', exact: true }).waitFor();
		return shown;
	}

	it('asks for a token, and shows customers what is theirs alone', async () => {
		const hers = await createOrder(application.url, { cancellationWindow: '1s' }, customer);
		const his = await createOrder(application.url, {}, await secretToken({ sub: 'carl' }));
		const shown = await ConsolePage.open(await browser.newContext(), `${application.url}/console`);
		const { page } = shown;
		await page.getByLabel('Access token').fill('no token');
		await page.keyboard.press('Enter');
		await shown.says('alert', 'This is not a token.');
		await page.getByLabel('Access token').fill(`${customer}x`);
		await page.keyboard.press('Enter');
		await shown.says('alert', /not valid/);
		expect(await shown.barriers()).toEqual([]);
		await page.getByLabel('Access token').fill(customer);
		await page.keyboard.press('Enter');
		await shown.order(hers).getByText('Shipped').waitFor();
		expect(await page.getByRole('article').count()).toBe(1);
		expect(await shown.order(hers).getByRole('button').allTextContents()).toEqual(['History']);
		expect(await page.getByText('a person').count()).toBe(0);
		// What happens to others is not told by the stream either.
		await createOrder(application.url, { productName: 'Lamp' }, customer);
		await page.getByRole('article').filter({ hasText: 'Lamp' }).waitFor();
		expect(await shown.order(his).count()).toBe(0);

		await page.reload();
		await shown.order(hers).waitFor();
		expect(await page.evaluate<number>('localStorage.length')).toBe(0);
		expect(shown.requests.filter((url) => url.includes(customer.slice(0, 20)))).toEqual([]);
		expect(shown.requests.filter((url) => url.includes('/console/api/'))).toEqual([]);
		await page.getByRole('button', { name: 'Sign out' }).click();
		await page.getByLabel('Access token').waitFor();
		expect(await page.evaluate<number>('sessionStorage.length')).toBe(0);
		expect(await page.getByRole('article').count()).toBe(0);
		expect(shown.complaints).toEqual([]);
	});

	it('shows whoever may everything what needs a person', async () => {
		const order = await createOrder(application.url, { productName: 'Clock' }, customer);
		const [pending] = await until(async () => {
			const rows = await database.query<{ id: string }>(
				`SELECT id FROM order_events WHERE order_id = $1 AND type = 'PaymentAuthorized'`,
				[order.id],
			);
			return rows.length > 0 ? rows : undefined;
		});
		for (const id of [pending?.id ?? '', crypto.randomUUID(), crypto.randomUUID()]) {
			await database.query(
				`INSERT INTO dead_letters (letter, consumer, id, type, key, body, attempts, error)
				VALUES (gen_random_uuid(), 'shipping', $1, 'PaymentAuthorized', $2, '{}', 8, $3)`,
				[id, order.id, `no parcel for ${id}`],
			);
		}
		const short = await createOrder(application.url, { paymentMethod: 'card_short_hold' }, customer);
		await application.broker.call('consumers.pause', { group: 'settlement' });
		await database.query(
			`UPDATE payments SET status = 'Unknown', operation = 'authorize', attempts = 1, undecided_since = now() - interval '1 hour',
				key_used_at = now() - interval '1 hour', attempt_until = now() - interval '1 hour' WHERE order_id = $1`,
			[order.id],
		);
		const shown = await signedIn(admin);
		const { page } = shown;
		const group = (title: string) => page.getByRole('listitem').filter({ has: page.getByText(title) });
		await group('3 PaymentAuthorized').getByText('no parcel for …').waitFor();
		await group('3 PaymentAuthorized').getByRole('button', { name: 'Send again' }).click();
		await shown.says('status', '1 message will be sent again. 2 messages cannot be');
		await group('2 PaymentAuthorized').waitFor();
		await group('settlement').getByText('by a service').waitFor();
		const problems = page.getByRole('region', { name: 'Needs a person', exact: true });
		await problems.getByText(short.orderNumber).waitFor();
		await page.getByText('gateway, orders, outbox-relay', { exact: false }).waitFor();

		await group(order.orderNumber).getByRole('button', { name: 'Decide' }).click();
		const dialog = page.getByRole('dialog', { name: 'Decide a payment' });
		await dialog.getByLabel('Note').fill('seen on the page of the provider');
		expect(await shown.barriers()).toEqual([]);
		await dialog.getByRole('button', { name: 'Decide' }).click();
		await shown.says('status', 'is decided');
		await problems.getByText('without an answer').waitFor({ state: 'detached' });
		await problems.getByRole('button', { name: 'Go on' }).click();
		await shown.says('status', 'settlement goes on');
		await problems.getByText('by a service').waitFor({ state: 'detached' });
		expect(await database.query('SELECT FROM paused_consumers')).toEqual([]);
		expect(shown.complaints).toEqual([]);
		await page.context().close();
	});

	it('works below the path of a proxy', async () => {
		const proxy = createServer((req, res) => {
			const path = req.url?.startsWith(`${PREFIX}/`) ? req.url.slice(PREFIX.length) : '/outside';
			const { method, headers } = req;
			const forwarded = request(`${application.url}${path}`, { method, headers }, (answer) => {
				res.writeHead(answer.statusCode ?? 502, answer.headers);
				answer.pipe(res);
			});
			forwarded.on('error', () => res.destroy());
			res.on('close', () => forwarded.destroy());
			req.pipe(forwarded);
		}).listen(0, '127.0.0.1');
		await once(proxy, 'listening');
		const base = `http://127.0.0.1:${(proxy.address() as AddressInfo).port}${PREFIX}`;
		try {
			for (const path of ['/', '/console/']) {
				const shown = await ConsolePage.open(await browser.newContext(), base + path);
				await shown.page.getByLabel('Access token').fill(admin);
				await shown.page.keyboard.press('Enter');
				await shown.page.getByText('Live', { exact: true }).waitFor();
				await shown.page.getByRole('article').first().waitFor();
				expect(shown.requests.filter((url) => !url.startsWith(`${base}/`))).toEqual([]);
				expect(shown.complaints).toEqual([]);
				await shown.page.context().close();
			}
		} finally {
			proxy.closeAllConnections();
			proxy.close();
		}
	});

	it('scrolls through ten thousand orders, of which it draws those in sight', async () => {
		await database.query(
			`INSERT INTO orders (id, owner, product_name, amount, currency, payment_method, cancellation_window, status, created_at,
				pending_until, confirmed_at, shipped_at, sequence)
			SELECT (lpad(to_hex(1_500_000_000_000 + n), 12, '0') || '70008000' || lpad(to_hex(n), 12, '0'))::uuid, 'many',
				'Order ' || n, 1990, 'USD', 'card_ok', 600000, 'Shipped', now(), now(), now(), now(), 5
			FROM generate_series(1, $1) AS n`,
			[MANY],
		);
		const shown = await signedIn(admin);
		const { page } = shown;
		await page.evaluate(`globalThis.tasks = [];
			new PerformanceObserver((list) => tasks.push(...list.getEntries().map(({ duration }) => duration))).observe({ type: 'longtask' });`);
		const pages = (): number => shown.requests.filter((url) => /\/orders\?/.test(url)).length;
		await page.getByRole('article').first().waitFor();
		expect(pages()).toBeLessThan(6);
		let most = 0;
		/** Scrolls until so many pages have been read; resolves with the time that it kept the page busy, in ms. */
		const scroll = async (until: () => Promise<boolean>): Promise<number> => {
			await page.evaluate('void (tasks.length = 0)');
			while (!(await until())) {
				await page.evaluate('void scrollTo(0, document.documentElement.scrollHeight)');
				await page.evaluate('new Promise((drawn) => requestAnimationFrame(() => requestAnimationFrame(drawn)))');
				most = Math.max(most, await page.getByRole('article').count());
			}
			return page.evaluate<number>('tasks.reduce((sum, duration) => sum + duration, 0)');
		};
		const to = (count: number) => async () => pages() >= count;
		await scroll(to(10));
		const early = await scroll(to(30));
		await scroll(to(80));
		const late = await scroll(to(100));
		await scroll(() => page.getByRole('article', { name: /, Order 1$/ }).isVisible());
		await page.getByText('These are all orders.').waitFor();
		expect(most).toBeLessThan(200);
		// Later pages cost no more than the first ones did.
		expect(late).toBeLessThan(3 * early + 1_000);

		const order = await createOrder(application.url, { productName: 'The newest' }, admin);
		await page.evaluate('void scrollTo(0, 0)');
		await shown.order(order).getByText('The money is held').waitFor();
		expect(shown.complaints).toEqual([]);
	});
});
