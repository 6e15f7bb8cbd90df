import { describe, expect, it } from '@jest/globals';
import type { OrderStatus } from '../../../domain/order-record.ts';
import type { ProviderPayment } from '../../../domain/provider.ts';
import { judge } from '../../../services/settlement/reconciliation.ts';

const MADE = 1_000;

const at = (more: Partial<ProviderPayment>): ProviderPayment => ({
	...{ orderId: 'o', reference: 'pi_1', createdAt: 2_000, currency: 'USD' },
	...{ held: 0n, captured: 0n, refunded: 0n, waits: false },
	...more,
});
const ours = (status: OrderStatus, more: object = {}) => ({
	...{ status, amount: 900n, reference: 'pi_1', refundedMinor: 0n },
	...more,
});

const ENDED: readonly OrderStatus[] = ['Cancelled', 'PaymentFailed'];
const OPEN: readonly OrderStatus[] = ['Pending', 'OnHold', 'CancelRequested', 'Confirmed'];

describe('the provider has', () => {
	it.each(ENDED)('money for an order that is %s: released, or given back', (status) => {
		expect(judge(at({ held: 1000n }), ours(status), MADE)).toMatchObject({ remedy: 'void' });
		expect(judge(at({ waits: true }), ours(status), MADE)).toMatchObject({ remedy: 'void' });
		expect(judge(at({ captured: 900n }), ours(status), MADE)).toMatchObject({ remedy: 'refund' });
		expect(judge(at({ captured: 900n, refunded: 100n }), ours(status), MADE)).toMatchObject({ remedy: 'refund' });
		expect(judge(at({ captured: 900n, refunded: 900n }), ours(status), MADE)).toBeUndefined();
		expect(judge(at({}), ours(status), MADE)).toBeUndefined();
	});

	it('a hold for an order that nobody knows: released; what was taken for one a person looks at', () => {
		expect(judge(at({ held: 1n }), undefined, MADE)).toMatchObject({ remedy: 'void' });
		expect(judge(at({ waits: true }), undefined, MADE)).toMatchObject({ remedy: 'void' });
		expect(judge(at({ captured: 1n }), undefined, MADE)).toMatchObject({ remedy: null });
		expect(judge(at({}), undefined, MADE)).toBeUndefined();
	});

	it("a payment that is older than the database: it may be another system's, and is left alone", () => {
		expect(judge(at({ held: 1n, createdAt: MADE - 1 }), undefined, MADE)).toMatchObject({ remedy: null });
		expect(judge(at({ held: 1n, createdAt: MADE }), undefined, MADE)).toMatchObject({ remedy: 'void' });
	});

	it.each(OPEN)('anything for an order that is %s: settlement is at it', (status) => {
		for (const payment of [at({ held: 1000n }), at({ captured: 900n }), at({ waits: true }), at({})]) {
			expect(judge(payment, ours(status), MADE)).toBeUndefined();
		}
	});

	it('what a shipped order paid, or says what differs', () => {
		const shipped = ours('Shipped', { refundedMinor: 100n });
		expect(judge(at({ captured: 900n, refunded: 100n }), shipped, MADE)).toBeUndefined();
		expect(judge(at({ captured: 901n, refunded: 100n }), shipped, MADE)).toMatchObject({ remedy: null });
		expect(judge(at({ captured: 900n, refunded: 0n }), shipped, MADE)).toMatchObject({ remedy: null });
		expect(judge(at({ held: 900n }), shipped, MADE)).toMatchObject({ remedy: null });
	});

	it('a second payment for a shipped order: a hold is released, a capture is told', () => {
		const shipped = ours('Shipped', { reference: 'pi_2' });
		expect(judge(at({ held: 900n }), shipped, MADE)).toMatchObject({ remedy: 'void' });
		expect(judge(at({ captured: 900n }), shipped, MADE)).toMatchObject({ remedy: null });
		expect(judge(at({}), shipped, MADE)).toBeUndefined();
	});
});
