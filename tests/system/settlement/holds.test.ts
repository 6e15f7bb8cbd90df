/** Holds that end by themselves: what is told of them, and what becomes of their orders. */
import { expect, it } from '@jest/globals';
import type { OrderDto } from '../../../services/orders/order-dto.ts';
import { freshSystem } from '../../support/fresh-system.ts';
import { eventually, until } from '../../support/until.ts';

const system = freshSystem({ CANCELLATION_WINDOW: '10m' });
const { call, get } = system;

/** An order whose money is held. */
async function held(params: object = {}): Promise<string> {
	const { id } = await call<OrderDto>('orders.create', { productName: 'Tea', amount: '19.90', ...params });
	await until(async () => (await get(id)).paymentStatus === 'Authorized', 'the money is held');
	return id;
}

/** As if the provider had said so when it held the money. */
const endsIn = (id: string, seconds: number) =>
	system.database.query(
		`UPDATE payments SET capture_before = clock_timestamp() + $2::float8 * interval '1 s' WHERE order_id = $1`,
		[id, seconds],
	);

async function endingSoon(): Promise<number> {
	const { body } = await system.application.platform.metrics.expose();
	return Number(/^holds_ending_soon (\d+)$/m.exec(body)?.[1] ?? Number.NaN);
}

it('orders are counted that lose their money within an hour, and no others', async () => {
	expect(await endingSoon()).toBe(0);
	const [soon, later, over, cancelled, paused] = await Promise.all([held(), held(), held(), held(), held()]);
	await call('orders.hold', { id: paused });
	await call('orders.cancel', { id: cancelled });
	await until(async () => (await get(cancelled)).status === 'Cancelled');
	const ends = [soon, later, over, cancelled, paused].map(
		(id, place) => [id, [3_500, 3_700, -5, 60, 60][place]] as const,
	);
	for (const [id, seconds = 0] of ends) await endsIn(id, seconds);
	expect(await endingSoon()).toBe(3);
	await call('orders.cancel', { id: soon });
	await until(async () => (await get(soon)).status === 'Cancelled');
	expect(await endingSoon()).toBe(2);
});

it('an order whose hold ends within an hour cannot be paused, and one that ends later not past that', async () => {
	const [soon, later] = await Promise.all([held(), held()]);
	await endsIn(soon, 3_500);
	await endsIn(later, 2 * 3_600);
	await expect(call('orders.hold', { id: soon })).rejects.toMatchObject({ code: 409, type: 'Orders.WindowClosed' });
	const { heldUntil, captureBefore } = await call<OrderDto>('orders.hold', { id: later });
	// What is left of the ten minutes follows on the pause.
	const rest = Date.parse(captureBefore ?? '') - 3_600_000 - Date.parse(heldUntil ?? '');
	expect(rest).toBeGreaterThan(60_000);
	expect(rest).toBeLessThan(600_000);
	await eventually(async () => expect(await get(later)).toMatchObject({ status: 'OnHold', heldUntil }));
});

it('card_short_hold: it is counted, cannot be paused, and ends without capture and parcel', async () => {
	const id = await held({ paymentMethod: 'card_short_hold', cancellationWindow: '3s' });
	expect(await endingSoon()).toBe(1);
	await expect(call('orders.hold', { id })).rejects.toMatchObject({ code: 409, type: 'Orders.WindowClosed' });
	// As if the 20 s had passed.
	await system.database.query(`UPDATE sandbox_operations SET created_at = created_at - interval '20 s'`);
	await until(async () => (await get(id)).status === 'PaymentFailed');
	expect(await get(id)).toMatchObject({ paymentStatus: 'Failed', shippedAt: null, failureReason: expect.any(String) });
	expect(await endingSoon()).toBe(0);
	const done = await system.database.query<{ operation: string; outcome: string }>(
		'SELECT operation, outcome FROM sandbox_operations WHERE order_id = $1',
		[id],
	);
	expect(done.filter(({ outcome }) => outcome === 'succeeded').map(({ operation }) => operation)).toEqual([
		'authorize',
	]);
	expect(await system.database.query('SELECT order_id FROM sandbox_parcels')).toEqual([]);
});

it('card_short_hold: an order that was paused before its money was held is cancelled once the hold is known', async () => {
	await system.restart({ SANDBOX_LATENCY: '1s' });
	const { id } = await call<OrderDto>('orders.create', {
		...{ productName: 'Tea', amount: '19.90', paymentMethod: 'card_short_hold' },
	});
	expect(await call('orders.hold', { id })).toMatchObject({ status: 'OnHold', paymentStatus: 'Requested' });
	await until(async () => (await get(id)).status === 'Cancelled');
	expect(await get(id)).toMatchObject({ paymentStatus: 'Voided', shippedAt: null });
});
