/** A person decides about refunds, and reconciliation sets right what was decided wrongly. */
import { describe, expect, it } from '@jest/globals';
import type { OrderDto } from '../../../services/orders/order-dto.ts';
import type { History } from '../../../services/orders/reading.ts';
import type { RefundDto } from '../../../services/orders/refund-dto.ts';
import type { Reconciled } from '../../../services/settlement/reconciliation.ts';
import type { UndecidedPayment } from '../../../services/settlement/undecided.ts';
import { freshSystem } from '../../support/fresh-system.ts';
import { until } from '../../support/until.ts';

const system = freshSystem();
const { call, get, place, reaches } = system;

const list = async (): Promise<readonly UndecidedPayment[]> =>
	(await call<{ data: UndecidedPayment[] }>('payments.list', {})).data;
const historyOf = (id: string): Promise<History> => call('orders.history', { id });
const types = async (id: string): Promise<string[]> => (await historyOf(id)).data.map(({ type }) => type);
const resolve = (orderId: string, outcome: string, more: object = {}): Promise<OrderDto> =>
	call('payments.resolve', { orderId, outcome, note: 'seen at the provider', ...more });

/** A refund that the provider knows nothing of, under a key that has aged. */
async function forgottenRefund(): Promise<{ readonly id: string; readonly refundId: string }> {
	const { id } = await place();
	await reaches(id, 'Shipped');
	const { id: refundId } = await call<RefundDto>('orders.refund', { id, amount: '5' });
	await until(async () => (await get(id)).paymentStatus === 'PartiallyRefunded');
	await system.database.query(`DELETE FROM sandbox_operations WHERE order_id = $1 AND operation = 'refund'`, [id]);
	await system.database.query(
		`WITH p AS (UPDATE payments SET status = 'Captured', refunded_minor = 0 WHERE order_id = $1),
			r AS (UPDATE refunds SET status = 'Unknown', attempts = 1, request_version = 1, settled_at = NULL, reference = NULL,
				key_used_at = now() - interval '24 hours', attempt_until = now() WHERE id = $2)
		UPDATE orders SET sweep_at = now() WHERE id = $1`,
		[id, refundId],
	);
	await until(async () => (await list()).some((one) => one.refundId === refundId), 'it is in the list');
	return { id, refundId };
}
const refundOf = async (id: string): Promise<RefundDto | undefined> =>
	(await call<{ data: RefundDto[] }>('orders.refunds', { id })).data[0];

describe('a refund that nobody knows', () => {
	it('is in the list, and ends as a person says', async () => {
		const { id, refundId } = await forgottenRefund();
		const since = expect.stringMatching(/^\d{4}-.*Z$/);
		expect(await list()).toEqual([{ orderId: id, refundId, status: 'Unknown', operation: 'refund', since }]);
		expect((await system.application.platform.metrics.expose()).body).toMatch(/^payments_undecided 1$/m);
		const { attempts } = await historyOf(id);
		expect(attempts).toContainEqual(
			expect.objectContaining({ operation: 'refund', key: `${id}:refund:${refundId}`, outcome: 'unknown', by: 'find' }),
		);
		for (const [outcome, more, message] of [
			['captured', { refundId }, /succeeded, failed/],
			['succeeded', {}, /authorized, declined/],
		] as const) {
			const refused = { code: 422, data: [{ field: 'outcome', message: expect.stringMatching(message) }] };
			await expect(resolve(id, outcome, more)).rejects.toMatchObject(refused);
		}
		await until(() => resolve(id, 'failed', { refundId }).catch(() => undefined));
		await resolve(id, 'failed', { refundId });
		expect(await refundOf(id)).toMatchObject({ status: 'Failed', failureReason: 'The money could not be given back.' });
		const { data, attempts: left } = await historyOf(id);
		expect(left).toEqual([]);
		expect(data.slice(-2)).toMatchObject([
			{ type: 'PaymentResolved', data: { by: 'tester', refundId, operation: 'refund', outcome: 'failed' } },
			{ type: 'RefundFailed', data: { refundId, attempts: expect.any(Array) } },
		]);
		expect(await list()).toEqual([]);
		// What was left of the money can be given back in another way.
		await call('orders.refund', { id });
		await until(async () => (await get(id)).paymentStatus === 'Refunded');
	});

	it('is not what a person says where the provider knows it', async () => {
		const { id, refundId } = await forgottenRefund();
		await system.database.query(
			`INSERT INTO sandbox_operations (idempotency_key, order_id, operation, amount, outcome)
			VALUES ($1::uuid || ':refund:' || $2::text, $1, 'refund', 500, 'succeeded')`,
			[id, refundId],
		);
		await until(() =>
			resolve(id, 'failed', { refundId }).then(
				() => Promise.reject(new Error('it was accepted')),
				(error: Error) => /says that the refund was done|nothing to decide/.test(error.message),
			),
		);
		expect(await refundOf(id)).toMatchObject({ status: 'Succeeded' });
		expect(await get(id)).toMatchObject({ paymentStatus: 'PartiallyRefunded' });
		expect(await types(id)).not.toContain('PaymentResolved');
	});
});

describe('a refund that counts as failed though the provider gave it', () => {
	it('is set right by reconciliation, with its event; a dry run only tells', async () => {
		const { id, refundId } = await forgottenRefund();
		await until(() => resolve(id, 'failed', { refundId }).catch(() => undefined));
		const nothing = await call<Reconciled>('settlement.reconcile', {});
		expect(nothing.differences).toEqual([]);
		await system.database.query(
			`INSERT INTO sandbox_operations (idempotency_key, order_id, operation, amount, outcome)
			VALUES ($1::uuid || ':refund:' || $2::text, $1, 'refund', 500, 'succeeded')`,
			[id, refundId],
		);
		const difference = { orderId: id, problem: expect.stringContaining(refundId), remedy: 'correct' };
		const dry = await call<Reconciled>('settlement.reconcile', { dryRun: true });
		expect(dry.differences).toContainEqual(expect.objectContaining({ ...difference, outcome: null }));
		expect(await refundOf(id)).toMatchObject({ status: 'Failed' });
		const wet = await call<Reconciled>('settlement.reconcile', {});
		expect(wet.differences).toEqual([expect.objectContaining({ ...difference, outcome: 'succeeded' })]);
		expect(await refundOf(id)).toMatchObject({ status: 'Succeeded', failureReason: null });
		expect(await get(id)).toMatchObject({ paymentStatus: 'PartiallyRefunded', refundedAmount: '5' });
		expect((await types(id)).slice(-2)).toEqual(['RefundFailed', 'RefundSucceeded']);
		expect((await call<Reconciled>('settlement.reconcile', {})).differences).toEqual([]);
	});
});
