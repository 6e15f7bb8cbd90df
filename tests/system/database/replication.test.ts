/** The tables under logical replication: a publication, and a copy whose sequences begin anew. */
import { afterAll, beforeAll, beforeEach, expect, it, jest } from '@jest/globals';
import type { Carrier } from '../../../mixins/brokers/carrier.ts';
import { PostgresCarrier } from '../../../mixins/brokers/postgres/carrier.ts';
import { DeadLetters, MOST_ATTEMPTS } from '../../../mixins/inbox/dead-letters.ts';
import { OutboxRelay } from '../../../mixins/outbox/relay.ts';
import type { OrderDto } from '../../../services/orders/order-dto.ts';
import { META, startTestApplication } from '../../support/application.ts';
import { startTestDatabase, type TestDatabase } from '../../support/database.ts';
import { PATIENCE, until } from '../../support/until.ts';
import { newEvent, store, TOPOLOGY, withoutPublishIn } from '../fixtures/outbox.ts';

jest.setTimeout(3 * PATIENCE);

let server: TestDatabase;

beforeAll(async () => {
	server = await startTestDatabase({ settings: { wal_level: 'logical' } });
});
afterAll(() => server.stop());
beforeEach(() => server.reset());

it('every table says how a row is found again', async () => {
	const without = await server.query(
		`SELECT c.oid::regclass::text AS name FROM pg_class c
		WHERE c.relkind IN ('r', 'p') AND c.relnamespace = 'public'::regnamespace AND c.relreplident <> 'f'
			AND NOT EXISTS (SELECT FROM pg_index i WHERE i.indrelid = c.oid AND i.indisvalid
				AND CASE c.relreplident WHEN 'd' THEN i.indisprimary WHEN 'i' THEN i.indisreplident ELSE false END)`,
	);
	expect(without).toEqual([]);
});

it('no uniqueness hangs on what a sequence counts', async () => {
	const hanging = await server.query(
		`SELECT i.indexrelid::regclass::text AS name FROM pg_index i
		JOIN pg_class c ON c.oid = i.indrelid AND c.relnamespace = 'public'::regnamespace
		JOIN pg_attribute a ON a.attrelid = i.indrelid AND a.attnum = ANY (i.indkey)
		WHERE i.indisunique AND (a.attidentity <> '' OR EXISTS (SELECT FROM pg_attrdef d
			WHERE d.adrelid = a.attrelid AND d.adnum = a.attnum AND pg_get_expr(d.adbin, d.adrelid) LIKE 'nextval%'))`,
	);
	expect(hanging).toEqual([]);
});

it('orders ship, and what fails is set aside, while all tables are published', async () => {
	await server.query('CREATE PUBLICATION everything FOR ALL TABLES');
	const application = await startTestApplication(server);
	try {
		const call = <T>(action: string, params: object): Promise<T> =>
			application.broker.call(action, params, { meta: META });
		const { id } = await call<OrderDto>('orders.create', { productName: 'Tea', amount: 1 });
		await until(async () => (await call<OrderDto>('orders.get', { id })).status === 'Shipped');
		await store(server.database, [newEvent()]);
		const leasing = withoutPublishIn(new PostgresCarrier(server.database, TOPOLOGY, server.log));
		await until(async () => {
			await new OutboxRelay(server.database, leasing).step();
			return (await server.query('SELECT FROM outbox_messages WHERE sent_at IS NULL')).length === 0;
		});
	} finally {
		await application.stop();
		await server.query('DROP PUBLICATION everything');
	}
});

it('a sequence that begins anew while messages wait loses none and marks none in the place of another', async () => {
	const [old, fresh] = [newEvent(), newEvent()];
	const sent: string[] = [];
	const carrier: Carrier = {
		...withoutPublishIn(new PostgresCarrier(server.database, TOPOLOGY, server.log)),
		publish: async (messages) => {
			sent.push(...messages.map(({ id }) => id));
			if (sent.includes(fresh.id)) return [];
			await server.query('ALTER TABLE outbox_messages ALTER position RESTART');
			await store(server.database, [fresh]); // stored, and under the same position, while the first is in hand
			return messages.map(({ id }) => ({ id, error: 'not now' }));
		},
	};
	const relay = new OutboxRelay(server.database, carrier);
	await store(server.database, [old]);
	await relay.step();
	const unsent = () =>
		server.query<{ message_id: string; position: bigint; attempts: number }>(
			'SELECT message_id, position, attempts FROM outbox_messages WHERE sent_at IS NULL ORDER BY attempts',
		);
	expect(await unsent()).toEqual([
		{ message_id: fresh.id, position: 1n, attempts: 0 },
		{ message_id: old.id, position: 1n, attempts: 1 },
	]);
	await relay.step();
	expect(await unsent()).toEqual([{ message_id: old.id, position: 1n, attempts: 1 }]);
	await server.query('UPDATE outbox_messages SET available_at = now()');
	await relay.step();
	expect(await unsent()).toEqual([]);
	expect(sent).toEqual([old.id, fresh.id, old.id]);
});

it('dead letters of before and after a sequence began anew stand beside each other, the newest first', async () => {
	const letters = new DeadLetters(server.database, server.log);
	const events = [newEvent(), newEvent()];
	await store(server.database, events);
	const fail = letters.catching('all', async (deliveries) => deliveries.map(({ id }) => ({ id, error: 'never' })));
	for (const { id, type, orderId: key } of events) {
		await fail([{ id, type, key, body: '{}', deliverAt: null, attempt: MOST_ATTEMPTS }]);
		await server.query('ALTER TABLE dead_letters ALTER position RESTART');
	}
	const [first = '', second = ''] = events.map(({ id }) => id);
	expect((await letters.list(10)).map(({ id }) => id)).toEqual([second, first]);
	expect(await letters.replay([first])).toBe(1);
	expect((await letters.list(10)).map(({ id }) => id)).toEqual([second]);
});
