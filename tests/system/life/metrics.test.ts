/** `/metrics` on the real system: what it tells after orders went every way, to whom, and while the database is away. */
import { readFileSync } from 'node:fs';
import { afterAll, beforeAll, describe, expect, it } from '@jest/globals';
import type { Application } from '../../../bin/application.ts';
import { startTestApplication } from '../../support/application.ts';
import { Client } from '../../support/client.ts';
import { startTestDatabase, type TestDatabase } from '../../support/database.ts';
import { SECRET, secretToken } from '../../support/issuer.ts';
import { System } from '../../support/process.ts';
import { PROMTOOL, promtool, titled } from '../../support/promtool.ts';
import { until } from '../../support/until.ts';

let database: TestDatabase;
let application: Application;
let client: Client;
beforeAll(async () => {
	database = await startTestDatabase();
	application = await startTestApplication(database);
	client = new Client(() => application.url);
});
afterAll(async () => {
	await application.stop();
	await database.stop();
});

async function scrape(url = `${application.url}/metrics`): Promise<string> {
	const res = await fetch(url);
	expect([res.status, res.headers.get('content-type')]).toEqual([200, 'text/plain; version=0.0.4; charset=utf-8']);
	return res.text();
}

/** One sample of a scrape; labels in any order. */
function sample(text: string, name: string, labels: Readonly<Record<string, string>> = {}): number | undefined {
	for (const line of text.split('\n')) {
		const [, found, inner = '', value] = /^(\w+)(?:\{(.*)\})? (\S+)$/.exec(line) ?? [];
		if (found === name && Object.entries(labels).every(([label, wanted]) => inner.includes(`${label}="${wanted}"`))) {
			return Number(value);
		}
	}
	return undefined;
}

it('tells what became of the orders', async () => {
	const place = (paymentMethod: string) =>
		client.create({ productName: 'book', amount: 1, paymentMethod }, `metrics-${paymentMethod}`);
	for (const card of ['card_ok', 'card_declined', 'card_capture_refused']) await place(card);
	const held = await client.create({ productName: 'book', amount: 1, cancellationWindow: '1h' }, 'metrics-cancelled');
	await until(async () => (await client.get(held.orderId ?? '')).paymentStatus === 'Authorized');
	await client.command('cancel', held.orderId ?? '');
	await fetch(`${application.url}/orders/${crypto.randomUUID()}`);
	await until(async () => (await client.list()).every(({ status }) => /Shipped|Cancelled|PaymentFailed/.test(status)));

	const text = await until(async () => {
		const found = await scrape();
		return sample(found, 'outbox_unsent_messages') === 0 ? found : undefined;
	}, 'the outbox is empty');
	const expected: readonly (readonly [string, Record<string, string>, number])[] = [
		['order_events_total', { type: 'OrderPending' }, 4],
		['order_events_total', { type: 'OrderShipped' }, 1],
		['order_events_total', { type: 'OrderCancelled' }, 1],
		['payment_outcomes_total', { operation: 'authorize', outcome: 'succeeded' }, 3],
		['payment_outcomes_total', { operation: 'authorize', outcome: 'declined' }, 1],
		['payment_outcomes_total', { operation: 'capture', outcome: 'succeeded' }, 1],
		['payment_outcomes_total', { operation: 'capture', outcome: 'refused' }, 1],
		['payment_outcomes_total', { operation: 'void', outcome: 'succeeded' }, 1],
		['provider_call_seconds_count', { operation: 'authorize', outcome: 'declined' }, 1],
		['provider_call_seconds_count', { operation: 'capture', outcome: 'refused' }, 1],
		['provider_call_seconds_count', { operation: 'void', outcome: 'succeeded' }, 1],
		['provider_call_seconds_count', { operation: 'hand_over', outcome: 'succeeded' }, 1],
		['payments_unknown', {}, 0],
		['payments_unknown_oldest_age_seconds', {}, 0],
		['settlement_breaches_total', {}, 0],
		['holds_ending_soon', {}, 0],
		['dead_letters_total', { group: 'deadlines' }, 0],
		['outbox_failing_messages', {}, 0],
		['outbox_oldest_message_age_seconds', {}, 0],
		['action_duration_seconds_count', { action: 'orders.create', status: '2xx' }, 4],
		['action_duration_seconds_count', { action: 'orders.cancel', status: '2xx' }, 1],
		['http_request_duration_seconds_count', { method: 'POST', route: '/orders', status: '2xx' }, 4],
		['http_request_duration_seconds_count', { method: 'GET', route: '/orders/{id}', status: '4xx' }, 1],
		['http_requests_at_work', {}, 0],
	];
	for (const [name, labels, value] of expected)
		expect([name, labels, sample(text, name, labels)]).toEqual([name, labels, value]);
	// Whoever woke them; the one whose card is declined may have come to its end first.
	const woken = ['carrier', 'sweeper'].map((by) => sample(text, 'orders_confirmed_total', { woken_by: by }) ?? 0);
	const confirmed = sample(text, 'order_events_total', { type: 'OrderConfirmed' }) ?? 0;
	expect(woken.reduce((sum, count) => sum + count)).toBe(confirmed);
	expect(confirmed).toBeGreaterThanOrEqual(2);
	expect(sample(text, 'wakeup_lateness_seconds_count', { type: 'OrderDue' })).toBeGreaterThanOrEqual(2);
	const states = ['busy', 'idle'].map((state) => sample(text, 'database_connections', { state }) ?? Number.NaN);
	expect(states.reduce((sum, count) => sum + count)).toBeGreaterThan(0);
	expect(sample(text, 'http_connections')).toBeGreaterThan(0);
	expect(sample(text, 'process_resident_memory_bytes')).toBeGreaterThan(0);
	expect(sample(text, 'nodejs_eventloop_lag_p99_seconds')).toBeGreaterThan(0);
});

it('tells what waits in the outbox, how old it is, and what cannot be sent', async () => {
	const id = '01890000-0000-7000-8000-000000000000'; // of the summer of 2023
	await database.query(
		`INSERT INTO outbox_messages (message_id, type, order_id, deliver_at, available_at, attempts)
		VALUES ($1, 'OrderDue', $1, now(), now() + interval '1 hour', 3)`,
		[id],
	);
	const text = await scrape();
	expect(sample(text, 'outbox_unsent_messages')).toBe(1);
	expect(sample(text, 'outbox_failing_messages')).toBe(1);
	const age = (Date.now() - 0x018900000000) / 1_000;
	expect(Math.abs((sample(text, 'outbox_oldest_message_age_seconds') ?? 0) - age)).toBeLessThan(60);
	await database.query('DELETE FROM outbox_messages WHERE message_id = $1', [id]);
});

it('counts the orders that have not ended, also where they are many', async () => {
	await database.query(
		`INSERT INTO orders (id, owner, product_name, amount, currency, payment_method, cancellation_window, status, created_at,
			pending_until, sequence, sweep_at)
		SELECT gen_random_uuid(), 'shop', 'crowd', 1, 'USD', 'card_ok', 600000,
			CASE WHEN n <= 100000 THEN 'Pending' ELSE 'OnHold' END, now(), now() + interval '1 h', 1, now() + interval '1 h'
		FROM generate_series(1, 100007) AS n`,
	);
	const figures = await until(async () => {
		const text = await scrape();
		const statuses = ['Pending', 'OnHold', 'CancelRequested', 'Confirmed'];
		const found = statuses.map((status) => sample(text, 'orders_unfinished', { status }));
		return found[0] === 0 ? undefined : found;
	}, 'they are counted');
	expect(figures).toEqual([100_000, 7, 0, 0]);
	await database.query(`DELETE FROM orders WHERE product_name = 'crowd'`);
});

it('counts a dead letter', async () => {
	await database.query(
		`INSERT INTO carrier_messages (consumer, deliver_at, id, type, key, due_at, body, attempts)
		VALUES ('deadlines', now(), gen_random_uuid(), 'OrderDue', gen_random_uuid(), now(), '{}', 7)`,
	);
	// It is stored before its message is acknowledged, and a failure is counted with that.
	const figures = await until(async () => {
		const text = await scrape();
		const counted = (name: string): number | undefined => sample(text, name, { group: 'deadlines' });
		const found = [counted('dead_letters_total'), counted('messages_failed_total')];
		return found.includes(0) ? undefined : found;
	}, 'both are counted');
	expect(figures).toEqual([1, 1]);
});

it('every figure of its own is in the table of docs/operations.md', async () => {
	const documented = readFileSync(new URL('../../../docs/operations.md', import.meta.url), 'utf8');
	const names = Array.from((await scrape()).matchAll(/^# TYPE (\w+) /gm), ([, name = '']) => name);
	const own = names.filter((name) => !/^(process|nodejs)_/.test(name));
	expect(own.length).toBeGreaterThan(20);
	expect(own.filter((name) => !new RegExp(`^\\|.*\`${name}[\`{]`, 'm').test(documented))).toEqual([]);
});

it('holds no secret and no label that a client can choose', async () => {
	await fetch(`${application.url}/orders/secret-of-a-client?x=secret-of-a-client`, { method: 'PUT' });
	await fetch(`${application.url}/secret-of-a-client`, { headers: { authorization: 'Bearer secret-of-a-client' } });
	const text = await scrape();
	expect(text).not.toMatch(/secret-of-a-client|PUT|postgres:\/\/|127\.0\.0\.1|\/tmp\//);
	expect(sample(text, 'http_request_duration_seconds_count', { method: 'other', route: 'none', status: '4xx' })).toBe(
		1,
	);
});

(PROMTOOL ? it : it.skip)(titled('promtool finds nothing to complain of', PROMTOOL), async () => {
	const { status, said } = promtool(['check', 'metrics'], await scrape());
	// It takes `us` for microseconds.
	expect(said.replace(/^provider_refuses_us metric names should not contain abbreviated units\n/m, '')).toBe('');
	expect([0, 3]).toContain(status); // 3: it complains of a name
});

it('answers while the database is away, without what only the database knows', async () => {
	await database.takeDown();
	try {
		const text = await scrape();
		expect(sample(text, 'outbox_unsent_messages')).toBeUndefined();
		expect(sample(text, 'payments_unknown')).toBeUndefined();
		expect(text).toMatch(/^# TYPE outbox_unsent_messages gauge$/m);
		expect(sample(text, 'order_events_total', { type: 'OrderPending' })).toBe(4);
	} finally {
		await database.bringUp();
	}
	await until(async () => sample(await scrape(), 'outbox_unsent_messages') !== undefined, 'the figure is there again');
});

describe('with tokens', () => {
	it('the gateway shows them to whoever may see everything; METRICS_PORT to whoever can reach it', async () => {
		const system = await System.create({ AUTH: 'jwt', AUTH_JWT_SECRET: SECRET, METRICS_PORT: '0' });
		try {
			const running = await system.up();
			const get = (token?: string): Promise<Response> =>
				fetch(`${running.url}/metrics`, token === undefined ? {} : { headers: { authorization: `Bearer ${token}` } });
			const nobody = await get();
			expect([nobody.status, nobody.headers.get('www-authenticate')]).toEqual([401, 'Bearer realm="orders"']);
			const customer = await get(await secretToken({ sub: 'alice', scope: 'metrics' }));
			expect([customer.status, customer.headers.get('www-authenticate')]).toEqual([
				403,
				'Bearer realm="orders", error="insufficient_scope", scope="orders:admin"',
			]);
			expect(await customer.json()).toMatchObject({ code: 'Auth.ScopeMissing', status: 403 });
			expect((await get(await secretToken({ sub: 'root', scope: 'orders:admin' }))).status).toBe(200);
			const probe = running.lines
				.map((line) => /Health and metrics at (\S+)/.exec(line)?.[1])
				.find((url) => url !== undefined);
			const text = await scrape(`${probe}/metrics`);
			expect(sample(text, 'http_request_duration_seconds_count', { route: '/metrics', status: '4xx' })).toBe(2);
			expect(text).not.toContain(SECRET);
		} finally {
			await system.dispose();
		}
	}, 120_000);
});
