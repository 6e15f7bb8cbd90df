import { describe, expect, it } from '@jest/globals';
import type { OrderDto } from '../../../services/orders/order-dto.ts';
import { META } from '../../support/application.ts';
import { freshSystem } from '../../support/fresh-system.ts';
import { until } from '../../support/until.ts';

const system = freshSystem();
const { call, get, place, reaches } = system;

const operations = (id: string): Promise<{ operation: string; outcome: string }[]> =>
	system.database.query('SELECT operation, outcome FROM sandbox_operations WHERE order_id = $1 ORDER BY created_at', [
		id,
	]);

describe('an order', () => {
	it('is authorised, confirmed when due, captured and shipped, with a history in order', async () => {
		const { id } = await place();
		const order = await reaches(id, 'Shipped');
		expect(order.paymentStatus).toBe('Captured');
		expect(Date.parse(order.confirmedAt ?? '')).toBeGreaterThanOrEqual(Date.parse(order.pendingUntil));
		expect(await operations(id)).toEqual([
			{ operation: 'authorize', outcome: 'succeeded' },
			{ operation: 'capture', outcome: 'succeeded' },
		]);
		const { data } = await call<{ data: { type: string; sequence: number; data: object }[] }>('orders.history', { id });
		expect(data.map(({ type, sequence }) => `${sequence} ${type}`)).toEqual([
			'1 OrderPending',
			'2 PaymentAuthorized',
			'3 OrderConfirmed',
			'4 PaymentCaptured',
			'5 OrderShipped',
		]);
		expect(data[2]?.data).toMatchObject({ wokenBy: 'OrderDue' });
	});

	it('carries the trace of its request through every later step, and that of a cancel from there on', async () => {
		const traces = async (id: string): Promise<(string | null)[]> => {
			const rows = await system.database.query<{ traceparent: string | null }>(
				'SELECT traceparent FROM order_events WHERE order_id = $1 ORDER BY sequence',
				[id],
			);
			return rows.map(({ traceparent }) => traceparent);
		};
		const traced = (action: string, params: object, traceparent: string): Promise<OrderDto> =>
			system.application.broker.call(action, params, { meta: { ...META, traceparent } });
		const [placing, cancelling] = ['a', 'b'].map((digit) => `00-${digit.repeat(32)}-b7ad6b7169203331-01`) as [
			string,
			string,
		];
		const shipped = await traced('orders.create', { productName: 'Tea', amount: 1 }, placing);
		const cancelled = await traced(
			'orders.create',
			{ productName: 'Tea', amount: 1, cancellationWindow: '10m' },
			placing,
		);
		await until(async () => (await get(cancelled.id)).paymentStatus === 'Authorized');
		await traced('orders.cancel', { id: cancelled.id }, cancelling);
		await reaches(shipped.id, 'Shipped');
		await reaches(cancelled.id, 'Cancelled');
		expect(await traces(shipped.id)).toEqual(Array(5).fill(placing));
		// OrderPending, PaymentAuthorized, OrderCancelRequested, then what came of it.
		expect((await traces(cancelled.id)).slice(0, 3)).toEqual([placing, placing, cancelling]);
	});

	it('in a currency that no list has any more is settled and shipped, or cancelled, all the same', async () => {
		const [shipped, cancelled] = [
			await place({ cancellationWindow: '2s' }),
			await place({ cancellationWindow: '10m' }),
		];
		await system.database.query(`UPDATE orders SET currency = 'ZZZ'`);
		await until(async () => (await get(cancelled.id)).paymentStatus === 'Authorized');
		await call('orders.cancel', { id: cancelled.id });
		await reaches(cancelled.id, 'Cancelled');
		await reaches(shipped.id, 'Shipped');
	});

	it('that is cancelled is voided, never captured', async () => {
		const { id } = await place({ cancellationWindow: '10m' });
		await until(async () => (await get(id)).paymentStatus === 'Authorized');
		expect((await call<OrderDto>('orders.cancel', { id })).status).toBe('CancelRequested');
		expect((await reaches(id, 'Cancelled')).paymentStatus).toBe('Voided');
		expect(await operations(id)).toEqual([
			{ operation: 'authorize', outcome: 'succeeded' },
			{ operation: 'void', outcome: 'succeeded' },
		]);
	});

	it.each([
		['card_declined', 'PaymentFailed', 'Declined'],
		['card_capture_refused', 'PaymentFailed', 'Failed'],
		['card_flaky', 'Shipped', 'Captured'],
	] as const)('paid with %s ends as %s', async (paymentMethod, status, paymentStatus) => {
		const { id } = await place({ paymentMethod });
		expect((await reaches(id, status)).paymentStatus).toBe(paymentStatus);
		const succeeded = (await operations(id))
			.filter(({ outcome }) => outcome === 'succeeded')
			.map(({ operation }) => operation);
		expect(new Set(succeeded).size).toBe(succeeded.length);
	});

	it('is known to its owner and to operators only, and a call without a caller is refused', async () => {
		const owner = { meta: { caller: { subject: 'buyer', scopes: [] } } };
		const other = { meta: { caller: { subject: 'somebody else', scopes: [] } } };
		const { broker } = system.application;
		const { id } = await broker.call<OrderDto, object>('orders.create', { productName: 'Tea', amount: 1 }, owner);
		expect(await broker.call('orders.get', { id }, owner)).toMatchObject({ id });
		for (const action of ['get', 'history', 'cancel', 'hold', 'resume']) {
			await expect(broker.call(`orders.${action}`, { id }, other)).rejects.toMatchObject({ type: 'Orders.NotFound' });
			await expect(broker.call(`orders.${action}`, { id })).rejects.toMatchObject({ type: 'Auth.CallerMissing' });
		}
		expect(await broker.call('orders.list', {}, other)).toEqual({ data: [], nextCursor: null });
		expect(await get(id)).toMatchObject({ id });
	});
});

describe('an authorisation whose key is older than 23 hours', () => {
	const forget = (id: string): Promise<unknown> =>
		system.database.query(
			`WITH p AS (UPDATE payments SET status = 'Unknown', operation = 'authorize', attempts = 1, reference = NULL,
				key_used_at = now() - interval '24 hours', attempt_until = now() WHERE order_id = $1)
			UPDATE orders SET sweep_at = now(), pending_until = now() + interval '1 hour' WHERE id = $1`,
			[id],
		);

	it('is looked for, and taken as found', async () => {
		const { id } = await place({ cancellationWindow: '10m' });
		await until(async () => (await get(id)).paymentStatus === 'Authorized');
		await forget(id);
		await until(async () => (await get(id)).paymentStatus === 'Authorized');
		expect(await operations(id)).toEqual([{ operation: 'authorize', outcome: 'succeeded' }]);
	});

	it('is never repeated where the provider knows nothing of it', async () => {
		const { id } = await place({ cancellationWindow: '10m' });
		await until(async () => (await get(id)).paymentStatus === 'Authorized');
		await system.database.query('DELETE FROM sandbox_operations WHERE order_id = $1', [id]);
		await forget(id);
		await until(async () => {
			const [row] = await system.database.query<{ attempts: number }>(
				'SELECT attempts FROM payments WHERE order_id = $1',
				[id],
			);
			return Number(row?.attempts) >= 3;
		}, 'it has been asked for again and again');
		expect((await get(id)).paymentStatus).toBe('Unknown');
		expect(await operations(id)).toEqual([]);
	});
});

describe('a void that the provider refuses', () => {
	it('stays Unknown and is repeated: money that is held is never called released', async () => {
		const { id } = await place({ cancellationWindow: '10m' });
		await until(async () => (await get(id)).paymentStatus === 'Authorized');
		// As if somebody had captured it behind our back.
		await system.database.query(
			`INSERT INTO sandbox_operations (idempotency_key, order_id, operation, amount, outcome)
			VALUES ($1::text, $2, 'capture', 1990, 'succeeded')`,
			[`by hand ${id}`, id],
		);
		await call('orders.cancel', { id });
		await until(async () => {
			const [row] = await system.database.query<{ attempts: number }>(
				'SELECT attempts FROM payments WHERE order_id = $1',
				[id],
			);
			return Number(row?.attempts) >= 2;
		}, 'the void has been repeated');
		expect(await get(id)).toMatchObject({ status: 'CancelRequested', paymentStatus: 'Unknown' });
	});
});
