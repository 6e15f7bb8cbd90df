import { afterAll, beforeAll, beforeEach, expect, it, jest } from '@jest/globals';
import { preloadFinished } from '../../../bench/history.ts';
import type { Application } from '../../../bin/application.ts';
import type { OrderDto } from '../../../services/orders/order-dto.ts';
import { META, startTestApplication } from '../../support/application.ts';
import { startTestDatabase, type TestDatabase } from '../../support/database.ts';
import { PATIENCE, until } from '../../support/until.ts';

jest.setTimeout(3 * PATIENCE);

const FINISHED = 20_000;
const ORDERS = 30;

let database: TestDatabase;
let application: Application;

beforeAll(async () => {
	// Nobody else may read whole tables, or learn that they have grown.
	database = await startTestDatabase({ settings: { autovacuum: 'off' } });
});
afterAll(() => database.stop());
beforeEach(() => database.reset());

const call = <T>(action: string, params: object): Promise<T> => application.broker.call(action, params, { meta: META });

/** Rows that whole-table scans have read so far, from tables that hold the finished orders. */
async function scanned(): Promise<Record<string, number>> {
	await database.query('SELECT pg_stat_force_next_flush()');
	const rows = await database.query<{ relname: string; read: number }>(
		`SELECT relname, seq_tup_read::float8 AS read FROM pg_stat_user_tables
		WHERE relname IN ('orders', 'payments', 'shipments', 'order_events', 'inbox_messages', 'outbox_messages', 'sandbox_operations')`,
	);
	return Object.fromEntries(rows.map(({ relname, read }) => [relname, read]));
}

/** Everything that happens to orders: shipped, cancelled, held and resumed, declined, read, swept. */
async function live(): Promise<void> {
	const cards = ['card_ok', 'card_declined', 'card_capture_refused', 'card_flaky'];
	const orders = await Promise.all(
		Array.from({ length: ORDERS }, (_, place) =>
			call<OrderDto>('orders.create', {
				productName: 'Tea',
				amount: 1,
				paymentMethod: cards[place % cards.length],
				idempotencyKey: `key-${place}`,
			}),
		),
	);
	const placed = await call<OrderDto>('orders.create', { productName: 'Tea', amount: 1, cancellationWindow: '10m' });
	await call('orders.hold', { id: placed.id });
	await call('orders.resume', { id: placed.id });
	await call('orders.cancel', { id: placed.id });
	await call('orders.history', { id: placed.id });
	await call('settlement.sweep', {});
	await call('outbox.stats', {});
	await call('payments.list', { olderThan: '1s' });
	await application.platform.metrics.expose();
	for (const { id } of [placed, ...orders]) {
		await until(async () =>
			['Shipped', 'Cancelled', 'PaymentFailed'].includes((await call<OrderDto>('orders.get', { id })).status),
		);
	}
}

it.each([
	['that were analysed when they were empty', 'stale'],
	['that were analysed just now', 'fresh'],
])('no statement reads a whole table of finished orders, with tables %s', async (_, statistics) => {
	if (statistics === 'stale') await database.query('ANALYZE');
	await preloadFinished(database, FINISHED, statistics === 'fresh');
	application = await startTestApplication(database);
	await call('orders.list', {});
	const before = await scanned();
	await live();
	// Pages are chosen by statistics; without any, a whole table may be read for one.
	const pages = statistics === 'fresh' ? [undefined, 'Pending', 'Cancelled', 'PaymentFailed', 'Shipped'] : [];
	for (const status of pages) await call('orders.list', { limit: 20, ...(status === undefined ? {} : { status }) });
	await application.stop(); // what its sessions have counted is told when they end
	const after = await scanned();
	const read = Object.entries(after).map(([table, rows]) => [table, rows - (before[table] ?? 0)]);
	expect(read.filter(([, rows]) => Number(rows) >= FINISHED)).toEqual([]);
});

it('a due order that ships in time has its row and its payment’s entered in an index once', async () => {
	application = await startTestApplication(database);
	const updates = async (): Promise<Record<string, { all: number; inPlace: number }>> => {
		await database.query('SELECT pg_stat_force_next_flush()');
		const rows = await database.query<{ relname: string; all: number; hot: number }>(
			`SELECT relname, n_tup_upd::int AS all, n_tup_hot_upd::int AS hot FROM pg_stat_user_tables
			WHERE relname IN ('orders', 'payments')`,
		);
		return Object.fromEntries(rows.map(({ relname, all, hot }) => [relname, { all, inPlace: hot }]));
	};
	const before = await updates();
	const { id } = await call<OrderDto>('orders.create', { productName: 'Tea', amount: 1, cancellationWindow: '1s' });
	await until(async () => (await call<OrderDto>('orders.get', { id })).status === 'Shipped');
	await application.stop();
	const after = await updates();
	const since = (table: string): object => ({
		all: (after[table]?.all ?? 0) - (before[table]?.all ?? 0),
		inPlace: (after[table]?.inPlace ?? 0) - (before[table]?.inPlace ?? 0),
	});
	// authorised and shipped move or end its look; confirmed and captured leave every indexed column alone
	expect(since('orders')).toEqual({ all: 4, inPlace: 2 });
	expect(since('payments')).toEqual({ all: 3, inPlace: 3 });
});
