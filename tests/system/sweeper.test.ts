import { afterAll, beforeAll, expect, it } from '@jest/globals';
import { MINUTE } from '../../domain/time.ts';
import type { Application } from '../../moleculer.config.ts';
import type { OrderDto } from '../../services/orders/order-dto.ts';
import { paymentCalls } from '../../services/settlement/payment-calls.ts';
import { Sweeper } from '../../services/settlement/sweeper.ts';
import { META, startTestApplication } from '../support/application.ts';
import { memoryLog, startTestDatabase, type TestDatabase } from '../support/database.ts';

let database: TestDatabase;
let application: Application;

beforeAll(async () => {
	database = await startTestDatabase();
	// Nobody settles: only the sweeper of the test looks at orders.
	application = await startTestApplication(database, {}, ['orders']);
});
afterAll(async () => {
	await application.stop();
	await database.stop();
});

it('leaves due orders to a carrier that works off a backlog, but nothing else', async () => {
	const { broker, platform } = application;
	const create = { productName: 'Tea', amount: 1, cancellationWindow: '10m' };
	const [due, cancelled] = await Promise.all(
		[create, create].map((params) => broker.call<OrderDto, object>('orders.create', params, { meta: META })),
	);
	await broker.call('orders.cancel', { id: cancelled?.id }, { meta: META });
	await database.query(`UPDATE orders SET sweep_at = statement_timestamp(),
		pending_until = pending_until - interval '11 minutes', created_at = created_at - interval '11 minutes'`);

	let isBehind = true;
	const log = memoryLog();
	const calls = paymentCalls(platform, log);
	const sweeper = new Sweeper(platform, calls, log, () => isBehind);
	const statusOf = async (id: string | undefined): Promise<string> =>
		(await broker.call<OrderDto, object>('orders.get', { id }, { meta: META })).status;

	expect((await sweeper.sweep()).found).toBe(1);
	expect(await statusOf(cancelled?.id)).toBe('Cancelled');
	expect(await statusOf(due?.id)).toBe('Pending');

	isBehind = false;
	expect((await sweeper.sweep()).found).toBe(1);
	expect(await statusOf(due?.id)).toBe('Confirmed');
	await calls.idle(MINUTE);
});
