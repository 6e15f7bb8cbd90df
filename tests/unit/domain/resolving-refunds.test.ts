import { describe, expect, it } from '@jest/globals';
import type { Resolution, ResolutionOutcome } from '../../../domain/decision.ts';
import type { Order } from '../../../domain/order.ts';
import type { Finding } from '../../../domain/provider.ts';
import { DAY, HOUR, SECOND } from '../../../domain/time.ts';
import { at, DUE, FIXTURES, outcome, TERMS, TIMEOUT } from './order.fixtures.ts';

const THEN = DUE + HOUR;
const AGED = THEN + DAY;

/** A shipped order of 10.50 USD with a refund of so much whose call had no answer. */
function unknown(minor: bigint): { readonly order: Order; readonly refundId: string } {
	const order = FIXTURES.find(({ status }) => status === 'Shipped')?.make();
	if (order === undefined) throw new Error('no shipped order');
	return { order, refundId: lost(order, minor) };
}

function ask(order: Order, minor: bigint): string {
	const asked = order.refund({ minor, currency: 'USD' }, null, at(THEN));
	if (!asked.ok) throw new Error(asked.error.message);
	return asked.value.id;
}

function lost(order: Order, minor: bigint): string {
	const id = ask(order, minor);
	answer(order, 'unknown', THEN);
	return id;
}

function answer(order: Order, kind: Parameters<typeof outcome>[0], now: number, more: object = {}): void {
	const call = order.beginPayment(at(now), TERMS);
	if (call === null) throw new Error('no call is made');
	order.applyPaymentOutcome(call, { ...outcome(kind), ...more }, at(now));
}

/** Decides after the provider was asked; the types of what was raised, or the refusal. */
function decide(
	order: Order,
	refundId: string,
	what: ResolutionOutcome,
	found: Finding | null = null,
	now = AGED,
): string[] | string {
	const from = order.raised.length;
	const resolution: Resolution = { refundId, outcome: what, reference: null, note: 'seen there', by: 'olga' };
	const asked = order.beginResolution(resolution, at(now), TERMS);
	if (!asked.ok) return asked.error.message;
	expect(asked.value).toMatchObject({ operation: 'refund', refund: { id: refundId } });
	expect(order.needsCall(now + TIMEOUT - 1)).toBe(false); // nobody calls meanwhile
	const result = order.resolve(asked.value, found, resolution, at(now));
	return result.ok ? order.raised.slice(from).map(({ type }) => type) : result.error.message;
}

const seen = ({ refunds, payment }: Order): unknown[] => [
	refunds.map(({ status }) => status).join(),
	payment.status,
	payment.refundedMinor,
];

describe('a person decides about a refund', () => {
	it.each([
		['succeeded', 'RefundSucceeded', ['Succeeded', 'PartiallyRefunded', 50n]],
		['failed', 'RefundFailed', ['Failed', 'Captured', 0n]],
	] as const)('%s, where the provider knows nothing or does not answer', (what, type, ends) => {
		for (const found of [null, { kind: 'notFound' }, { kind: 'unknown', reason: 'why' }] as const) {
			const { order, refundId } = unknown(50n);
			expect(decide(order, refundId, what, found)).toEqual(['PaymentResolved', type]);
			expect(seen(order)).toEqual(ends);
			expect(order.refunds[0]).toMatchObject({ settledAt: AGED, open: null, tried: [], undecidedSince: null });
			expect(order.record.sweepAt).toBeNull();
			expect(order.raised.at(-2)).toMatchObject({
				type: 'PaymentResolved',
				data: { by: 'olga', note: 'seen there', operation: 'refund', refundId, outcome: what, reference: null },
			});
			expect(order.raised.at(-1)).toMatchObject({ data: { attempts: [{ by: 'call' }, { attempt: 2, by: 'find' }] } });
		}
	});

	it.each<[Finding['kind'], ResolutionOutcome, string | null]>([
		['succeeded', 'succeeded', null],
		['succeeded', 'failed', 'Succeeded'],
		['declined', 'failed', null],
		['declined', 'succeeded', 'Failed'],
		['refused', 'succeeded', 'Failed'],
		['pending', 'failed', 'Unknown'],
		['pending', 'succeeded', 'Unknown'],
		['notDone', 'failed', null],
		['notDone', 'succeeded', 'Unknown'],
	])('the provider says %s, the person %s', (kind, what, status) => {
		const { order, refundId } = unknown(50n);
		const found: Finding = kind === 'notDone' ? { kind } : (outcome(kind as 'succeeded') as Finding);
		const said = decide(order, refundId, what, found);
		if (status === null) expect(said).toHaveLength(2);
		else {
			expect(said).toMatch(/^The provider was asked, and says that the refund .*counts/);
			expect(order.refunds[0]?.status).toBe(status);
			expect(order.raised.some(({ type }) => type === 'PaymentResolved')).toBe(false);
		}
	});

	it('not while a call may arrive, nor about one that is not undecided or not there', () => {
		const { order, refundId } = unknown(50n);
		expect(decide(order, refundId, 'failed', null, THEN + TIMEOUT - 1)).toMatch(
			new RegExp(`under way. Decide again from ${new Date(THEN + TIMEOUT).toISOString()} on`),
		);
		expect(decide(order, refundId, 'captured')).toMatch(/can end as succeeded, failed/);
		expect(decide(order, 'another', 'failed')).toBe('The order has no such refund.');
		decide(order, refundId, 'failed');
		expect(decide(order, refundId, 'succeeded')).toMatch(/Failed: there is nothing to decide/);
	});

	it('and what comes later counts no more; the refund that it leaves room for can be asked for', () => {
		const { order, refundId } = unknown(1050n);
		expect(order.refund(null, null, at(THEN)).ok).toBe(false);
		decide(order, refundId, 'failed');
		const late = { operation: 'refund', attempt: 1, intendedAt: THEN, idempotencyKey: '' } as const;
		const refund = { id: refundId, reference: null };
		expect(order.applyPaymentOutcome({ ...late, refund }, outcome('succeeded'), at(AGED + 1))).toBe(false);
		expect(order.refund(null, null, at(AGED)).ok).toBe(true);
	});
});

describe('what was tried for a refund', () => {
	it('is kept while its outcome is not known, and stands in the event of its end', () => {
		const { order, refundId } = unknown(50n);
		const key = `${order.record.id}:refund:${refundId}`;
		expect(order.refunds[0]).toMatchObject({
			tried: [{ operation: 'refund', attempt: 1, key, outcome: 'unknown', by: 'call', reference: null }],
			undecidedSince: THEN,
		});
		answer(order, 'unknown', THEN + HOUR);
		expect(order.refunds[0]).toMatchObject({ tried: [{ attempt: 1 }, { attempt: 2 }], undecidedSince: THEN });
		answer(order, 'succeeded', THEN + 2 * HOUR, { found: true, requestId: 'req_3' });
		expect(order.refunds[0]).toMatchObject({ tried: [], undecidedSince: null });
		expect(order.raised.at(-1)).toMatchObject({
			type: 'RefundSucceeded',
			data: {
				attempts: [{ attempt: 1 }, { attempt: 2 }, { attempt: 3, by: 'find', requestId: 'req_3', reference: 'ref-1' }],
			},
		});
	});

	it('of a refund that goes straight on stands in its event alone', () => {
		const { order } = unknown(50n);
		ask(order, 1n);
		const second = order.refunds[1];
		answer(order, 'succeeded', THEN + SECOND / 2);
		expect(second?.tried).toEqual([]);
		expect(order.refunds[1]?.tried).toEqual([]);
		expect(order.raised.at(-1)).toMatchObject({
			data: { attempts: [{ attempt: 1, outcome: 'succeeded', by: 'call' }] },
		});
	});
});

describe('a refund that counts as failed though the provider gave it', () => {
	it('is set back to succeeded, with its event', () => {
		const { order, refundId } = unknown(50n);
		decide(order, refundId, 'failed');
		const from = order.raised.length;
		expect(order.correctRefund(refundId, 're_1', at(AGED + 1))).toBe(true);
		expect(seen(order)).toEqual(['Succeeded', 'PartiallyRefunded', 50n]);
		expect(order.refunds[0]).toMatchObject({ reference: 're_1', settledAt: AGED + 1, failureReason: null, open: null });
		expect(order.raised.slice(from)).toMatchObject([{ type: 'RefundSucceeded', data: { refundId } }]);
		expect(order.correctRefund(refundId, 're_1', at(AGED + 2))).toBe(false);
	});

	it('not while another in its place counts: together they would be more than was taken (I9)', () => {
		const { order, refundId } = unknown(1050n);
		decide(order, refundId, 'failed');
		const other = order.refund(null, null, at(AGED));
		if (!other.ok) throw new Error(other.error.message);
		expect(order.correctRefund(refundId, null, at(AGED + 1))).toBe(false);
		expect(seen(order)).toEqual(['Failed,Requested', 'Captured', 0n]);
		answer(order, 'refused', AGED + 2);
		expect(order.correctRefund(refundId, null, at(AGED + 3))).toBe(true);
		expect(seen(order)).toEqual(['Succeeded,Failed', 'Refunded', 1050n]);
	});
});
