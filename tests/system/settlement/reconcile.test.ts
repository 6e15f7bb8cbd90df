/** Reconciliation with Stripe's list, on the stand-in: what survives a restored backup, and money that should not be where it is. */
import { expect, it } from '@jest/globals';
import type { OrderDto } from '../../../services/orders/order-dto.ts';
import type { Reconciled } from '../../../services/settlement/reconciliation.ts';
import { freshSystem } from '../../support/stripe/fresh-system.ts';
import { until } from '../../support/until.ts';

const system = freshSystem({ PROVIDER_TIMEOUT: '2s', STRIPE_CALLS_PER_SECOND: '1000' });

const { call } = system;
const place = (cancellationWindow = '10m'): Promise<OrderDto> => system.place({ cancellationWindow });
const is = (id: string, wanted: Partial<OrderDto>): Promise<unknown> =>
	until(
		async () => {
			const order = await call<OrderDto>('orders.get', { id });
			return Object.entries(wanted).every(([name, value]) => order[name as keyof OrderDto] === value);
		},
		`${id} is ${JSON.stringify(wanted)}`,
	);
const breaches = async (): Promise<string | undefined> =>
	/^settlement_breaches_total (\d+)$/m.exec(await (await fetch(`${system.application.url}/metrics`)).text())?.[1];

it('gives back what was taken for an order that was cancelled, releases what an order that failed still holds, and counts', async () => {
	const [cancelled, failed, shipped] = await Promise.all([place('1s'), place(), place('1s')]);
	for (const { id } of [cancelled, shipped]) await is(id, { status: 'Shipped' });
	await is(failed.id, { paymentStatus: 'Authorized' });
	// As a bug of ours or a person in Stripe's dashboard could have left it.
	await system.database.query(
		`UPDATE orders SET status = 'Cancelled', cancelled_at = now(), shipped_at = NULL WHERE id = $1`,
		[cancelled.id],
	);
	await system.database.query(
		`UPDATE orders SET status = 'PaymentFailed', failed_at = now(), sweep_at = NULL WHERE id = $1`,
		[failed.id],
	);
	const { differences, ...figures } = await call<Reconciled>('settlement.reconcile');
	expect(figures).toEqual({ checked: 3, voided: 1, refunded: 1, more: false });
	expect(differences).toHaveLength(2);
	expect(system.standIn.book().get(cancelled.id)).toMatchObject({ captured: 1990, refunded: 1990 });
	expect(system.standIn.book().get(failed.id)).toMatchObject({ captured: 0, held: 0 });
	expect(system.standIn.book().get(shipped.id)).toMatchObject({ captured: 1990, refunded: 0 });
	expect(await breaches()).toBe('1');
	expect(await call('settlement.reconcile')).toMatchObject({ voided: 0, refunded: 0 });
	expect(await breaches()).toBe('1');
	expect(system.standIn.book().get(cancelled.id)).toMatchObject({ refunded: 1990 });
});

it('takes a time, and refuses what is none', async () => {
	await place();
	expect(await call('settlement.reconcile', { since: '2020-01-01T00:00:00Z', until: '2020-01-02T00:00:00Z' })).toEqual({
		...{ checked: 0, voided: 0, refunded: 0, differences: [], more: false },
	});
	await expect(call('settlement.reconcile', { since: 'yesterday' })).rejects.toMatchObject({
		...{ code: 422, data: [{ field: 'since' }] },
	});
});
