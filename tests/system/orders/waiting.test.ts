/** Conditional requests, waiting for a change, and the clock that clients count down by. */
import { once } from 'node:events';
import { connect } from 'node:net';
import { setTimeout as sleep } from 'node:timers/promises';
import { afterAll, beforeAll, beforeEach, describe, expect, it, jest } from '@jest/globals';
import type { ServiceBroker } from 'moleculer';
import type { Application } from '../../../bin/application.ts';
import { CALL_POLICIES } from '../../../mixins/cluster/call-policies.ts';
import { UnixSocketLeaf } from '../../../mixins/cluster/unix-socket-transporter.ts';
import { SchemaValidator } from '../../../mixins/validation/schema-validator.ts';
import type { WithServer } from '../../../services/gateway/serving.ts';
import gateway from '../../../services/gateway.service.ts';
import { OrderWatch } from '../../../services/orders/order-watch.ts';
import orders from '../../../services/orders.service.ts';
import { META, startTestApplication } from '../../support/application.ts';
import { startTestDatabase, type TestDatabase } from '../../support/database.ts';
import { testBroker, testPlatform } from '../../support/platform.ts';
import { eventually, until } from '../../support/until.ts';

/** The statement by which the watch looks. */
const LOOKS = `SELECT coalesce(sum(calls), 0)::int AS calls FROM pg_stat_statements WHERE query LIKE '%AS k (id, version)%'`;
const ALL = 'SELECT sum(calls)::int AS calls FROM pg_stat_statements';
const HOUR = { CANCELLATION_WINDOW: '1h' };

const started = jest.spyOn(OrderWatch.prototype, 'start');
/** How many wait, in all the applications here. */
const waiters = (): number =>
	started.mock.contexts.reduce<number>((sum, watch) => sum + (watch instanceof OrderWatch ? watch.size : 0), 0);

let database: TestDatabase;
let application: Application;

beforeAll(async () => {
	database = await startTestDatabase({ settings: { shared_preload_libraries: 'pg_stat_statements' } });
	await database.query('CREATE EXTENSION pg_stat_statements');
	application = await startTestApplication(database, HOUR);
});
afterAll(async () => {
	await application.stop();
	await database.stop();
});
beforeEach(() => database.query('SELECT pg_stat_statements_reset()'));

const counted = async (sql: string): Promise<number> => (await database.query<{ calls: number }>(sql))[0]?.calls ?? 0;

/** An order whose payment is authorised: nothing more happens to it for an hour. */
async function restingOrder(): Promise<string> {
	const { id } = await application.broker.call<{ id: string }, object>(
		'orders.create',
		{ productName: 'Tea', amount: '19.90' },
		{ meta: META },
	);
	await until(async () => {
		const rows = await database.query<{ status: string }>('SELECT status FROM payments WHERE order_id = $1', [id]);
		return rows[0]?.status === 'Authorized';
	}, 'the payment is authorised');
	return id;
}

function get(id: string, headers: Record<string, string> = {}, url = application.url): Promise<Response> {
	return fetch(`${url}/orders/${id}`, { headers });
}

const command = (id: string, name: string): Promise<Response> =>
	fetch(`${application.url}/orders/${id}/${name}`, { method: 'POST' });

describe('an entity tag', () => {
	it('is another one whenever the bytes are others, and the same for both ways of reading', async () => {
		const id = await restingOrder();
		const seen = new Map<string, string>();
		for (const step of ['', 'hold', 'resume', 'hold', 'cancel']) {
			if (step !== '') await command(id, step);
			const [plain, head, waited] = await Promise.all([
				get(id),
				fetch(`${application.url}/orders/${id}`, { method: 'HEAD' }),
				get(id, { prefer: 'wait=0' }),
			]);
			const etag = plain.headers.get('etag') ?? '';
			const body = await plain.text();
			if (step !== 'cancel') {
				// After a cancel the order goes on by itself.
				expect([head.headers.get('etag'), waited.headers.get('etag')]).toEqual([etag, etag]);
				expect(await waited.text()).toBe(body);
			}
			expect(etag).toMatch(/^"[\w-]{22}"$/);
			expect(seen.get(etag) ?? body).toBe(body);
			seen.set(etag, body);
		}
		expect(seen.size).toBe(5);
	});

	it.each<[string, (etag: string) => string, number]>([
		['the same', (etag) => etag, 304],
		['weakly the same', (etag) => `W/${etag}`, 304],
		['one of many', (etag) => `"a", W/"b,c" ,, ${etag}`, 304],
		['any', () => '*', 304],
		['another', () => '"other"', 200],
		['its text without quotes', (etag) => etag.slice(1, -1), 400],
		['two without a comma', (etag) => `${etag} ${etag}`, 400],
		['an open quote', (etag) => `${etag}, "`, 400],
	])('%s in If-None-Match', async (_name, header, status) => {
		const id = await restingOrder();
		const first = await get(id);
		const etag = first.headers.get('etag') ?? '';
		const second = await get(id, { 'if-none-match': header(etag) });
		expect(second.status).toBe(status);
		if (status === 400) return;
		expect(second.headers.get('etag')).toBe(etag);
		expect(second.headers.get('cache-control')).toBe('private, no-cache');
		expect(await second.text()).toBe(status === 304 ? '' : await first.text());
		expect(second.headers.get('content-type')).toBe(status === 304 ? null : 'application/json');
	});
});

describe('waiting', () => {
	it('is answered at once by a change that the same process made', async () => {
		const id = await restingOrder();
		const waiting = get(id, { prefer: 'wait=30' });
		await until(async () => (await counted(LOOKS)) > 1, 'somebody waits');
		const begin = performance.now();
		const { pendingUntil, status } = (await (await command(id, 'hold')).json()) as Record<string, string>;
		const answer = await waiting;
		console.log(`a change made here was answered ${Math.round(performance.now() - begin)} ms after it was asked for`);
		expect([answer.status, answer.headers.get('preference-applied')]).toEqual([200, 'wait=30']);
		expect(await answer.json()).toMatchObject({ id, pendingUntil, status });
	});

	it('is answered by a change that another process made', async () => {
		const id = await restingOrder();
		const etag = (await get(id)).headers.get('etag') ?? '';
		const waiting = get(id, { prefer: 'respond-async, wait="30"; x', 'if-none-match': `"old", ${etag}` });
		await until(async () => (await counted(LOOKS)) > 1, 'somebody waits');
		const elsewhere = await startTestApplication(database, HOUR);
		try {
			await elsewhere.broker.call('orders.hold', { id }, { meta: META });
			const answer = await waiting;
			expect(answer.status).toBe(200);
			expect(await answer.json()).toMatchObject({ id, status: 'OnHold' });
			expect(answer.headers.get('etag')).not.toBe(etag);
		} finally {
			await elsewhere.stop();
		}
	});

	it('does not take a row that was written again without a change for one', async () => {
		const id = await restingOrder();
		const waiting = get(id, { prefer: 'wait=2' });
		let answered = false;
		void waiting.then(() => {
			answered = true;
		});
		await until(async () => (await counted(LOOKS)) > 1, 'somebody waits');
		await database.query('UPDATE orders SET sweeps = sweeps + 1 WHERE id = $1', [id]);
		const before = await counted(LOOKS);
		await until(async () => answered || (await counted(LOOKS)) > before + 2, 'it was looked at again');
		expect(answered).toBe(false);
		expect((await waiting).status).toBe(200);
	});

	it('is over at once for an order that is another already, that is unknown, or without a wait', async () => {
		const id = await restingOrder();
		const begin = performance.now();
		expect((await get(id, { prefer: 'wait=30', 'if-none-match': '"old"' })).status).toBe(200);
		expect((await get('0198c0de-0000-7000-8000-000000000001', { prefer: 'wait=30' })).status).toBe(404);
		const none = await get(id, { prefer: 'wait=0', 'if-none-match': '*' });
		expect([none.status, none.headers.get('preference-applied')]).toEqual([304, 'wait=0']);
		expect((await get(id, { prefer: 'handling=lenient' })).headers.get('preference-applied')).toBeNull();
		expect(performance.now() - begin).toBeLessThan(20_000);
	});

	it.each(['wait', 'wait=', 'wait=soon', 'wait=-1', 'wait=1.5', 'wait="1', 'a="x,wait=1", wait=x'])(
		'refuses Prefer: %s',
		async (prefer) => {
			expect((await get(await restingOrder(), { prefer })).status).toBe(400);
		},
	);

	it('lasts as long as was asked for, past the limit of other calls, and says 304 only to If-None-Match', async () => {
		const id = await restingOrder();
		const etag = (await get(id)).headers.get('etag') ?? '';
		const begin = performance.now();
		const [known, plain, most] = await Promise.all([
			get(id, { prefer: 'wait=11', 'if-none-match': etag }),
			get(id, { prefer: 'WAIT = 11, wait=1' }),
			get(id, { prefer: 'wait=9999' }).then((answer) => [answer, performance.now() - begin] as const),
		]);
		expect([known.status, plain.status, most[0].status]).toEqual([304, 200, 200]);
		expect(most[0].headers.get('preference-applied')).toBe('wait=30');
		expect(known.headers.get('preference-applied')).toBe('wait=11');
		expect(await plain.text()).toBe(await most[0].text());
		expect(most[1]).toBeGreaterThan(29_900);
	}, 90_000);

	it('is for those who may see the order', async () => {
		const id = await restingOrder();
		const stranger = { caller: { subject: 'stranger', scopes: [] } };
		const waiting = application.broker.call('orders.get', { id, wait: 30 }, { meta: stranger, timeout: 40_000 });
		await expect(waiting).rejects.toMatchObject({ code: 404, type: 'Orders.NotFound' });
		await expect(application.broker.call('orders.get', { id, wait: 30 })).rejects.toMatchObject({ code: 401 });
		await expect(application.broker.call('orders.get', { id, wait: 31 }, { meta: META })).rejects.toMatchObject({
			code: 422,
		});
	});
});

describe('the end of a wait', () => {
	const nobodyWaits = (): Promise<unknown> => until(() => waiters() === 0, 'nobody waits');

	/** A gateway in another process's place: its calls and events cross a transporter. */
	async function remoteGateway(): Promise<{ broker: ServiceBroker; url: string }> {
		const leaf = new UnixSocketLeaf(application.platform.settings.dataDir, () => {});
		const broker = testBroker(testPlatform({}), { nodeID: `remote-${process.pid}`, transporter: leaf });
		const service = broker.createService(gateway) as unknown as WithServer;
		await leaf.open();
		await broker.start();
		await service.listen();
		await broker.waitForServices('orders');
		return { broker, url: `http://127.0.0.1:${service.address().port}` };
	}

	it('comes when the client goes away, here and behind a transporter', async () => {
		const id = await restingOrder();
		const remote = await remoteGateway();
		try {
			for (const url of [application.url, remote.url]) {
				const { hostname, port } = new URL(url ?? '');
				const sockets = await Promise.all(
					Array.from({ length: 20 }, async () => {
						const socket = connect(Number(port), hostname);
						await once(socket, 'connect');
						socket.write(`GET /orders/${id} HTTP/1.1\r\nHost: localhost\r\nPrefer: wait=30\r\n\r\n`);
						return socket;
					}),
				);
				const before = await counted(LOOKS);
				await until(async () => waiters() === 20 && (await counted(LOOKS)) > before + 3, 'they wait');
				for (const socket of sockets) socket.destroy();
				const begin = performance.now();
				await nobodyWaits();
				expect(performance.now() - begin).toBeLessThan(20_000);
			}
		} finally {
			await remote.broker.stop();
		}
	}, 90_000);

	it('comes when the gateway stops, with an answer, also where the orders are elsewhere', async () => {
		const id = await restingOrder();
		const remote = await remoteGateway();
		const waiting = Promise.all([
			get(id, { prefer: 'wait=30' }, remote.url),
			get(id, { prefer: 'wait=30', 'if-none-match': '*' }, remote.url),
		]);
		await until(async () => waiters() === 2 && (await counted(LOOKS)) > 2, 'they wait');
		const begin = performance.now();
		await remote.broker.stop();
		expect((await waiting).map(({ status }) => status)).toEqual([200, 304]);
		expect(performance.now() - begin).toBeLessThan(20_000);
		await nobodyWaits();
	});

	it('comes when the orders stop, with an answer', async () => {
		const id = await restingOrder();
		const other = await startTestApplication(database, HOUR);
		const waiting = get(id, { prefer: 'wait=30' }, other.url);
		const called = other.broker.call('orders.get', { id, wait: 30 }, { meta: META, timeout: 40_000 });
		await until(async () => (await counted(LOOKS)) > 2, 'they wait');
		const begin = performance.now();
		await other.stop();
		expect((await waiting).status).toBe(200);
		expect(await called).toMatchObject({ id });
		expect(performance.now() - begin).toBeLessThan(20_000);
	});

	it('comes without an answer to give while the database is away', async () => {
		const id = await restingOrder();
		const waiting = get(id, { prefer: 'wait=3' });
		await until(async () => (await counted(LOOKS)) > 1, 'somebody waits');
		await database.takeDown();
		const answer = await waiting;
		expect([answer.status, answer.headers.get('retry-after')]).toEqual([503, '1']);
		await database.bringUp();
		await eventually(async () => expect((await get(id)).status).toBe(200));
	});
});

describe('ten thousand that wait', () => {
	const MANY = 10_000;
	const WAIT = { meta: META, timeout: 60_000 };

	it('are not taken for work: many more wait than may be at work at once, and others are answered meanwhile', async () => {
		const options = { validator: new SchemaValidator(), ...CALL_POLICIES };
		const broker = testBroker(application.platform, options);
		broker.createService(orders);
		await broker.start();
		const id = await restingOrder();
		const many = CALL_POLICIES.bulkhead.concurrency + CALL_POLICIES.bulkhead.maxQueueSize + 500;
		const waiting = Array.from({ length: many }, () => broker.call('orders.get', { id, wait: 30 }, WAIT));
		await until(async () => (await counted(LOOKS)) > 5, 'they wait');
		expect(await broker.call('orders.get', { id }, { meta: META })).toMatchObject({ id });
		await broker.call('orders.hold', { id }, { meta: META });
		const answers = (await Promise.all(waiting)) as { status: string }[];
		expect(new Set(answers.map(({ status }) => status))).toEqual(new Set(['OnHold']));
		await broker.stop();
	}, 120_000);

	it('ask the database together, and each is answered when its own order changes', async () => {
		const { broker } = application;
		const chosen = await Promise.all(Array.from({ length: 50 }, restingOrder));
		// Most of them are over, so that nothing but the waiting is measured.
		const rest = await database.query<{ id: string }>(
			`INSERT INTO orders (id, owner, product_name, amount, currency, payment_method, cancellation_window, status,
				created_at, pending_until, sequence)
			SELECT gen_random_uuid(), 'tester', 'Tea', 100, 'USD', 'card_ok', 60000, 'Shipped', now(), now(), 1
			FROM generate_series(1, $1) RETURNING id`,
			[MANY - chosen.length],
		);
		const ids = [...chosen, ...rest.map(({ id }) => id)];
		await database.query('SELECT pg_stat_statements_reset()');
		const answered: string[] = [];
		const waiting = ids.map(async (id) => {
			await broker.call('orders.get', { id, wait: 30 }, WAIT);
			answered.push(id);
		});
		await until(async () => (await counted(LOOKS)) > 25, 'all of them are looked at');
		const [begin, looks, all] = [performance.now(), await counted(LOOKS), await counted(ALL)];
		await sleep(4_000);
		const seconds = (performance.now() - begin) / 1_000;
		const perSecond = (count: number): number => Math.round(count / seconds);
		const [looked, asked] = [perSecond((await counted(LOOKS)) - looks), perSecond((await counted(ALL)) - all)];
		console.log(`${MANY} waiting: ${looked} looks and ${asked} statements of all kinds a second`);
		expect(answered).toEqual([]);
		expect(looked).toBeLessThan(20);
		expect(asked).toBeLessThan(200);

		await Promise.all(chosen.map((id) => broker.call('orders.hold', { id }, { meta: META })));
		await until(() => answered.length === chosen.length, 'those whose order changed are answered');
		expect(new Set(answered)).toEqual(new Set(chosen));
		await Promise.all(waiting);
		expect(answered).toHaveLength(MANY);
	}, 300_000);
});
