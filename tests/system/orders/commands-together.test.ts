/** Commands that arrive together share a transaction, and none harms another. */
import { afterAll, beforeAll, expect, it } from '@jest/globals';
import pg from 'pg';
import type { Application } from '../../../bin/application.ts';
import { newId } from '../../../mixins/runtime/uuid.ts';
import type { OrderDto } from '../../../services/orders/order-dto.ts';
import { META, startTestApplication } from '../../support/application.ts';
import { startTestDatabase, type TestDatabase } from '../../support/database.ts';
import { until } from '../../support/until.ts';

/** No change of an order of that name can be stored. */
const REFUSED = `
	CREATE FUNCTION refuse() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN
		RAISE EXCEPTION 'not this one';
	END $$;
	CREATE TRIGGER refuse BEFORE UPDATE ON orders FOR EACH ROW
		WHEN (NEW.product_name = 'refused' AND NEW.status = 'CancelRequested') EXECUTE FUNCTION refuse();`;

let database: TestDatabase;
let application: Application;

beforeAll(async () => {
	database = await startTestDatabase();
	await database.query(REFUSED);
	application = await startTestApplication(database);
}, 60_000);
afterAll(async () => {
	await application?.stop();
	await database?.stop();
}, 60_000);

const call = <T>(action: string, params: object): Promise<T> => application.broker.call(action, params, { meta: META });
const place = async (productName = 'Tea'): Promise<string> => {
	const { id } = await call<OrderDto>('orders.create', { productName, amount: 5, cancellationWindow: '10m' });
	await until(async () => (await call<OrderDto>('orders.get', { id })).paymentStatus === 'Authorized');
	return id;
};
const places = (most: number): Promise<string[]> => Promise.all(Array.from({ length: most }, () => place()));
const cancelled = (id: string) => call<OrderDto>('orders.cancel', { id }).then(({ status }) => status);

it('takes far fewer transactions than there are commands', async () => {
	const ids = await places(60);
	const answers = await Promise.all(ids.map((id) => call<OrderDto>('orders.hold', { id })));
	expect(answers.map(({ status }) => status)).toEqual(ids.map(() => 'OnHold'));
	// A row's xmin is the transaction that wrote it last.
	const [row] = await database.query<{ transactions: number }>(
		`SELECT count(DISTINCT xmin::text)::int AS transactions FROM orders WHERE status = 'OnHold'`,
	);
	expect(row?.transactions).toBeLessThan(20);
});

it('answers each by itself: what is done, what is refused, what is not there, what is wrong, what cannot be stored', async () => {
	const [held = '', poison = ''] = await Promise.all([place(), place('refused')]);
	await call('orders.cancel', { id: held });
	const good = await places(20);
	const asked = [
		...good.map(cancelled),
		call('orders.hold', { id: held }),
		cancelled(newId(Date.now())),
		call('orders.amend', { id: await place(), amount: 7 }),
		cancelled(poison),
	];
	const settled = await Promise.allSettled(asked);
	const answers = settled.map((one) => (one.status === 'fulfilled' ? one.value : one.reason));
	expect(answers.slice(0, good.length)).toEqual(good.map(() => 'CancelRequested'));
	expect(answers.slice(good.length)).toEqual([
		expect.objectContaining({ type: 'Orders.InvalidState' }),
		expect.objectContaining({ type: 'Orders.NotFound' }),
		expect.objectContaining({ code: 422 }),
		expect.objectContaining({ message: 'not this one' }),
	]);
	expect((await call<OrderDto>('orders.get', { id: poison })).status).toBe('Pending');
});

it('keeps none waiting whose order is free; the other waits alone, and is carried out once its order is free too', async () => {
	const [locked = '', ...free] = await places(21);
	const stranger = new pg.Client(database.connection);
	await stranger.connect();
	await stranger.query('BEGIN');
	await stranger.query('SELECT FROM orders WHERE id = $1 FOR UPDATE', [locked]);
	try {
		const waiting = cancelled(locked);
		expect(await Promise.all(free.map(cancelled))).toEqual(free.map(() => 'CancelRequested'));
		await stranger.query('COMMIT');
		expect(await waiting).toBe('CancelRequested');
	} finally {
		await stranger.end();
	}
});
