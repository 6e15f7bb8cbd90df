/** The API page in a real browser: nothing from outside, and requests that really go out and come back. */
import { once } from 'node:events';
import { existsSync } from 'node:fs';
import { createServer, request } from 'node:http';
import type { AddressInfo } from 'node:net';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it, jest } from '@jest/globals';
import type { Browser, Page } from 'playwright-core';
import type { Application } from '../../../bin/application.ts';
import { startTestApplication } from '../../support/application.ts';
import { CHROMIUM, launch } from '../../support/chromium.ts';
import { startTestDatabase, type TestDatabase } from '../../support/database.ts';
import { ROOT } from '../../support/process.ts';
import { PATIENCE } from '../../support/until.ts';

/** The README's picture is taken again when it is missing or asked for: otherwise a test run leaves no change behind. */
const PICTURE = join(ROOT, 'docs/api.png');
const TAKES_PICTURE = process.env.UPDATE_PICTURE === '1' || !existsSync(PICTURE);
/** The address that a newcomer has, for the picture alone. */
const USUAL = '127.0.0.1:5300';

if (CHROMIUM === undefined && process.env.REQUIRE_CHROMIUM === '1') {
	it('REQUIRE_CHROMIUM=1, but no Chromium is installed', () => {
		throw new Error('install Chromium, or leave REQUIRE_CHROMIUM unset');
	});
}

/** A busy machine takes its time to draw a page. */
jest.setTimeout(3 * PATIENCE);

const inChromium = CHROMIUM === undefined ? describe.skip : describe;
inChromium('the API page in Chromium (skipped where none is installed)', () => {
	let database: TestDatabase;
	let application: Application;
	let browser: Browser;
	let page: Page;
	const requests: string[] = [];
	const complaints: string[] = [];
	const origin = (): string => application.url ?? '';

	async function open(from: Browser): Promise<Page> {
		const opened = await from.newPage({ viewport: { width: 1440, height: 1000 }, deviceScaleFactor: 1 });
		opened.setDefaultTimeout(PATIENCE);
		return opened;
	}

	beforeAll(async () => {
		database = await startTestDatabase();
		application = await startTestApplication(database, { CANCELLATION_WINDOW: '10m' });
		browser = await launch(CHROMIUM ?? '');
		page = await open(browser);
		page.on('request', (request) => requests.push(`${request.method()} ${request.url()}`));
		page.on('websocket', (socket) => requests.push(`WEBSOCKET ${socket.url()}`));
		page.on('pageerror', (error) => complaints.push(error.message));
		page.on('console', (message) => {
			if (message.type() === 'error') complaints.push(message.text());
		});
		await page.goto(`${origin()}/scalar/v1`);
	});

	afterAll(async () => {
		await browser?.close();
		await application?.stop();
		await database?.stop();
	});

	it('shows every operation', async () => {
		const document = (await (await fetch(`${origin()}/openapi.json`)).json()) as {
			paths: Record<string, Record<string, { summary: string }>>;
		};
		for (const operations of Object.values(document.paths)) {
			for (const { summary } of Object.values(operations)) {
				await page.getByText(summary, { exact: true }).first().waitFor({ state: 'attached' });
			}
		}
	});

	it('sends a request and shows its answer', async () => {
		await page.goto(`${origin()}/scalar/v1#tag/orders/POST/orders`);
		await page
			.getByRole('button', { name: /Test Request.*post \/orders\)/is })
			.first()
			.click();
		const answered = page.waitForResponse((response) => response.url() === `${origin()}/orders`);
		await page.getByRole('button', { name: /^Send/ }).first().click();
		const response = await answered;
		expect([response.status(), response.request().method()]).toEqual([201, 'POST']);
		const order = (await response.json()) as { id: string };
		await page.getByText(order.id).first().waitFor();
		const stored = await database.query<{ id: string }>('SELECT id FROM orders');
		expect(stored).toEqual([{ id: order.id }]);
	});

	it('does all of it below the path of a proxy as well', async () => {
		const prefix = '/shop/api';
		const proxy = createServer((req, res) => {
			const path = req.url?.startsWith(`${prefix}/`) ? req.url.slice(prefix.length) : '/outside';
			const { method, headers } = req;
			const forwarded = request(`${origin()}${path}`, { method, headers }, (answer) => {
				res.writeHead(answer.statusCode ?? 502, answer.headers);
				answer.pipe(res);
			});
			req.pipe(forwarded);
		}).listen(0, '127.0.0.1');
		await once(proxy, 'listening');
		const base = `http://127.0.0.1:${(proxy.address() as AddressInfo).port}${prefix}`;
		const below = await open(browser);
		try {
			await below.goto(`${base}/scalar/v1`);
			await below.getByText('Create an order').first().waitFor({ state: 'attached' });
			await below.goto(`${base}/scalar/v1#tag/orders/GET/orders`);
			const button = below.getByRole('button', { name: /Test Request.*get \/orders\)/is });
			await button.first().click();
			const answered = below.waitForResponse((response) => response.url() === `${base}/orders`);
			await below.getByRole('button', { name: /^Send/ }).first().click();
			expect((await answered).status()).toBe(200);
		} finally {
			await below.close();
			proxy.closeAllConnections();
			proxy.close();
		}
	});

	it('asked nobody else for anything, and broke no policy', () => {
		expect(requests.length).toBeGreaterThan(3);
		expect(requests.filter((request) => !request.includes(` ${origin()}/`))).toEqual([]);
		expect(complaints).toEqual([]);
	});

	it('is refused to other origins, and so are commands from their pages', async () => {
		const elsewhere = await open(browser);
		await elsewhere.route('http://elsewhere.test/', (route) =>
			route.fulfill({ contentType: 'text/html', body: '<p>another site</p>' }),
		);
		await elsewhere.goto('http://elsewhere.test/');
		const [order] = await database.query<{ id: string }>('SELECT id FROM orders LIMIT 1');
		const outcomes = await elsewhere.evaluate(
			async ([url, id]) => {
				const outcome = (request: Promise<Response>) =>
					request.then(
						({ type, status }) => `${type} ${status}`,
						() => 'failed',
					);
				return [
					await outcome(fetch(`${url}/orders`)),
					await outcome(fetch(`${url}/orders/${id}/cancel`, { method: 'POST' })),
					await outcome(fetch(`${url}/orders/${id}/cancel`, { method: 'POST', mode: 'no-cors' })),
				];
			},
			[origin(), order?.id ?? ''],
		);
		expect(outcomes).not.toContain('cors 200');
		expect(outcomes.slice(0, 2)).toEqual(['failed', 'failed']);
		const [after] = await database.query<{ status: string }>('SELECT status FROM orders');
		expect(after?.status).toBe('Pending');
		await elsewhere.close();
	});

	(TAKES_PICTURE ? it : it.skip)('has its picture taken (UPDATE_PICTURE=1)', async () => {
		const rule = `--host-resolver-rules=MAP ${USUAL} ${new URL(origin()).host}`;
		const usual = await launch(CHROMIUM ?? '', [rule]);
		try {
			const shown = await open(usual);
			await shown.goto(`http://${USUAL}/scalar/v1#tag/orders/POST/orders`);
			await shown
				.getByRole('button', { name: /Test Request/ })
				.first()
				.waitFor();
			await shown.getByText('"failureReason"').first().waitFor();
			await shown.screenshot({ path: PICTURE, animations: 'disabled' });
		} finally {
			await usual.close();
		}
	});
});
