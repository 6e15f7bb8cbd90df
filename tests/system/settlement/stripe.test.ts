/** The whole system with Stripe as its provider, on the stand-in. */
import { describe, expect, it } from '@jest/globals';
import type { OrderDto } from '../../../services/orders/order-dto.ts';
import { freshSystem } from '../../support/stripe/fresh-system.ts';
import { until } from '../../support/until.ts';

const system = freshSystem({ PROVIDER_TIMEOUT: '2s' });

const { call, place } = system;

const reaches = (id: string, status: string): Promise<OrderDto> =>
	until(async () => {
		const order = await call<OrderDto>('orders.get', { id });
		return order.status === status ? order : undefined;
	}, `${id} is ${status}`);

describe('an order paid by Stripe', () => {
	it('is held, captured when due, and shipped', async () => {
		const { id } = await place();
		const order = await reaches(id, 'Shipped');
		expect(order.paymentStatus).toBe('Captured');
		expect(system.standIn.book().get(id)).toMatchObject({ authorized: 1990, captured: 1990, held: 0 });
		expect(system.standIn.book().get(id)?.requests).toEqual({ create: 1, capture: 1 });
	});

	it('is voided if the buyer cancels', async () => {
		const { id } = await place({ cancellationWindow: '10m' });
		await until(() => (system.standIn.book().get(id)?.held ?? 0) > 0);
		await call('orders.cancel', { id });
		await reaches(id, 'Cancelled');
		expect(system.standIn.book().get(id)).toMatchObject({ authorized: 1990, captured: 0, released: 1990 });
	});

	it('fails with a card that is declined', async () => {
		const { id } = await place({ paymentMethod: 'pm_card_visa_chargeDeclinedInsufficientFunds' });
		const { failureReason } = await reaches(id, 'PaymentFailed');
		expect(failureReason).toContain('not enough money');
	});

	it.each(['timeout before', 'timeout after', 'error after', 'reset', 'burst', 'revoked'] as const)(
		'is paid once, whatever happens to the calls: %s',
		async (fault) => {
			for (const endpoint of ['create', 'capture'] as const) system.standIn.faults.order(endpoint, fault);
			const { id } = await place();
			await reaches(id, 'Shipped');
			const book = system.standIn.book().get(id);
			expect(book).toMatchObject({ authorized: 1990, captured: 1990, held: 0 });
			expect(book?.intents).toHaveLength(1);
		},
		120_000,
	);
});

describe('an order that Stripe cannot take is refused before there is one', () => {
	it.each<[object, string]>([
		[{ paymentMethod: undefined }, 'paymentMethod'],
		[{ currency: 'IQD' }, 'currency'],
		[{ currency: 'MGA', amount: '10.50' }, 'amount'],
		[{ currency: 'KWD', amount: '1.234' }, 'amount'],
		[{ amount: '1000000' }, 'amount'],
		[{ cancellationWindow: '7d' }, 'cancellationWindow'],
	])('%j', async (params, field) => {
		await expect(place(params)).rejects.toMatchObject({ code: 422, data: [{ field }] });
		expect(await system.database.query('SELECT id FROM orders')).toEqual([]);
		expect(system.standIn.api.requests.size).toBe(0);
	});

	it('as is an amount that it is lowered to', async () => {
		const { id } = await place({ currency: 'KWD', amount: '1.250', cancellationWindow: '10m' });
		await expect(call('orders.amend', { id, amount: '1.234' })).rejects.toMatchObject({
			...{ code: 422, data: [{ field: 'amount', message: expect.stringContaining('third decimal') }] },
		});
		expect(await call('orders.amend', { id, amount: '1.230' })).toMatchObject({ amount: '1.23' });
	});

	it('but a repetition gets its first answer', async () => {
		const first = await place({ idempotencyKey: 'k' });
		expect(await place({ idempotencyKey: 'k' })).toEqual(first);
	});
});
