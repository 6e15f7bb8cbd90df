import { describe, expect, it } from '@jest/globals';
import { Metrics } from '../../../mixins/observability/metrics.ts';
import { memoryLog } from '../../support/database.ts';

/** The samples of a scrape by their names with labels. */
async function samples(metrics: Metrics): Promise<ReadonlyMap<string, number>> {
	const { body } = await metrics.expose();
	const lines = body.split('\n').filter((line) => line !== '' && !line.startsWith('#'));
	return new Map(
		lines.map((line) => [line.slice(0, line.lastIndexOf(' ')), Number(line.slice(line.lastIndexOf(' ')))]),
	);
}

const event = (type: 'OrderConfirmed' | 'OrderShipped', data: Record<string, string> = {}) =>
	({ kind: 'event', id: '', type, orderId: '', sequence: 1, occurredAt: 0, data: { version: 1, ...data } }) as const;

describe('what is counted', () => {
	it('events, and what woke the confirmed orders', async () => {
		const metrics = new Metrics();
		metrics.raised([
			event('OrderConfirmed', { wokenBy: 'OrderDue' }),
			event('OrderConfirmed', { wokenBy: 'OrderDue' }),
			event('OrderConfirmed', { wokenBy: 'sweeper' }),
			event('OrderShipped'),
			{ kind: 'wake-up', id: '', type: 'OrderDue', orderId: '', at: 0 },
		]);
		const found = await samples(metrics);
		expect(found.get('order_events_total{type="OrderConfirmed"}')).toBe(3);
		expect(found.get('order_events_total{type="OrderShipped"}')).toBe(1);
		expect(found.get('orders_confirmed_total{woken_by="carrier"}')).toBe(2);
		expect(found.get('orders_confirmed_total{woken_by="sweeper"}')).toBe(1);
	});

	it('lateness, in seconds, never below zero', async () => {
		const metrics = new Metrics();
		for (const lateness of [-5, 30, 2_000]) metrics.wakeUpHandled('OrderDue', lateness);
		const found = await samples(metrics);
		expect(found.get('wakeup_lateness_seconds_count{type="OrderDue"}')).toBe(3);
		expect(found.get('wakeup_lateness_seconds_sum{type="OrderDue"}')).toBeCloseTo(2.03);
		expect(found.get('wakeup_lateness_seconds_bucket{le="0.005",type="OrderDue"}')).toBe(1);
		expect(found.get('wakeup_lateness_seconds_bucket{le="0.05",type="OrderDue"}')).toBe(2);
	});

	it('payments by outcome, finds, refusals, answers by class', async () => {
		const metrics = new Metrics();
		metrics.paid('void', 'refused');
		metrics.paid('void', 'refused');
		metrics.paid('capture', 'succeeded');
		metrics.swept(7);
		metrics.requestRefused('overload');
		metrics.requestAnswered('GET', '/orders', 200, 3);
		metrics.requestAnswered('GET', '/orders', 404, 3);
		metrics.requestAnswered('GET', '/orders', 0, 3);
		metrics.actionCalled('orders.get', 503, 3);
		metrics.providerCalled('capture', 'succeeded', 300);
		const found = await samples(metrics);
		expect(found.get('payment_outcomes_total{operation="void",outcome="refused"}')).toBe(2);
		expect(found.get('payment_outcomes_total{operation="capture",outcome="succeeded"}')).toBe(1);
		expect(found.get('provider_call_seconds_sum{operation="capture",outcome="succeeded"}')).toBeCloseTo(0.3);
		expect(found.get('sweeper_finds_total')).toBe(7);
		expect(found.get('http_requests_refused_total{reason="overload"}')).toBe(1);
		for (const status of ['2xx', '4xx', 'none']) {
			expect(found.get(`http_request_duration_seconds_count{method="GET",route="/orders",status="${status}"}`)).toBe(1);
		}
		expect(found.get('action_duration_seconds_count{action="orders.get",status="5xx"}')).toBe(1);
	});

	it('messages that were handled, or failed, and those that their carrier says it has set aside', async () => {
		const metrics = new Metrics();
		const deliveries = [1, 1, 8, 8].map((attempt, index) => ({
			...{ id: String(index), type: 'OrderDue', key: '', body: '', deliverAt: null, attempt },
		}));
		const handle = metrics.counting('deadlines', async () => ['1', '3'].map((id) => ({ id, error: 'no' })));
		expect(await handle(deliveries)).toEqual([
			{ id: '1', error: 'no' },
			{ id: '3', error: 'no' },
		]);
		await expect(metrics.counting('deadlines', () => Promise.reject(new Error('away')))(deliveries)).rejects.toThrow();
		expect((await samples(metrics)).get('dead_letters_total{group="deadlines"}')).toBe(0);
		metrics.setAside('deadlines');
		const found = await samples(metrics);
		expect(found.get('messages_handled_total{group="deadlines"}')).toBe(2);
		expect(found.get('messages_failed_total{group="deadlines"}')).toBe(2);
		expect(found.get('dead_letters_total{group="deadlines"}')).toBe(1);
	});

	it('in each of several systems of one process by itself; the process is told of once', async () => {
		const [one, other] = [new Metrics(), new Metrics()];
		one.swept(1);
		expect((await samples(other)).get('sweeper_finds_total')).toBe(0);
		const { body } = await one.expose();
		expect(body.match(/^# TYPE process_cpu_seconds_total counter$/gm)).toHaveLength(1);
		expect(body).toMatch(/^nodejs_eventloop_lag_p99_seconds /m);
	});
});

describe('figures that are asked for at the scrape', () => {
	it('are there when they are found; when not, they are missing, one line says why, and a scrape never fails', async () => {
		const log = memoryLog();
		const metrics = new Metrics(log);
		let answer: () => Promise<{ waiting_things: number }> = async () => ({ waiting_things: 3 });
		metrics.read({ waiting_things: 'Things that wait.' }, () => answer());
		metrics.readEach('placed_things', 'Things by place.', 'place', () => ({ here: 1, there: 2 }));
		expect((await samples(metrics)).get('waiting_things')).toBe(3);
		expect((await samples(metrics)).get('placed_things{place="there"}')).toBe(2);
		for (const away of [() => Promise.reject(new Error('away')), () => new Promise<never>(() => {})]) {
			answer = away;
			const found = await samples(metrics);
			expect(found.has('waiting_things')).toBe(false);
			expect(found.get('placed_things{place="here"}')).toBe(1);
		}
		expect(log.lines).toEqual(['warn metrics without waiting_things: away']);
		answer = async () => ({ waiting_things: 5 });
		expect((await samples(metrics)).get('waiting_things')).toBe(5);
		metrics.read({ waiting_things: 'Things that wait.' }, () => ({ waiting_things: 9 }));
		expect((await samples(metrics)).get('waiting_things')).toBe(9);
	});

	it('of a figure with a label, a value that is there no longer is missing', async () => {
		const metrics = new Metrics();
		let groups: Record<string, number> = { settlement: 1 };
		metrics.readEach('paused', 'What is paused.', 'group', async () => groups);
		expect((await samples(metrics)).get('paused{group="settlement"}')).toBe(1);
		groups = { shipping: 1 };
		const found = await samples(metrics);
		expect([found.has('paused{group="settlement"}'), found.get('paused{group="shipping"}')]).toEqual([false, 1]);
	});
});
