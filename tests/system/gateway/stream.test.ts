/** `GET /orders/stream` on the real system: who is told what, in the order of commits, and once. */
import { randomUUID } from 'node:crypto';
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, it } from '@jest/globals';
import pg from 'pg';
import type { Application } from '../../../bin/application.ts';
import { startTestApplication } from '../../support/application.ts';
import type { OrderView } from '../../support/client.ts';
import { startTestDatabase, type TestDatabase } from '../../support/database.ts';
import { OpenStream } from '../../support/stream-client.ts';
import { until } from '../../support/until.ts';

let database: TestDatabase;
let application: Application;
let streams: OpenStream[];
beforeAll(async () => {
	database = await startTestDatabase();
	application = await startTestApplication(database, { CANCELLATION_WINDOW: '1h' });
});
afterAll(async () => {
	await application.stop();
	await database.stop();
});
beforeEach(() => {
	streams = [];
});
afterEach(() => {
	for (const stream of streams) stream.close();
});

async function listen(headers: Readonly<Record<string, string>> = {}, url = application.url): Promise<OpenStream> {
	const stream = await OpenStream.open(url ?? '', headers);
	streams.push(stream);
	return stream;
}

async function order(): Promise<OrderView> {
	const response = await fetch(`${application.url}/orders`, {
		method: 'POST',
		headers: { 'content-type': 'application/json' },
		body: JSON.stringify({ productName: 'tea', amount: 1.5 }),
	});
	expect(response.status).toBe(201);
	return (await response.json()) as OrderView;
}

const entriesOf = async (id: string): Promise<number> => {
	const [row] = await database.query('SELECT count(*)::int AS n FROM order_events WHERE order_id = $1', [id]);
	return (row as { n: number }).n;
};
const toldOf = ({ orders }: OpenStream, id: string): number => orders.filter((one) => one.id === id).length;

it('tells each entry of an order’s history once, with the order as of then or later', async () => {
	const stream = await listen();
	expect(stream.response.status).toBe(200);
	expect(Object.fromEntries(stream.response.headers)).toMatchObject({
		'content-type': 'text/event-stream',
		'cache-control': 'no-store, no-transform',
		'x-accel-buffering': 'no',
	});
	const { id } = await order();
	await until(() => stream.orders.some((one) => one.id === id && one.paymentStatus === 'Authorized'));
	const cancelled = await fetch(`${application.url}/orders/${id}/cancel`, { method: 'POST' });
	expect(cancelled.status).toBe(202);
	await until(() => stream.orders.some((one) => one.id === id && one.status === 'Cancelled'));
	expect(toldOf(stream, id)).toBe(await entriesOf(id));
	const shown = (await (await fetch(`${application.url}/orders/${id}`)).json()) as OrderView;
	expect(stream.orders.at(-1)).toEqual(shown);
	expect(stream.events[0]?.event).toBe('now');
	expect(new Set(stream.events.map((event) => event.id)).size).toBe(stream.events.length);
});

describe('goes on after an event', () => {
	it('with what came after it, and nothing else, whichever event it is', async () => {
		const stream = await listen();
		const made = [await order(), await order(), await order()];
		await until(() => made.every(({ id }) => toldOf(stream, id) === 2));
		stream.close();
		const { events } = stream;
		const names = (from: OpenStream): string[] => from.orders.map(({ id }) => id);
		for (const [index, { id }] of events.entries()) {
			const again = await listen({ 'last-event-id': id });
			const rest = events.slice(index + 1).map(({ data }) => (JSON.parse(data) as OrderView).id);
			await until(() => again.orders.length >= rest.length);
			expect(names(again)).toEqual(rest);
		}
	});
});

describe('the order of commits', () => {
	it('is what counts: an entry of an earlier transaction that commits later is told, also to who comes back', async () => {
		const slow = new pg.Client(database.connection);
		await slow.connect();
		await slow.query('BEGIN');
		const [first] = (await slow.query('SELECT id FROM orders LIMIT 1')).rows as { id: string }[];
		const id = first?.id ?? '';
		await slow.query(
			`INSERT INTO order_events (order_id, sequence, id, type, occurred_at, data)
				VALUES ($1, 1001, $2, 'OrderHeld', now() - interval '1 hour', '{}')`,
			[id, randomUUID()],
		);
		const stream = await listen();
		const other = await order();
		await until(() => toldOf(stream, other.id) === 2);
		const back = await listen({ 'last-event-id': stream.lastId });
		await slow.query('COMMIT');
		await slow.end();
		await until(() => toldOf(stream, id) === 1 && toldOf(back, id) === 1);
		expect(back.orders).toHaveLength(1);
		const later = await listen({ 'last-event-id': stream.lastId });
		const last = await order();
		await until(() => toldOf(later, last.id) === 2);
		expect(toldOf(later, id)).toBe(0);
	});
});

describe('refuses', () => {
	const ask = async (id: string): Promise<unknown> => {
		const response = await fetch(`${application.url}/orders/stream`, { headers: { 'last-event-id': id } });
		const { code } = (await response.json()) as { code: string };
		return [response.status, code];
	};

	it('an id that is none with 400', async () => {
		const { lastId } = await listen();
		await until(() => streams[0]?.events.length === 1);
		const id = streams[0]?.lastId ?? '';
		expect(lastId).toBe('');
		for (const bad of [
			'nonsense',
			'1',
			`${id}0`,
			id.slice(1),
			id.slice(0, -1),
			id.replace(/\.\w/, '.z'),
			`${id}, ${id}`,
		]) {
			expect([bad, await ask(bad)]).toEqual([bad, [400, 'Request.Malformed']]);
		}
	});
});
