/** The history checker on a real history, which is well, and on the same one with something planted in its tables. */
import { afterAll, beforeAll, expect, it } from '@jest/globals';
import pg, { type QueryResultRow } from 'pg';
import type { Application } from '../../../bin/application.ts';
import { startTestApplication } from '../../support/application.ts';
import { Client } from '../../support/client.ts';
import { startTestDatabase, type TestDatabase } from '../../support/database.ts';
import { collect, gather, type Tables, unfinished } from '../../support/evidence.ts';
import { type Invariant, judge, violations } from '../../support/invariants.ts';
import { INVARIANTS } from '../../support/rules/rule.ts';
import { until } from '../../support/until.ts';

let server: TestDatabase;
let application: Application;
let client: Client;
let pool: pg.Pool;
const ids: Record<'shipped' | 'cancelled', string> = { shipped: '', cancelled: '' };

const tablesOf = (queryable: pg.Pool | pg.PoolClient): Tables => ({
	sql: async <R extends QueryResultRow>(text: string, values: readonly unknown[] = []) =>
		(await queryable.query<R>(text, [...values])).rows,
});

beforeAll(async () => {
	server = await startTestDatabase();
	pool = new pg.Pool(server.connection);
	pool.on('error', () => {}); // the server may end before a connection has
	application = await startTestApplication(server, { HOLD_LIMIT: '2s' });
	client = new Client(() => application.url);
	const place = async (key: string, paymentMethod = 'card_ok'): Promise<string> => {
		const { orderId } = await client.create({ productName: key, amount: 1, paymentMethod }, key);
		return orderId ?? '';
	};
	ids.shipped = await place('shipped');
	await place('shipped');
	ids.cancelled = await place('cancelled');
	await client.command('cancel', ids.cancelled);
	await client.command('hold', await place('held'));
	for (const card of ['card_declined', 'card_capture_refused', 'card_flaky']) await place(card, card);
	await until(async () => (await unfinished(tablesOf(pool))) === 0, 'every order has ended');
}, 120_000);

afterAll(async () => {
	client?.giveUp();
	await application?.stop();
	await pool?.end();
	await server?.stop();
}, 60_000);

it('finds nothing wrong with what happened, by the tables alone and by what clients see', async () => {
	const evidence = await gather(tablesOf(pool), client.answers);
	expect(violations(evidence)).toEqual([]);
	expect(violations(await collect(tablesOf(pool), client))).toEqual([]);
	expect(evidence.orders).toHaveLength(6);
	for (const rows of [evidence.handled, evidence.armed, evidence.keys, evidence.parcels, evidence.operations])
		expect(rows.length).toBeGreaterThan(1);
	// The tables say the same as the answers do.
	const seen = (await client.list()).map(({ id, status, pendingUntil }) => [id, status, Date.parse(pendingUntil)]);
	const read = evidence.orders.map(({ id, status, pendingUntil }) => [id, status, Date.parse(pendingUntil)]);
	expect(read.sort()).toEqual(seen.sort());
});

const OPERATION = `INSERT INTO sandbox_operations (idempotency_key, order_id, operation, amount, outcome, created_at)`;

const PLANTED: readonly [invariant: Invariant, order: keyof typeof ids, what: string, sql: string][] = [
	['I1', 'shipped', 'authorised 2 times', `${OPERATION} VALUES ('x', $1, 'authorize', 100, 'succeeded', now())`],
	[
		...(['I2', 'shipped', 'before due'] as const),
		`UPDATE sandbox_operations SET created_at = created_at - interval '1 hour' WHERE operation = 'capture' AND order_id = $1`,
	],
	['I3', 'cancelled', 'the money was captured', `${OPERATION} VALUES ('x', $1, 'capture', 100, 'succeeded', now())`],
	[
		...(['I4', 'shipped', 'still Confirmed'] as const),
		`UPDATE orders SET status = 'Confirmed', shipped_at = NULL, sweep_at = now() WHERE id = $1`,
	],
	[
		...(['I5', 'shipped', 'OrderDue was armed 2 times'] as const),
		`INSERT INTO outbox_messages (message_id, type, order_id, deliver_at) VALUES (gen_random_uuid(), 'OrderDue', $1, now())`,
	],
	[
		...(['I5', 'shipped', 'a wake-up that the inbox does not know'] as const),
		`DELETE FROM inbox_messages WHERE consumer = 'deadlines' AND order_id = $1`,
	],
	[
		...(['I6', 'shipped', 'before the money was captured'] as const),
		`UPDATE sandbox_parcels SET created_at = created_at - interval '1 hour' WHERE order_id = $1`,
	],
	['I7', 'cancelled', 'key shipped made 2 orders', `UPDATE orders SET product_name = 'shipped' WHERE id = $1`],
	[
		'I8',
		'shipped',
		'2 parcels',
		`INSERT INTO sandbox_parcels (idempotency_key, order_id, parcel) VALUES ('x', $1, 'x')`,
	],
	[
		...(['I9', 'shipped', '99 was taken, and 100 was agreed'] as const),
		`UPDATE sandbox_operations SET amount = amount - 1 WHERE operation = 'capture' AND order_id = $1`,
	],
];

it.each(PLANTED)('sees %s broken by the %s order: %s', async (invariant, order, what, sql) => {
	const connection = await pool.connect();
	try {
		await connection.query('BEGIN');
		await connection.query(sql, [ids[order]]);
		const found = judge(await gather(tablesOf(connection), client.answers));
		const [planted] = found.filter((one) => one.invariant === invariant);
		expect(planted?.what.join('\n')).toContain(what);
		expect(planted?.story).toContain(ids[order]);
	} finally {
		await connection.query('ROLLBACK');
		connection.release();
	}
});

it('has seen each of them broken', () => {
	expect([...new Set(PLANTED.map(([invariant]) => invariant))].sort()).toEqual([...INVARIANTS]);
});
