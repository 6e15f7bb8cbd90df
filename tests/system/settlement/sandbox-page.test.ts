/** An order that is paid with `card_authentication`, and the page where the buyer answers the bank. */
import { afterAll, beforeAll, describe, expect, it } from '@jest/globals';
import type { Application } from '../../../bin/application.ts';
import { newId } from '../../../mixins/runtime/uuid.ts';
import type { OrderDto } from '../../../services/orders/order-dto.ts';
import { startTestApplication } from '../../support/application.ts';
import { CHROMIUM, launch } from '../../support/chromium.ts';
import { startTestDatabase, type TestDatabase } from '../../support/database.ts';
import { PATIENCE, until } from '../../support/until.ts';

let database: TestDatabase;
let application: Application;
let url: string;

beforeAll(async () => {
	database = await startTestDatabase();
	application = await startTestApplication(database, { TRUST_PROXY: '127.0.0.1' });
	url = application.url ?? '';
}, 120_000);
afterAll(async () => {
	await application?.stop();
	await database?.stop();
}, 60_000);

const order = async (path: string, init: RequestInit = {}): Promise<OrderDto> => {
	const answer = await fetch(`${url}/orders${path}`, init);
	expect(answer.ok).toBe(true);
	return (await answer.json()) as OrderDto;
};

const JSON_TYPE = { 'Content-Type': 'application/json' };

/** A new order for which the bank waits for the buyer. */
async function waiting(cancellationWindow: string): Promise<{ readonly id: string; readonly page: string }> {
	const body = { productName: 'Tea', amount: 19.9, paymentMethod: 'card_authentication', cancellationWindow };
	const { id } = await order('', { method: 'POST', headers: JSON_TYPE, body: JSON.stringify(body) });
	const { paymentAction } = await reaches(id, { paymentStatus: 'ActionRequired' });
	expect(paymentAction).toMatchObject({ type: 'redirect', clientSecret: null });
	return { id, page: paymentAction?.url ?? '' };
}

const reaches = (id: string, wanted: Partial<OrderDto>): Promise<OrderDto> =>
	until(
		async () => {
			const found = await order(`/${id}`);
			return Object.entries(wanted).every(([name, value]) => found[name as keyof OrderDto] === value)
				? found
				: undefined;
		},
		`${id} is ${JSON.stringify(wanted)}`,
	);

/** As the form sends it, or `curl -d`. */
const answer = (page: string, outcome: string, headers: Record<string, string> = {}): Promise<Response> =>
	fetch(page, { method: 'POST', redirect: 'manual', headers, body: new URLSearchParams({ outcome }) });

const problemOf = async (response: Response): Promise<[number, unknown]> => [
	response.status,
	((await response.json()) as { code: unknown }).code,
];

const journal = (id: string): Promise<{ operation: string; outcome: string }[]> =>
	database.query('SELECT operation, outcome FROM sandbox_operations WHERE order_id = $1 ORDER BY created_at', [id]);

describe('the buyer', () => {
	it('confirms on the page, and the order is told at once, captured and shipped', async () => {
		const { id, page } = await waiting('5s');
		expect(page).toMatch(new RegExp(`^${url}/sandbox/payments/[0-9a-f-]{36}$`));
		const shown = await fetch(page);
		expect([shown.status, shown.headers.get('content-type')]).toEqual([200, 'text/html; charset=utf-8']);
		expect(shown.headers.get('content-security-policy')).toBe(
			"default-src 'none'; img-src data:; base-uri 'none'; form-action 'self'; frame-ancestors 'none'",
		);
		const text = await shown.text();
		expect(text).toContain('19.9 USD');
		expect(text).toContain('<form method="post">');
		expect(await journal(id)).toEqual([]);

		const answered = await answer(page, 'succeeded', { 'Sec-Fetch-Site': 'same-origin' });
		expect([answered.status, answered.headers.get('location')]).toEqual([303, new URL(page).pathname]);
		const wakeUps = await database.query(`SELECT FROM outbox_messages WHERE order_id = $1 AND type = 'PaymentDue'`, [
			id,
		]);
		expect(wakeUps).toHaveLength(1);
		expect(await problemOf(await answer(page, 'failed'))).toEqual([409, 'Orders.InvalidState']);
		expect(await (await fetch(page)).text()).toContain('You have confirmed this payment.');
		expect(await reaches(id, { status: 'Shipped' })).toMatchObject({ paymentStatus: 'Captured', paymentAction: null });
		expect(await problemOf(await answer(page, 'succeeded'))).toEqual([409, 'Orders.InvalidState']);
		expect(await journal(id)).toEqual([
			{ operation: 'authorize', outcome: 'succeeded' },
			{ operation: 'capture', outcome: 'succeeded' },
		]);
	}, 60_000);

	it('refuses, and the order has failed', async () => {
		const { id, page } = await waiting('10m');
		const body = JSON.stringify({ outcome: 'failed' });
		const answered = await fetch(page, { method: 'POST', redirect: 'manual', headers: JSON_TYPE, body });
		expect(answered.status).toBe(303);
		await reaches(id, { status: 'PaymentFailed', paymentStatus: 'Declined' });
		expect(await (await fetch(page)).text()).toContain('You have refused this payment.');
		expect(await journal(id)).toEqual([{ operation: 'authorize', outcome: 'declined' }]);
	}, 60_000);

	it('cancels the order, and can confirm no more', async () => {
		const { id, page } = await waiting('10m');
		await order(`/${id}/cancel`, { method: 'POST' });
		await reaches(id, { status: 'Cancelled', paymentStatus: 'Voided' });
		expect(await problemOf(await answer(page, 'succeeded'))).toEqual([409, 'Orders.InvalidState']);
		expect(await (await fetch(page)).text()).toContain('This payment was cancelled.');
		expect(await journal(id)).not.toContainEqual({ operation: 'authorize', outcome: 'succeeded' });
	}, 60_000);

	it('does nothing until the window is over, and can confirm no more: nothing is left at the bank', async () => {
		const { id, page } = await waiting('2s');
		await reaches(id, { status: 'Cancelled', paymentStatus: 'Voided' });
		expect(await problemOf(await answer(page, 'succeeded'))).toEqual([409, 'Orders.InvalidState']);
	}, 60_000);
});

describe('the page', () => {
	it('takes no other answer, and none from the page of another site', async () => {
		const { page } = await waiting('10m');
		expect(await problemOf(await answer(page, 'perhaps'))).toEqual([422, 'Validation.Failed']);
		expect(await problemOf(await fetch(page, { method: 'POST' }))).toEqual([400, 'Request.Malformed']);
		const text = { 'Content-Type': 'text/plain' };
		expect(await problemOf(await fetch(page, { method: 'POST', headers: text, body: 'outcome=succeeded' }))).toEqual([
			415,
			'Request.UnsupportedMediaType',
		]);
		expect(await problemOf(await answer(page, 'succeeded', { 'Sec-Fetch-Site': 'cross-site' }))).toEqual([
			403,
			'Request.CrossSite',
		]);
		expect(await problemOf(await fetch(page, { method: 'DELETE' }))).toEqual([405, 'Route.MethodNotAllowed']);
		expect((await answer(page, 'succeeded')).status).toBe(303);
	}, 60_000);

	it('is found by its name alone', async () => {
		for (const name of [newId(Date.now()), 'x', '%00']) {
			const page = `${url}/sandbox/payments/${name}`;
			expect(await problemOf(await fetch(page))).toEqual([404, 'Route.NotFound']);
			expect(await problemOf(await answer(page, 'succeeded'))).toEqual([404, 'Route.NotFound']);
		}
	});
});

const inChromium = CHROMIUM === undefined ? describe.skip : describe;
inChromium('the page in Chromium (skipped where none is installed)', () => {
	it('sends the answer of the button, and says that it counts', async () => {
		const { id, page } = await waiting('10m');
		const browser = await launch(CHROMIUM ?? '');
		try {
			const opened = await browser.newPage();
			const complaints: string[] = [];
			opened.on('console', (message) => complaints.push(message.text()));
			await opened.goto(page);
			await opened.getByRole('button', { name: 'Confirm the payment' }).click();
			await opened.getByText('You have confirmed this payment.').waitFor({ timeout: PATIENCE });
			expect(opened.url()).toBe(page);
			expect(complaints).toEqual([]);
		} finally {
			await browser.close();
		}
		await reaches(id, { paymentStatus: 'Authorized' });
	}, 120_000);
});

describe('the link to the page', () => {
	it('leads by the way that the client came: through a trusted proxy, or by another name', async () => {
		const { id } = await waiting('10m');
		const proxy = { 'X-Forwarded-Proto': 'https', 'X-Forwarded-Host': 'shop.test', 'X-Forwarded-Prefix': '/api' };
		const link = async (path: string, headers: Record<string, string>): Promise<string | undefined> => {
			const found = (await (await fetch(`${url}${path}`, { headers })).json()) as OrderDto & { data: OrderDto[] };
			return (path === '/orders' ? found.data[0] : found)?.paymentAction?.url?.replace(/[^/]*$/, '');
		};
		for (const path of ['/orders', `/orders/${id}`]) {
			expect(await link(path, proxy)).toBe('https://shop.test/api/sandbox/payments/');
			expect(await link(path, {})).toBe(`${url}/sandbox/payments/`);
		}
	}, 60_000);

	it('is whole for calls that no gateway has made, and is shown to the owner alone', async () => {
		const { id, page } = await waiting('10m');
		const read = (subject: string): Promise<OrderDto> =>
			application.broker.call('orders.get', { id }, { meta: { caller: { subject, scopes: ['orders:admin'] } } });
		expect((await read('anonymous')).paymentAction?.url).toBe(page);
		expect((await read('somebody else')).paymentAction).toBeNull();
	}, 60_000);
});
