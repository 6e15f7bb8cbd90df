/** One hot order, one that somebody has locked, one that takes too long: none of them stops the others. */
import { afterAll, beforeAll, describe, expect, it, jest } from '@jest/globals';
import pg from 'pg';
import type { Application } from '../../../bin/application.ts';
import type { OrderDto } from '../../../services/orders/order-dto.ts';
import { META, startTestApplication } from '../../support/application.ts';
import { startTestDatabase, type TestDatabase } from '../../support/database.ts';
import { PATIENCE, until } from '../../support/until.ts';

jest.setTimeout(4 * PATIENCE);

/** Whatever is stored of the payment of an order of that name ends as a statement does that took too long. */
const TAKES_TOO_LONG = `
	CREATE FUNCTION take_too_long() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN
		IF EXISTS (SELECT FROM orders WHERE id = NEW.order_id AND product_name = 'takes too long') THEN
			RAISE EXCEPTION 'canceling statement due to statement timeout' USING ERRCODE = 'query_canceled';
		END IF;
		RETURN NEW;
	END $$;
	CREATE TRIGGER take_too_long BEFORE INSERT OR UPDATE ON payments FOR EACH ROW EXECUTE FUNCTION take_too_long();`;

let database: TestDatabase;
let application: Application;
let stranger: pg.Client;

beforeAll(async () => {
	database = await startTestDatabase();
	await database.query(TAKES_TOO_LONG);
	application = await startTestApplication(database);
	stranger = new pg.Client(database.connection);
	await stranger.connect();
});
afterAll(async () => {
	await stranger?.end();
	await application?.stop();
	await database?.stop();
});

const call = <T>(action: string, params: object): Promise<T> => application.broker.call(action, params, { meta: META });
const place = (params: object = {}): Promise<OrderDto> =>
	call('orders.create', { productName: 'Tea', amount: 1, ...params });
const statusOf = async (id: string): Promise<string> => (await call<OrderDto>('orders.get', { id })).status;
const reaches = (id: string, status: string) =>
	until(async () => (await statusOf(id)) === status, `${id} is ${status}`);

/** How many sessions wait for a lock. */
async function waiting(): Promise<number> {
	const rows = await database.query(`SELECT FROM pg_stat_activity WHERE wait_event_type = 'Lock'`);
	return rows.length;
}

describe('an order that somebody has locked', () => {
	let locked: OrderDto;
	let hot: Promise<PromiseSettledResult<OrderDto>[]>;

	beforeAll(async () => {
		locked = await place({ cancellationWindow: '10m' });
		await until(async () => (await call<OrderDto>('orders.get', { id: locked.id })).paymentStatus === 'Authorized');
		await stranger.query('BEGIN');
		await stranger.query('SELECT FROM orders WHERE id = $1 FOR UPDATE', [locked.id]);
		const commands = ['hold', 'resume'];
		hot = Promise.allSettled(
			Array.from({ length: 200 }, (_, index) => call<OrderDto>(`orders.${commands[index % 2]}`, { id: locked.id })),
		);
		await until(async () => (await waiting()) > 0);
	});

	it('takes one connection, however many want to change it, and others are changed meanwhile', async () => {
		const { id } = await place({ cancellationWindow: '10m' });
		expect((await call<OrderDto>('orders.hold', { id })).status).toBe('OnHold');
		expect((await call<OrderDto>('orders.cancel', { id })).status).toBe('CancelRequested');
		await reaches(id, 'Cancelled');
		expect(await waiting()).toBe(1);
		expect(application.platform.database.connections.waiting).toBe(0);
	});

	it('answers each of them, with what the order says or that it is busy', async () => {
		const answers = await hot;
		for (const answer of answers) {
			if (answer.status === 'rejected') expect(answer.reason).toMatchObject({ code: 503, type: 'BUSY' });
			else expect(['OnHold', 'Pending']).toContain(answer.value.status);
		}
	});

	it('holds up no message of another order; its own are handled once it is free', async () => {
		await database.query(
			`INSERT INTO carrier_messages (consumer, deliver_at, id, type, key, body)
			SELECT consumer, statement_timestamp(), gen_random_uuid(), 'OrderPending', $1, '{"specversion":"1.0"}'
			FROM unnest('{settlement,shipping}'::text[]) AS c (consumer)`,
			[locked.id],
		);
		await until(async () => (await waiting()) === 2, 'both groups have come to it');
		const others = await Promise.all(Array.from({ length: 20 }, () => place()));
		for (const { id } of others) await reaches(id, 'Shipped');
		await stranger.query('ROLLBACK');
		expect((await call<OrderDto>('orders.cancel', { id: locked.id })).status).toBe('CancelRequested');
		await reaches(locked.id, 'Cancelled');
		expect(await call('deadletters.list', {})).toEqual({ data: [] });
	});
});

it('a message that always takes too long is set aside in the end, and the others go on', async () => {
	const culprit = await place({ productName: 'takes too long' });
	const others = await Promise.all(Array.from({ length: 20 }, () => place()));
	for (const { id } of others) await reaches(id, 'Shipped');
	const dead = await until(async () => {
		await database.query('UPDATE carrier_messages SET deliver_at = statement_timestamp() WHERE attempts > 0');
		const { data } = await call<{ data: { key: string; consumer: string; error: string }[] }>('deadletters.list', {});
		return data.find(({ key, consumer }) => key === culprit.id && consumer === 'settlement');
	}, 'it is set aside');
	expect(dead.error).toContain('statement timeout');
	const { id } = await place();
	await reaches(id, 'Shipped');
});

it('the 21st pause of an order is refused, whichever step of its way it was saved at', async () => {
	const { id } = await place({ cancellationWindow: '10m' });
	for (let pauses = 0; pauses < 20; pauses += 1) {
		await call('orders.hold', { id });
		await call('orders.resume', { id });
	}
	await expect(call('orders.hold', { id })).rejects.toMatchObject({ code: 409, type: 'Orders.InvalidState' });
	expect((await call<OrderDto>('orders.cancel', { id })).status).toBe('CancelRequested');
});
