/** Without a broker, the end of a window is one transaction, from the wake-up that is taken to the message that is sent. */
import { afterAll, beforeAll, expect, it, jest } from '@jest/globals';
import pg from 'pg';
import type { Application } from '../../../bin/application.ts';
import type { OrderDto } from '../../../services/orders/order-dto.ts';
import { META, startTestApplication } from '../../support/application.ts';
import { startTestDatabase, type TestDatabase } from '../../support/database.ts';
import { PATIENCE, until } from '../../support/until.ts';

jest.setTimeout(3 * PATIENCE);

/** The end of a window takes long enough for somebody to come between. */
const TAKES_A_WHILE = `
	CREATE FUNCTION take_a_while() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN
		PERFORM pg_sleep(0.02);
		RETURN NEW;
	END $$;
	CREATE TRIGGER take_a_while BEFORE INSERT ON inbox_messages FOR EACH ROW WHEN (NEW.consumer = 'deadlines')
		EXECUTE FUNCTION take_a_while();`;

let database: TestDatabase;
let application: Application;

beforeAll(async () => {
	database = await startTestDatabase();
	application = await startTestApplication(database);
});
afterAll(async () => {
	await application?.stop();
	await database?.stop();
});

const place = (): Promise<OrderDto> =>
	application.broker.call('orders.create', { productName: 'Tea', amount: 1 }, { meta: META });
const allShipped = () =>
	until(
		async () => (await database.query(`SELECT FROM orders WHERE status <> 'Shipped'`)).length === 0,
		'all have shipped',
	);

it('stores the inbox row, the event and the message as sent, at once', async () => {
	await Promise.all(Array.from({ length: 20 }, place));
	await allShipped();
	// A row's xmin is the transaction that wrote it last.
	const rows = await database.query(`
		SELECT FROM order_events e JOIN outbox_messages o ON o.message_id = e.id
			JOIN inbox_messages i ON i.order_id = e.order_id AND i.consumer = 'deadlines'
		WHERE e.type = 'OrderConfirmed' AND o.sent_at IS NOT NULL AND o.xmin = e.xmin AND i.xmin = e.xmin`);
	expect(rows).toHaveLength(20);
});

it('handles a message that comes again once, and the others of its batch too', async () => {
	const events = (id: string) => database.query('SELECT type FROM order_events WHERE order_id = $1', [id]);
	const first = await place();
	await allShipped();
	const before = await events(first.id);
	const second = await place();
	const copied = await database.query(
		`INSERT INTO carrier_messages (consumer, deliver_at, id, type, key, due_at, body)
		SELECT m.consumer, m.deliver_at, i.message_id, m.type, i.order_id, m.due_at, m.body
		FROM carrier_messages m JOIN inbox_messages i ON i.order_id = $1 AND i.consumer = 'deadlines'
		WHERE m.key = $2 AND m.consumer = 'deadlines' RETURNING id`,
		[first.id, second.id],
	);
	expect(copied).toHaveLength(1);
	await allShipped();
	await until(async () => (await database.query('SELECT FROM carrier_messages')).length === 0, 'all are handled');
	expect(await events(first.id)).toEqual(before);
	expect(await events(second.id)).toHaveLength(before.length);
	expect(await database.query('SELECT FROM dead_letters')).toEqual([]);
});

it('never waits in a circle with somebody who wants the whole table of messages', async () => {
	await database.query(TAKES_A_WHILE);
	const stranger = new pg.Client(database.connection);
	await stranger.connect();
	// A circle that the server does not see would last until the limit of our own sessions, which is 5 s.
	await stranger.query(`SET lock_timeout = '4s'`);
	const placed = (async () => {
		for (let batch = 0; batch < 20; batch += 1) await Promise.all(Array.from({ length: 3 }, place));
	})();
	const unfinished = async (): Promise<boolean> =>
		(await database.query(`SELECT FROM order_events WHERE type = 'OrderConfirmed'`)).length < 82;
	try {
		for (const end = Date.now() + PATIENCE; Date.now() < end && (await unfinished()); ) {
			await stranger.query('BEGIN');
			await stranger.query('LOCK TABLE carrier_messages IN ACCESS EXCLUSIVE MODE').catch((error: pg.DatabaseError) => {
				if (error.code !== '40P01') throw error; // a circle that the server has seen
			});
			await stranger.query('ROLLBACK');
		}
		await placed;
	} finally {
		await stranger.end();
	}
	await allShipped();
});
