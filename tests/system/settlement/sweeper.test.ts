import { afterAll, beforeAll, describe, expect, it } from '@jest/globals';
import type { Application } from '../../../bin/application.ts';
import { MINUTE } from '../../../domain/time.ts';
import type { OrderDto } from '../../../services/orders/order-dto.ts';
import type { PaymentCalls } from '../../../services/settlement/payment-calls.ts';
import { Sweeper } from '../../../services/settlement/sweeper.ts';
import settlement from '../../../services/settlement.service.ts';
import { META, startTestApplication } from '../../support/application.ts';
import { memoryLog, startTestDatabase, type TestDatabase } from '../../support/database.ts';
import { testService } from '../../support/platform.ts';

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
	const { payments: calls } = testService<{ payments: PaymentCalls }>(settlement, platform, log);
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

describe('an order that cannot be saved', () => {
	const create = { productName: 'Tea', amount: 1, cancellationWindow: '10m' };
	const log = memoryLog();
	let sweeper: Sweeper;
	let culprit: OrderDto;
	let others: OrderDto[];

	const rowOf = async (id: string) => {
		const [row] = await database.query<{ status: string; sweeps: number; wait: number }>(
			`SELECT status, sweeps, (extract(epoch FROM sweep_at - clock_timestamp()) * 1000)::float8 AS wait FROM orders
			WHERE id = $1`,
			[id],
		);
		return row;
	};
	const complaints = () => log.lines.filter((line) => line.startsWith('error') && line.includes(culprit.id));
	/** Makes the orders overdue, and the culprit refuse what the condition says. */
	const prepare = async (refused: string): Promise<void> => {
		const { broker } = application;
		await database.query('DROP TRIGGER IF EXISTS refuse ON orders');
		await database.query('TRUNCATE orders');
		[culprit, ...others] = (await Promise.all(
			Array.from({ length: 10 }, () => broker.call<OrderDto, object>('orders.create', create, { meta: META })),
		)) as [OrderDto, ...OrderDto[]];
		await database.query(`UPDATE orders SET sweep_at = statement_timestamp() - interval '1 s',
			pending_until = pending_until - interval '11 minutes', created_at = created_at - interval '11 minutes'
			WHERE status = 'Pending'`);
		await database.query(`
			CREATE OR REPLACE FUNCTION refuse() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN
				IF NEW.id = '${culprit.id}' AND ${refused} THEN RAISE EXCEPTION 'not this one'; END IF;
				RETURN NEW;
			END $$;
			CREATE OR REPLACE TRIGGER refuse BEFORE UPDATE ON orders FOR EACH ROW EXECUTE FUNCTION refuse();`);
		const { payments } = testService<{ payments: PaymentCalls }>(settlement, application.platform, log);
		sweeper = new Sweeper(application.platform, payments, log, () => false);
	};

	it('harms no other: they go on, and its own next look moves on, which the log and a metric say', async () => {
		await prepare('NEW.status <> OLD.status');
		expect((await sweeper.sweep()).found).toBe(9);
		for (const { id } of others) expect((await rowOf(id))?.status).toBe('Confirmed');
		const row = await rowOf(culprit.id);
		expect(row).toMatchObject({ status: 'Pending', sweeps: 1 });
		expect(row?.wait).toBeGreaterThan(0);
		expect(complaints()).toEqual([expect.stringContaining('not this one')]);
		expect((await application.platform.metrics.expose()).body).toMatch(/^sweeper_failures_total 1$/m);
	});

	it('is left alone for a while where not even its next look can be saved', async () => {
		await prepare('true');
		expect((await sweeper.sweep()).found).toBe(9);
		expect((await rowOf(culprit.id))?.wait).toBeLessThan(0);
		expect(complaints()).toHaveLength(1);
		expect((await sweeper.sweep()).found).toBe(0);
		expect(complaints()).toHaveLength(1);
	});
});
