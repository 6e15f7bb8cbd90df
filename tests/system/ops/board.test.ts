/** Every query of the board and every rule, on a real Prometheus that reads a system in which all kinds of things happen. */
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from '@jest/globals';
import type { Application } from '../../../bin/application.ts';
import { freePort } from '../../../bin/brokers/ports.ts';
import { alertsOf } from '../../../ops/prometheus/alerts.ts';
import type { OrderDto } from '../../../services/orders/order-dto.ts';
import { META, startTestApplication } from '../../support/application.ts';
import { metricsIn, queriesOf, readBoard } from '../../support/board.ts';
import { startTestDatabase, type TestDatabase } from '../../support/database.ts';
import { manifests } from '../../support/manifests.ts';
import { ROOT } from '../../support/process.ts';
import { Prometheus } from '../../support/prometheus.ts';
import { PROMETHEUS, titled } from '../../support/promtool.ts';
import { Receiver } from '../../support/receiver.ts';
import { StripeStandIn } from '../../support/stripe/stand-in.ts';
import { until } from '../../support/until.ts';

const JOB = 'protected-payment';
/** of one second; placing the orders stays below it */
const RATE_LIMIT = 100;
/** What comes last of all that happens. */
const LAST_SEEN = [
	'trace_spans_dropped_total',
	'http_requests_refused_total',
	'dead_letters_total',
	'sweeper_finds_total',
];
const alerts = alertsOf(readFileSync(join(ROOT, 'docs/operations.md'), 'utf8'));
/** By these Kubernetes makes more processes. */
const scaling = manifests.flatMap(({ metadata, spec }) =>
	(spec?.triggers ?? []).map((trigger) => ({
		panel: `scaling of ${metadata.name}`,
		query: trigger.metadata.query ?? '',
	})),
);
const queries = [...queriesOf(readBoard(), JOB), ...scaling];

let database: TestDatabase;
let standIn: StripeStandIn;
let application: Application;
let prometheus: Prometheus;
let receiver: Receiver;
let began: number;

const call = <T>(action: string, params: object = {}): Promise<T> =>
	application.broker.call(action, params, { meta: META });

/** A new order, by HTTP: each answer counts. */
async function place(paymentMethod: string, cancellationWindow = '1s'): Promise<string> {
	const res = await fetch(`${application.url}/orders`, {
		method: 'POST',
		headers: { 'content-type': 'application/json', 'idempotency-key': crypto.randomUUID() },
		body: JSON.stringify({ productName: 'Tea', amount: 19.9, paymentMethod, cancellationWindow }),
	});
	expect(res.status).toBe(201);
	const order: OrderDto = JSON.parse(await res.text());
	return order.id;
}

const comesTo = (id: string, wanted: Partial<OrderDto>): Promise<unknown> =>
	until(
		async () => {
			const order = await call<OrderDto>('orders.get', { id });
			return Object.entries(wanted).every(([name, value]) => order[name as keyof OrderDto] === value);
		},
		`${id} is ${JSON.stringify(wanted)}`,
	);

/** Orders that go every way that the board shows, and all that can hold them up. */
async function everything(): Promise<void> {
	const card = 'pm_card_visa';
	const [shipped, cancelled, paused] = [await place(card), await place(card, '10m'), await place(card, '10m')];
	await place('pm_card_chargeDeclined');
	standIn.faults.order('capture', 'timeout after');
	await place(card);
	await comesTo(cancelled, { paymentStatus: 'Authorized' });
	await call('orders.cancel', { id: cancelled });
	await call('orders.hold', { id: paused });
	await comesTo(shipped, { status: 'Shipped' });
	await call('orders.refund', { id: shipped, idempotencyKey: crypto.randomUUID(), amount: '1.90' });
	await comesTo(shipped, { paymentStatus: 'PartiallyRefunded' });
	await comesTo(cancelled, { status: 'Cancelled' });
	// A message that nobody can handle, and an event that only claims to be the provider's.
	await database.query(
		`INSERT INTO carrier_messages (consumer, deliver_at, id, type, key, due_at, body, attempts)
		VALUES ('deadlines', now(), gen_random_uuid(), 'OrderDue', gen_random_uuid(), now(), '{}', 7)`,
	);
	const headers = { 'stripe-signature': 't=1,v1=0' };
	await fetch(`${application.url}/webhooks/stripe`, { method: 'POST', body: '{}', headers });
	await call('consumers.pause', { group: 'shipping' });
	await seen('consumer_paused');
	await call('consumers.resume', { group: 'shipping' });
	// The limit forgives while the requests are under way: on a busy machine a first crowd may pass.
	await until(async () => {
		const crowd = Array.from({ length: 2 * RATE_LIMIT }, () => statusOf(`/orders/${shipped}`));
		return (await Promise.all(crowd)).includes(429);
	}, 'a request too many is refused');
}

const statusOf = async (path: string): Promise<number> => {
	const res = await fetch(`${application.url}${path}`);
	await res.arrayBuffer();
	return res.status;
};

const seen = (query: string): Promise<unknown> =>
	until(async () => (await prometheus.range(query, began)).length > 0, `Prometheus has seen ${query}`);

/** The panels that show nothing of what has happened. */
const empty = async (): Promise<readonly { panel: string; query: string }[]> => {
	const looked = await Promise.all(
		queries.map(async ({ panel, query }) => ({ panel, query, found: await prometheus.range(query, began) })),
	);
	return looked.filter(({ found }) => found.length === 0).map(({ panel, query }) => ({ panel, query }));
};

(PROMETHEUS ? describe : describe.skip)(titled('on a real Prometheus', PROMETHEUS), () => {
	beforeAll(async () => {
		began = Date.now();
		[database, standIn, receiver] = await Promise.all([
			startTestDatabase(),
			StripeStandIn.open({ patience: 1_000 }),
			Receiver.open(),
		]);
		const port = await freePort();
		application = await startTestApplication(database, {
			...standIn.settings,
			STRIPE_WEBHOOK_SECRET: 'whsec_test',
			STRIPE_CALLS_PER_SECOND: '1000',
			PROVIDER_TIMEOUT: '1s',
			RATE_LIMIT: `${RATE_LIMIT}/s`,
			METRICS_PORT: String(port),
			WEBHOOK_ALLOW_PRIVATE: 'on',
			// Nobody listens there: what it is told is dropped.
			OTEL_EXPORTER_OTLP_ENDPOINT: `http://127.0.0.1:${await freePort()}`,
			OTEL_BSP_SCHEDULE_DELAY: '200',
		});
		await call('webhooks.create', { url: receiver.url('good') });
		prometheus = await Prometheus.start(`http://127.0.0.1:${port}/metrics`, JOB, [
			join(ROOT, 'ops/prometheus/rules.yml'),
		]);
		await seen('dead_letters_total');
		await everything();
		// A rate needs a figure before.
		for (const name of LAST_SEEN) await seen(`${name} > 0`);
		await everything();
	}, 180_000);
	afterAll(async () => {
		await prometheus?.stop();
		await application?.stop();
		await receiver?.close();
		await standIn?.close();
		await database?.stop();
	});

	it('every panel shows something, and so does what scales the processes', async () => {
		expect([queries.length > 50, scaling.length]).toEqual([true, 3]);
		let without: unknown;
		await until(
			async () => {
				without = await empty();
				return JSON.stringify(without) === '[]';
			},
			() => `they show something: ${JSON.stringify(without)}`,
		);
	}, 120_000);

	it('shows what has happened', async () => {
		const figures = async (query: string): Promise<number> => {
			const found = await prometheus.range(query, began);
			return Math.max(...found.flatMap(({ values }) => values));
		};
		await until(async () => (await figures(`sum(order_events_total{job="${JOB}",type="OrderCancelled"})`)) === 2);
		await until(async () => (await figures(`max by (group) (consumer_paused{job="${JOB}"})`)) === 1);
		expect(
			await figures(`histogram_quantile(0.99, sum by (le) (rate(wakeup_lateness_seconds_bucket[15s])))`),
		).toBeLessThan(60);
	});

	it('every metric of the board and of the alerts is there', async () => {
		const names = await prometheus.metricNames();
		const asked = [...queries.map(({ query }) => query), ...alerts.map(({ when }) => when)].flatMap(metricsIn);
		expect(new Set(asked).size).toBeGreaterThan(25);
		expect(asked.filter((name) => !names.includes(name))).toEqual([]);
	});

	it('every rule can be reckoned, and those that have a reason wait or fire', async () => {
		const rules = await until(async () => {
			const found = await prometheus.rules();
			return found.every(({ health }) => health === 'ok') ? found : undefined;
		}, 'every rule was reckoned without an error');
		expect(rules.map(({ name }) => name)).toEqual(alerts.map(({ name }) => name));
		const told = async (state: string): Promise<Set<string>> => {
			const states = await prometheus.range(`ALERTS{alertstate=~"${state}"}`, began);
			return new Set(states.map(({ metric }) => metric.alertname ?? ''));
		};
		const waiting = ['ConsumerPaused', 'DeadLetters', 'ProviderOutcomesUnknown', 'SpansDropped'];
		await until(async () => {
			const found = await told('pending|firing');
			return waiting.every((name) => found.has(name));
		}, `${waiting} wait or fire`);
		expect([...(await told('firing'))]).toEqual(['DeadLetters']);
	});
});
