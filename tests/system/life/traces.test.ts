/** Traces of the whole system in one process: one for each order, from the request to the hand-over, and none in the way. */
import { createServer } from 'node:net';
import { afterAll, afterEach, beforeAll, beforeEach, expect, it } from '@jest/globals';
import type { Application } from '../../../bin/application.ts';
import { startTestApplication } from '../../support/application.ts';
import { Collector, KINDS } from '../../support/collector.ts';
import { startTestDatabase, type TestDatabase } from '../../support/database.ts';
import { tracedOrder, wayBack } from '../../support/traces.ts';
import { until } from '../../support/until.ts';

let database: TestDatabase;
let collector: Collector;
let application: Application;

beforeAll(async () => {
	database = await startTestDatabase();
});
afterAll(() => database.stop());
beforeEach(async () => {
	collector = await Collector.start();
});
afterEach(async () => {
	await application?.stop();
	await collector.stop();
});

const start = async (env: Readonly<Record<string, string>>): Promise<void> => {
	application = await startTestApplication(database, env);
};

const figures = async (): Promise<string> => (await application.platform.metrics.expose()).body;

const count = (names: readonly string[]): Record<string, number> =>
	Object.fromEntries([...Map.groupBy(names, (name) => name)].map(([name, { length }]) => [name, length]));

it('an order is one trace from the request to the hand-over, and every span leads back to the request', async () => {
	await start(collector.env);
	const { traceId, orderId } = await tracedOrder(application.url ?? '', collector);
	const spans = await until(() => {
		const found = collector.trace(traceId);
		return found.length >= 8 ? found : undefined;
	}, 'all spans have come');
	expect(count(spans.map(({ name }) => name))).toEqual({
		'POST /orders': 1,
		'process settlement': 2,
		'process deadlines': 1,
		'process shipping': 1,
		'payment provider authorize': 1,
		'payment provider capture': 1,
		'parcel service hand_over': 1,
	});
	const [root] = spans.filter(({ parentSpanId }) => !parentSpanId);
	expect(root).toMatchObject({ name: 'POST /orders', kind: KINDS.server, attributes: { 'http.route': '/orders' } });
	for (const span of spans) expect(wayBack(span, spans).at(-1)).toBe('POST /orders');
	const [shipping] = spans.filter(({ name }) => name === 'parcel service hand_over');
	expect(shipping && wayBack(shipping, spans)).toEqual([
		...['parcel service hand_over', 'process shipping', 'process settlement', 'process deadlines', 'POST /orders'],
	]);
	expect(shipping).toMatchObject({ kind: KINDS.client, attributes: { 'protected_payment.order.id': orderId } });
	for (const span of spans.filter(({ kind }) => kind === KINDS.consumer)) {
		expect(span.links).toEqual([expect.objectContaining({ traceId, spanId: span.parentSpanId })]);
	}
	const text = Buffer.concat(collector.requests.map(({ body }) => body)).toString();
	expect(text).not.toMatch(/card_ok|postgres:|authorization|secret-of-the-buyer|idempotency/i);
	expect(collector.spans.filter(({ name }) => /health|metrics/.test(name))).toEqual([]);
}, 60_000);

it('a trace that the client began is joined, and one that it does not record is not recorded', async () => {
	await start(collector.env);
	const client = 'a'.repeat(32);
	const parent = `00-${client}-${'b'.repeat(16)}-01`;
	const joined = await tracedOrder(application.url ?? '', collector, { traceparent: parent });
	expect(joined.traceId).toBe(client);
	const [server] = collector.trace(client).filter(({ kind }) => kind === KINDS.server);
	expect(server?.parentSpanId).toBe('b'.repeat(16));
	const silent = 'c'.repeat(32);
	const url = `${application.url}/orders`;
	const res = await fetch(url, { headers: { traceparent: `00-${silent}-${'b'.repeat(16)}-00` } });
	expect([res.status, res.headers.get('x-request-id')]).toEqual([200, silent]);
	await fetch(url, { headers: { traceparent: `00-${'d'.repeat(32)}-${'b'.repeat(16)}-01` } });
	await until(() => collector.trace('d'.repeat(32)).length > 0, 'the later one has come');
	expect(collector.trace(silent)).toEqual([]);
}, 60_000);

it('in protobuf as well, and to the path that is given, with the headers', async () => {
	await start({
		OTEL_EXPORTER_OTLP_TRACES_ENDPOINT: `${collector.url}/here`,
		OTEL_EXPORTER_OTLP_HEADERS: 'api-key=of%20the%20collector',
		OTEL_BSP_SCHEDULE_DELAY: '50',
		OTEL_SERVICE_NAME: 'shop',
	});
	await fetch(`${application.url}/orders`);
	const { headers, path, body } = await until(() => collector.requests[0], 'a request');
	expect([path, headers['content-type'], headers['api-key']]).toEqual([
		...['/here', 'application/x-protobuf', 'of the collector'],
	]);
	expect(body.toString('latin1')).toContain('GET /orders');
	expect(body.toString('latin1')).toContain('shop');
});

it('none is recorded at a ratio of 0, and nothing is sent', async () => {
	const sampler = { OTEL_TRACES_SAMPLER: 'parentbased_traceidratio', OTEL_TRACES_SAMPLER_ARG: '0' };
	await start({ ...collector.env, ...sampler });
	const res = await fetch(`${application.url}/orders`);
	expect(res.headers.get('x-request-id')).toMatch(/^[0-9a-f]{32}$/);
	await application.stop();
	expect(collector.requests).toEqual([]);
});

it('what is lost is counted: spans that had to wait, and those that the collector did not take', async () => {
	const batch = { OTEL_BSP_MAX_QUEUE_SIZE: '2', OTEL_BSP_SCHEDULE_DELAY: '600000' };
	await start({ ...collector.env, ...batch, OTEL_EXPORTER_OTLP_TIMEOUT: '300' });
	collector.isSilent = true;
	const lost = (text: string, reason: string): number =>
		Number(new RegExp(`^trace_spans_dropped_total\\{reason="${reason}"\\} (\\d+)$`, 'm').exec(text)?.[1] ?? Number.NaN);
	expect([lost(await figures(), 'queue_full'), lost(await figures(), 'not_sent')]).toEqual([0, 0]);
	await until(async () => {
		await Promise.all(Array.from({ length: 20 }, () => fetch(`${application.url}/orders`)));
		const text = await figures();
		return lost(text, 'queue_full') > 0 && lost(text, 'not_sent') > 0;
	}, 'both are counted');
});

it.each(['refuses', 'says nothing'])('a collector that %s is in nobody’s way, and delays no stop', async (how) => {
	const silent = createServer(() => {}).listen(0, '127.0.0.1');
	await new Promise((resolve) => silent.once('listening', resolve));
	const { port } = silent.address() as { port: number };
	if (how === 'refuses') silent.close();
	const patience = { OTEL_EXPORTER_OTLP_TIMEOUT: '7000', OTEL_BSP_EXPORT_TIMEOUT: '7000' };
	await start({ OTEL_EXPORTER_OTLP_ENDPOINT: `http://127.0.0.1:${port}`, OTEL_BSP_SCHEDULE_DELAY: '10', ...patience });
	const answers = await Promise.all(Array.from({ length: 50 }, () => fetch(`${application.url}/orders`)));
	expect(answers.every(({ ok }) => ok)).toBe(true);
	const began = performance.now();
	await application.platform.tracing.close();
	expect(performance.now() - began).toBeLessThan(4_000); // left alone, the SDK takes all of its seven seconds
	silent.close();
});
