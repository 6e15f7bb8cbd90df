/** `GET /orders/stream` for many at once: load, reconnects, what it costs, clients that do not read, tokens, a stop. */
import { once } from 'node:events';
import { connect, type Socket } from 'node:net';
import { setTimeout as pause } from 'node:timers/promises';
import { afterAll, beforeAll, describe, expect, it } from '@jest/globals';
import type { Application } from '../../../bin/application.ts';
import { startTestApplication } from '../../support/application.ts';
import { Client } from '../../support/client.ts';
import { startTestDatabase, type TestDatabase } from '../../support/database.ts';
import { SECRET, seconds, secretToken } from '../../support/issuer.ts';
import { Load } from '../../support/load.ts';
import { between, seeded } from '../../support/random.ts';
import { Follower, OpenStream } from '../../support/stream-client.ts';
import { until } from '../../support/until.ts';

const MANY = 1_000;
const MOST = 2_000;

let database: TestDatabase;
beforeAll(async () => {
	database = await startTestDatabase({ settings: { shared_preload_libraries: 'pg_stat_statements' } });
	await database.query('CREATE EXTENSION pg_stat_statements');
});
afterAll(() => database.stop());

const count = async (text: string, values: readonly unknown[] = []): Promise<number> => {
	const [row] = await database.query<{ n: number }>(text, values);
	return row?.n ?? 0;
};
const entries = (): Promise<number> => count('SELECT count(*)::int AS n FROM order_events');
const looks = (): Promise<number> =>
	count(
		`SELECT coalesce(sum(calls), 0)::int AS n FROM pg_stat_statements WHERE query LIKE '%pg_current_snapshot()::text%'`,
	);
const historyLengths = async (): Promise<Map<string, number>> => {
	const rows = await database.query<{ id: string; n: number }>(
		'SELECT order_id AS id, count(*)::int AS n FROM order_events GROUP BY order_id',
	);
	return new Map(rows.map(({ id, n }) => [id, n]));
};
const idsTold = ({ events }: OpenStream): string[] =>
	events.filter(({ event }) => event === 'order').map(({ id }) => id);
const sorted = (told: ReadonlyMap<string, number>): [string, number][] =>
	[...told].sort(([a], [b]) => (a < b ? -1 : 1));
const metric = async (url: string | undefined, name: string): Promise<number> => {
	const text = await (await fetch(`${url}/metrics`)).text();
	return Number(new RegExp(`^${name} (\\S+)$`, 'm').exec(text)?.[1]);
};

describe('without tokens', () => {
	let application: Application;
	let client: Client;
	beforeAll(async () => {
		application = await startTestApplication(database, { CANCELLATION_WINDOW: '1s', HOLD_LIMIT: '3s' });
		client = new Client(() => application.url);
	});
	afterAll(async () => {
		client.giveUp();
		await application.stop();
	});

	const orderToChange = async (): Promise<string> => {
		const response = await fetch(`${application.url}/orders`, {
			method: 'POST',
			headers: { 'content-type': 'application/json' },
			body: JSON.stringify({ productName: 'tea', amount: 1 }),
		});
		const { id } = (await response.json()) as { id: string };
		await until(async () => (await statusOf(id)) === 'Shipped'); // nothing is added to its history any more
		return id;
	};
	/** As many as the largest transaction of the system has. */
	const addEntries = (id: string, sequence: number): Promise<unknown> =>
		database.query(
			`INSERT INTO order_events (order_id, sequence, id, type, occurred_at, data)
				SELECT $1, n, gen_random_uuid(), 'OrderHeld', now(), '{}' FROM generate_series($2::int, $2::int + 499) AS n`,
			[id, sequence],
		);
	const statusOf = async (id: string): Promise<string> =>
		((await (await fetch(`${application.url}/orders/${id}`)).json()) as { status: string }).status;

	it('nobody misses or hears twice a thing under load, however often they come back', async () => {
		const random = seeded(11);
		const followers = Array.from({ length: 12 }, () => new Follower(() => application.url));
		await until(() => followers.every(({ lastId }) => lastId !== undefined));
		const load = new Load(client, { random: seeded(5), perSecond: 30 });
		await until(async () => {
			await pause(between(random, 0, 60));
			followers[between(random, 0, followers.length)]?.interrupt();
			return load.count >= 150;
		});
		await load.stop();
		await until(async () =>
			(await client.list()).every(({ status }) => /Shipped|Cancelled|PaymentFailed/.test(status)),
		);
		const lengths = sorted(await historyLengths());
		for (const follower of followers) {
			await until(
				() =>
					[...follower.told.values()].reduce((sum, told) => sum + told, 0) >=
					lengths.reduce((sum, [, n]) => sum + n, 0),
			);
			expect(sorted(follower.told)).toEqual(lengths);
			expect(follower.refusals).toEqual([]);
			await follower.stop();
		}
		expect(followers.reduce((sum, { connections }) => sum + connections, 0)).toBeGreaterThan(followers.length * 2);
	}, 120_000);

	it('a thousand streams cost no more queries than one, and the 2,001st is refused', async () => {
		const streams: OpenStream[] = [];
		const open = async (): Promise<void> => void streams.push(await OpenStream.open(application.url ?? ''));
		for (let opened = 0; opened < MANY; opened += 100) await Promise.all(Array.from({ length: 100 }, open));
		const [before, looksBefore, begin] = [await entries(), await looks(), performance.now()];
		await client.create({ productName: 'tea', amount: 1 }, 'many');
		await until(async () =>
			(await client.list()).every(({ status }) => /Shipped|Cancelled|PaymentFailed/.test(status)),
		);
		const raised = (await entries()) - before;
		await until(() => streams.every(({ orders }) => orders.length === raised));
		const [made, took] = [(await looks()) - looksBefore, performance.now() - begin];
		// Four a second, and one for each thing that this process stores: far from a thousand.
		expect(made).toBeLessThan(took / 250 + 40);
		expect(await metric(application.url, 'http_streams_open')).toBe(MANY);
		for (let opened = MANY; opened < MOST; opened += 100) await Promise.all(Array.from({ length: 100 }, open));
		const refused = await fetch(`${application.url}/orders/stream`);
		expect([refused.status, refused.headers.get('retry-after')]).toEqual([503, '5']);
		expect(await refused.json()).toMatchObject({ code: 'Service.Overloaded' });
		for (const stream of streams) stream.close();
		await until(async () => (await metric(application.url, 'http_streams_open')) === 0);
	}, 120_000);

	it('a client that does not read is dropped, and goes on by its last id', async () => {
		const { hostname, port } = new URL(application.url ?? '');
		const reading = await OpenStream.open(application.url ?? '');
		const socket: Socket = connect({ host: hostname, port: Number(port) });
		socket.on('error', () => {});
		await once(socket, 'connect');
		socket.write(`GET /orders/stream HTTP/1.1\r\nHost: ${hostname}:${port}\r\n\r\n`);
		await until(() => socket.bytesRead > 0);
		socket.pause();
		const id = await orderToChange();
		let sequence = 1_000;
		await until(async () => {
			await addEntries(id, sequence);
			sequence += 500;
			return (await metric(application.url, 'http_streams_dropped_total')) === 1;
		});
		const told = await count('SELECT count(*)::int AS n FROM order_events WHERE order_id = $1', [id]);
		await until(() => idsTold(reading).length === told);
		const again = await OpenStream.open(application.url ?? '', { 'last-event-id': reading.events[0]?.id ?? '' });
		await until(() => idsTold(again).length === told);
		expect(new Set(idsTold(again)).size).toBe(told);
		for (const stream of [reading, again]) stream.close();
		socket.destroy();
	}, 120_000);

	it('an id is too old after a hundred thousand entries', async () => {
		const stream = await OpenStream.open(application.url ?? '');
		await until(() => stream.events.length > 0);
		const old = stream.lastId;
		stream.close();
		const ask = (): Promise<Response> =>
			fetch(`${application.url}/orders/stream`, { headers: { 'last-event-id': old } });
		const id = await orderToChange();
		for (let sequence = 1_000; sequence <= 101_000; sequence += 500) await addEntries(id, sequence);
		const refused = await ask();
		expect([refused.status, await refused.json()]).toMatchObject([410, { code: 'Stream.TooOld' }]);
	}, 120_000);

	it('HEAD opens none, and a client of HTTP/1.0 is told without chunks', async () => {
		const head = await fetch(`${application.url}/orders/stream`, { method: 'HEAD' });
		expect([head.status, head.headers.get('content-type'), await head.text()]).toEqual([200, 'text/event-stream', '']);
		expect((await fetch(`${application.url}/orders/stream?a=b`)).status).toBe(422);
		const { hostname, port } = new URL(application.url ?? '');
		const socket = connect({ host: hostname, port: Number(port) });
		let text = '';
		socket.on('data', (data) => {
			text += data;
		});
		socket.write(`GET /orders/stream HTTP/1.0\r\nHost: ${hostname}:${port}\r\n\r\n`);
		await until(() => /\r\n\r\nid: \S+\nevent: now\ndata: \{"now":"[^"]+"\}\n\n/.test(text));
		expect(text).not.toMatch(/transfer-encoding/i);
		socket.destroy();
	});

	it('a stop ends all streams at once', async () => {
		const other = await startTestApplication(database);
		const streams = await Promise.all(Array.from({ length: 20 }, () => OpenStream.open(other.url ?? '')));
		const begin = performance.now();
		const stopped = other.stop();
		expect(await Promise.all(streams.map(({ ended }) => ended))).toEqual(streams.map(() => true));
		await stopped;
		expect(performance.now() - begin).toBeLessThan(7_000);
	}, 60_000);
});

describe('with tokens', () => {
	let application: Application;
	beforeAll(async () => {
		application = await startTestApplication(database, { AUTH: 'jwt', AUTH_JWT_SECRET: SECRET });
	});
	afterAll(() => application.stop());

	const bearer = async (claims: Readonly<Record<string, unknown>>): Promise<{ authorization: string }> => ({
		authorization: `Bearer ${await secretToken(claims)}`,
	});
	const listen = async (claims: Readonly<Record<string, unknown>>): Promise<OpenStream> =>
		OpenStream.open(application.url ?? '', await bearer(claims));

	it('each owner hears of their own orders alone, an admin of all, and what the buyer has to do only the buyer', async () => {
		const [alice, bob, admin] = await Promise.all([
			listen({ sub: 'alice' }),
			listen({ sub: 'bob' }),
			listen({ sub: 'root', scope: 'orders:admin' }),
		]);
		const response = await fetch(`${application.url}/orders`, {
			method: 'POST',
			headers: { ...(await bearer({ sub: 'alice' })), 'content-type': 'application/json' },
			body: JSON.stringify({
				productName: 'tea',
				amount: 1,
				cancellationWindow: '1h',
				paymentMethod: 'card_authentication',
			}),
		});
		expect(response.status).toBe(201);
		const asks = ({ orders }: OpenStream) => orders.filter(({ paymentStatus }) => paymentStatus === 'ActionRequired');
		await until(() => asks(alice).length > 0 && asks(admin).length > 0);
		expect(asks(alice).at(-1)).toMatchObject({ paymentAction: { url: expect.stringMatching(`^${application.url}/`) } });
		expect(asks(admin).at(-1)).toMatchObject({ paymentAction: null });
		expect(bob.orders).toEqual([]);
		for (const stream of [alice, bob, admin]) stream.close();
	}, 60_000);

	it('a stream ends with its token', async () => {
		const stream = await listen({ sub: 'alice', exp: seconds(-25) }); // the tolerance is 30 s
		expect(stream.response.status).toBe(200);
		expect(await stream.ended).toBe(true);
		expect((await listen({ sub: 'alice', exp: seconds(-60) })).response.status).toBe(401);
	}, 60_000);

	it('one customer has at most twenty', async () => {
		const streams = await Promise.all(Array.from({ length: 20 }, () => listen({ sub: 'carol' })));
		expect(streams.map(({ response }) => response.status)).toEqual(streams.map(() => 200));
		expect((await listen({ sub: 'carol' })).response.status).toBe(503);
		const dave = await listen({ sub: 'dave' });
		expect(dave.response.status).toBe(200);
		streams[0]?.close();
		await until(async () => (await listen({ sub: 'carol' })).response.status === 200);
		for (const stream of [...streams, dave]) stream.close();
	}, 60_000);
});
