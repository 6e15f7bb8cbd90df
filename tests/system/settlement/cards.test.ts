/** What becomes of an order that is paid with each difficult card of the sandbox. */
import { expect, it } from '@jest/globals';
import { SECOND } from '../../../domain/time.ts';
import type { OrderDto } from '../../../services/orders/order-dto.ts';
import { freshSystem } from '../../support/fresh-system.ts';

const system = freshSystem();
const { call, reaches } = system;

const place = (paymentMethod: string, cancellationWindow: string): Promise<OrderDto> =>
	call('orders.create', { productName: 'Tea', amount: '19.90', paymentMethod, cancellationWindow });

/** The rows of `sandbox_operations` as `key operation outcome`, the key without the order. */
async function journal(id: string): Promise<string[]> {
	const rows = await system.database.query<{ row: string }>(
		`SELECT replace(idempotency_key, order_id || ':', '') || ' ' || operation || ' ' || outcome AS row
		FROM sandbox_operations WHERE order_id = $1 ORDER BY created_at`,
		[id],
	);
	return rows.map(({ row }) => row);
}

it('card_remembered_error: the capture is done under its second key, and the order ships', async () => {
	const { id } = await place('card_remembered_error', '1s');
	await reaches(id, { status: 'Shipped', paymentStatus: 'Captured' });
	expect(await journal(id)).toEqual(['authorize authorize succeeded', 'capture:2 capture succeeded']);
});

it('card_remembered_error: the void is done under its second key, and the order is cancelled', async () => {
	const { id } = await place('card_remembered_error', '10m');
	await reaches(id, { paymentStatus: 'Authorized' });
	await call('orders.cancel', { id });
	await reaches(id, { status: 'Cancelled', paymentStatus: 'Voided' });
	expect(await journal(id)).toEqual(['authorize authorize succeeded', 'void:2 void succeeded']);
});

it('card_short_hold: the order shows when the hold ends; once it has lapsed, nothing is captured or shipped', async () => {
	const { id } = await place('card_short_hold', '3s');
	const { captureBefore, createdAt } = await reaches(id, { paymentStatus: 'Authorized' });
	const held = Date.parse(captureBefore ?? '') - Date.parse(createdAt);
	expect(held).toBeGreaterThanOrEqual(20 * SECOND);
	expect(held).toBeLessThan(23 * SECOND);
	// As if the 20 s had passed.
	await system.database.query(`UPDATE sandbox_operations SET created_at = created_at - interval '20 s'`);
	await reaches(id, { status: 'PaymentFailed' });
	expect((await journal(id)).filter((row) => row.includes('capture') && row.endsWith('succeeded'))).toEqual([]);
});
