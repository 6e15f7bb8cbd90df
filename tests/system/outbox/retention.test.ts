import { afterAll, beforeAll, beforeEach, expect, it, jest } from '@jest/globals';
import { DAY, HOUR } from '../../../domain/time.ts';
import { purge } from '../../../mixins/outbox/retention.ts';
import { newId } from '../../../mixins/runtime/uuid.ts';
import { startTestDatabase, type TestDatabase } from '../../support/database.ts';
import { PATIENCE } from '../../support/until.ts';

jest.setTimeout(3 * PATIENCE);

const RETENTION = 7 * DAY;
const OLD = RETENTION + HOUR;
const YOUNG = RETENTION - HOUR;

let server: TestDatabase;

beforeAll(async () => {
	server = await startTestDatabase();
});
afterAll(() => server?.stop());
beforeEach(() => server.reset());

const ago = (milliseconds: number): string => `(statement_timestamp() - ${milliseconds} * interval '1 millisecond')`;

/** Outbox rows, in the order of their positions; `sent` is how long ago, null for never. */
async function insertOutbox(count: number, sent: number | null, available = OLD): Promise<string[]> {
	const rows = await server.query<{ message_id: string }>(
		`INSERT INTO outbox_messages (message_id, type, order_id, sequence, available_at, sent_at)
		SELECT gen_random_uuid(), 'OrderPending', gen_random_uuid(), 1, ${ago(available)}, ${sent === null ? 'NULL' : ago(sent)}
		FROM generate_series(1, ${count}) RETURNING message_id`,
	);
	return rows.map(({ message_id }) => message_id);
}

/** An order that ended so long ago, or has not ended, with an event, a payment and an inbox row for two consumers. */
async function insertOrder(
	status: 'Shipped' | 'Cancelled' | 'PaymentFailed' | 'Confirmed',
	ended: number,
	handled: number,
) {
	const id = newId(Date.now());
	const moment = {
		Shipped: 'shipped_at',
		Cancelled: 'cancelled_at',
		PaymentFailed: 'failed_at',
		Confirmed: 'confirmed_at',
	};
	await server.query(
		`INSERT INTO orders (id, owner, product_name, amount, currency, payment_method, cancellation_window, status, created_at,
			pending_until, ${moment[status]}, sequence, sweep_at)
		VALUES ($1, 'me', 'thing', 100, 'EUR', 'card_ok', 1000, $2, ${ago(OLD * 2)}, ${ago(OLD * 2)}, ${ago(ended)}, 1,
			${status === 'Confirmed' ? 'statement_timestamp()' : 'NULL'})`,
		[id, status],
	);
	await server.query(
		`INSERT INTO order_events (order_id, sequence, id, type, occurred_at, data)
		VALUES ($1, 1, gen_random_uuid(), 'OrderPending', ${ago(OLD * 2)}, '{"version":1}')`,
		[id],
	);
	await server.query(`INSERT INTO payments (order_id, status) VALUES ($1, 'Captured')`, [id]);
	await server.query(
		`INSERT INTO inbox_messages (consumer, message_id, order_id, handled_at)
		SELECT consumer, gen_random_uuid(), $1, ${ago(handled)} FROM unnest('{one,two}'::text[]) AS c (consumer)`,
		[id],
	);
	return id;
}

const column = async (table: string, name: string): Promise<string[]> =>
	(await server.query<{ value: string }>(`SELECT DISTINCT ${name} AS value FROM ${table}`)).map(({ value }) => value);

it('deletes outbox rows that were sent long enough ago, in steps between which it can be stopped, and no other', async () => {
	const stuck = await insertOutbox(1, null);
	await insertOutbox(12_000, OLD);
	const unsent = await insertOutbox(3, null);
	await insertOutbox(10, OLD);
	const young = await insertOutbox(10, YOUNG);
	for (const outbox of [5_000, 5_000, 2_010]) {
		const more = outbox === 5_000;
		expect(await purge(server.database, RETENTION)).toEqual({ outbox, inbox: 0, keys: 0, more });
	}
	expect((await column('outbox_messages', 'message_id')).sort()).toEqual([...stuck, ...unsent, ...young].sort());
	expect(await purge(server.database, RETENTION)).toEqual({ outbox: 0, inbox: 0, keys: 0, more: false });
	expect(await purge(server.database, RETENTION - 2 * HOUR)).toMatchObject({ outbox: 10 });
	expect((await column('outbox_messages', 'message_id')).sort()).toEqual([...stuck, ...unsent].sort());
});

it('keeps rows that waited behind a stuck one at most as much longer as that was stuck', async () => {
	const [stuck] = await insertOutbox(1, YOUNG);
	await insertOutbox(20, OLD);
	await purge(server.database, RETENTION);
	expect(await column('outbox_messages', 'message_id')).toContain(stuck);
	await purge(server.database, RETENTION - 2 * HOUR);
	expect(await column('outbox_messages', 'message_id')).toEqual([]);
});

it('deletes the inbox rows of orders that ended long enough ago, and keeps the orders', async () => {
	for (const status of ['Shipped', 'Cancelled', 'PaymentFailed'] as const) await insertOrder(status, OLD, OLD);
	const kept = [
		await insertOrder('Confirmed', OLD, OLD), // not ended
		await insertOrder('Shipped', YOUNG, OLD),
		await insertOrder('Shipped', OLD, YOUNG), // a late duplicate
	];
	expect(await purge(server.database, RETENTION)).toEqual({ outbox: 0, inbox: 6, keys: 0, more: false });
	expect((await column('inbox_messages', 'order_id')).sort()).toEqual(kept.sort());
	for (const table of ['orders', 'order_events', 'payments']) {
		expect(await server.query(`SELECT FROM ${table}`)).toHaveLength(6);
	}
});

it('deletes idempotency keys after the retention', async () => {
	for (const [key, age] of Object.entries({ old: OLD, young: YOUNG, new: 0 })) {
		await server.query(
			`INSERT INTO idempotency_keys (caller, key, fingerprint, order_id, answer, created_at)
			VALUES ('me', $1, 'f', gen_random_uuid(), '{}', ${ago(age)})`,
			[key],
		);
	}
	expect(await purge(server.database, RETENTION)).toEqual({ outbox: 0, inbox: 0, keys: 1, more: false });
	expect((await column('idempotency_keys', 'key')).sort()).toEqual(['new', 'young']);
});
