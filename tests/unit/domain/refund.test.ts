import { describe, expect, it } from '@jest/globals';
import type { PaymentCall } from '../../../domain/commands.ts';
import type { EventType } from '../../../domain/events.ts';
import type { Order } from '../../../domain/order.ts';
import type { CallOutcome } from '../../../domain/payment.ts';
import { GRACE } from '../../../domain/sweeping.ts';
import { HOUR, type Instant, MINUTE, SECOND } from '../../../domain/time.ts';
import { at, DUE, FIXTURES, outcome, TERMS, TIMEOUT } from './order.fixtures.ts';

const THEN: Instant = DUE + HOUR;
const usd = (minor: bigint) => ({ minor, currency: 'USD' });

/** A shipped order of 10.50 USD. */
function shipped(): Order {
	const order = FIXTURES.find(({ status }) => status === 'Shipped')?.make();
	if (order === undefined) throw new Error('no shipped order');
	return order;
}

function ask(order: Order, minor: bigint | null = null, now = THEN): string {
	const asked = order.refund(minor === null ? null : usd(minor), null, at(now));
	if (!asked.ok) throw new Error(asked.error.message);
	return asked.value.id;
}

function begin(order: Order, now: Instant): PaymentCall {
	const call = order.beginPayment(at(now), TERMS);
	if (call === null) throw new Error('no call is made');
	return call;
}

const settle = (order: Order, call: PaymentCall, answer: CallOutcome | CallOutcome['kind'], now: Instant): boolean =>
	order.applyPaymentOutcome(call, typeof answer === 'string' ? outcome(answer) : answer, at(now));

const seen = ({ refunds, payment, record }: Order) => [
	refunds.map(({ status }) => status).join(),
	payment.status,
	payment.refundedMinor,
	record.sweepAt,
];

const types = (order: Order): EventType[] =>
	order.raised.flatMap((message) => (message.kind === 'event' ? [message.type] : [])).slice(-2);

const codeOf = (order: Order, minor: bigint | null): string | undefined => {
	const asked = order.refund(minor === null ? null : usd(minor), 'why', at(THEN));
	return asked.ok ? undefined : asked.error.code;
};

describe('asking for a refund', () => {
	it('is for shipped orders alone', () => {
		for (const { name, status, make } of FIXTURES) {
			expect([name, codeOf(make(), 1n)]).toEqual([name, status === 'Shipped' ? undefined : 'Orders.InvalidState']);
		}
	});

	it('never comes to more than was captured, whatever its parts have come to by then', () => {
		const order = shipped();
		expect(codeOf(order, 1051n)).toBe('Refunds.TooMuch');
		const first = ask(order, 50n);
		expect(codeOf(order, 1001n)).toBe('Refunds.TooMuch');
		ask(order, 1000n);
		expect([codeOf(order, 1n), codeOf(order, null)]).toEqual(['Refunds.TooMuch', 'Refunds.TooMuch']);
		const call = begin(order, THEN);
		expect(call.refund?.id).toBe(first);
		settle(order, call, 'unknown', THEN);
		expect(codeOf(order, 1n)).toBe('Refunds.TooMuch');
		settle(order, begin(order, THEN), 'succeeded', THEN);
		expect(codeOf(order, 1n)).toBe('Refunds.TooMuch');
		settle(order, begin(order, THEN + MINUTE), 'declined', THEN + MINUTE);
		expect(codeOf(order, 51n)).toBe('Refunds.TooMuch');
		expect(codeOf(order, 50n)).toBeUndefined();
	});

	it('without an amount gives back all that is left', () => {
		const order = shipped();
		ask(order, 49n);
		ask(order);
		expect(order.refunds.map(({ amountMinor }) => amountMinor)).toEqual([49n, 1001n]);
		expect(order.raised.at(-1)).toMatchObject({
			type: 'RefundRequested',
			data: { version: 1, refundId: order.refunds[1]?.id, amountMinor: '1001', currency: 'USD', reason: null },
		});
	});

	it('makes the sweeper look, until nothing more is awaited', () => {
		const order = shipped();
		expect(order.record.sweepAt).toBeNull();
		ask(order, 1n);
		expect(order.record.sweepAt).toBe(THEN + GRACE);
		expect([order.found(THEN + GRACE), order.needsCall(THEN + GRACE)]).toEqual([true, true]);
		const call = begin(order, THEN + GRACE);
		const { sweepAt } = order.record;
		expect(order.found(sweepAt ?? Number.NaN)).toBe(false); // a call is under way
		expect(order.record.sweepAt).toBe(THEN + GRACE + TIMEOUT + GRACE);
		ask(order, 1n, THEN + GRACE);
		settle(order, call, 'succeeded', THEN + GRACE);
		expect(order.record.sweepAt).toBe(THEN + 2 * GRACE);
		settle(order, begin(order, THEN + GRACE), 'pending', THEN + GRACE);
		expect(order.record.sweepAt).toBe(THEN + GRACE + 2 * SECOND);
		settle(order, begin(order, THEN + MINUTE), 'succeeded', THEN + MINUTE);
		expect(order.record.sweepAt).toBeNull();
	});
});

describe('a call for a refund', () => {
	it('has one key for ever, and the provider is asked before it is repeated', () => {
		const order = shipped();
		const id = ask(order, 5n);
		const first = begin(order, THEN);
		expect(first).toMatchObject({ operation: 'refund', attempt: 1, asksFirst: false, mayCall: 'same key' });
		expect(first).toMatchObject({ idempotencyKey: `${order.record.id}:refund:${id}`, amount: usd(5n) });
		expect(first.refund).toEqual({ id, reference: null });
		expect(order.beginPayment(at(THEN + TIMEOUT - 1), TERMS)).toBeNull();
		const second = begin(order, THEN + TIMEOUT);
		expect(second).toMatchObject({ attempt: 2, asksFirst: true, mayCall: 'same key', keyUsedAt: THEN });
		expect(second.idempotencyKey).toBe(first.idempotencyKey);
		expect(settle(order, first, 'unknown', THEN + TIMEOUT)).toBe(false);
		expect(settle(order, first, 'succeeded', THEN + TIMEOUT)).toBe(true);
		expect(settle(order, second, 'declined', THEN + TIMEOUT)).toBe(false);
		expect(seen(order)).toEqual(['Succeeded', 'PartiallyRefunded', 5n, null]);
		expect(types(order)).toEqual(['RefundRequested', 'RefundSucceeded']);
	});

	it.each([
		['succeeded', 'Succeeded', 'Refunded', 1050n],
		['pending', 'Requested', 'Captured', 0n],
		['declined', 'Failed', 'Captured', 0n],
		['refused', 'Failed', 'Captured', 0n],
		['gone', 'Failed', 'Captured', 0n],
		['unknown', 'Unknown', 'Captured', 0n],
		['refusesUs', 'Unknown', 'Captured', 0n],
	] as const)('that is %s makes it %s', (kind, status, payment, refunded) => {
		const order = shipped();
		ask(order);
		settle(order, begin(order, THEN), kind, THEN);
		expect(seen(order).slice(0, 3)).toEqual([status, payment, refunded]);
		expect(order.refunds[0]?.settledAt).toBe(status === 'Succeeded' || status === 'Failed' ? THEN : null);
	});

	it('that was accepted is only asked for, ever more rarely', () => {
		const order = shipped();
		ask(order);
		let now = THEN;
		settle(order, begin(order, now), 'pending', now);
		for (const wait of [2, 4, 8, 16].map((seconds) => seconds * SECOND)) {
			expect(order.needsCall(now + wait - 1)).toBe(false);
			now += wait;
			const call = begin(order, now);
			expect(call).toMatchObject({
				asksFirst: true,
				mayCall: 'no',
				mayConclude: false,
				refund: { reference: 'ref-1' },
			});
			settle(order, call, 'pending', now);
		}
		expect(seen(order).slice(0, 3)).toEqual(['Requested', 'Captured', 0n]);
		now += 2 * HOUR;
		settle(order, begin(order, now), 'pending', now);
		expect(order.record.sweepAt).toBeLessThanOrEqual(now + HOUR);
	});

	it('whose error is remembered gets no other key; what the list does not show a minute later has failed', () => {
		const order = shipped();
		ask(order);
		settle(order, begin(order, THEN), { kind: 'unknown', reason: 'stored', remembered: true }, THEN);
		const soon = begin(order, THEN + 2 * SECOND);
		expect(soon).toMatchObject({ mayCall: 'no', mayConclude: false });
		settle(order, soon, 'unknown', THEN + 2 * SECOND);
		const later = begin(order, THEN + MINUTE);
		expect(later).toMatchObject({ mayCall: 'no', mayConclude: true, keyAged: false });
		settle(order, later, { kind: 'declined', reason: 'provider error' }, THEN + MINUTE);
		expect(order.refunds[0]).toMatchObject({ status: 'Failed', failureReason: 'provider error', open: null });
		expect(order.raised.at(-1)).toMatchObject({ type: 'RefundFailed', data: { reason: 'provider error' } });
	});

	it('is not repeated under an aged key: a person decides', () => {
		const order = shipped();
		ask(order);
		settle(order, begin(order, THEN), 'unknown', THEN);
		expect(begin(order, THEN + 22 * HOUR)).toMatchObject({ mayCall: 'same key', keyAged: false });
		expect(begin(order, THEN + 23 * HOUR)).toMatchObject({ mayCall: 'no', keyAged: true });
	});
});

describe('a refund that has succeeded', () => {
	function given(): Order {
		const order = shipped();
		for (const minor of [50n, 1000n]) {
			ask(order, minor);
			settle(order, begin(order, THEN), 'succeeded', THEN);
		}
		expect(seen(order)).toEqual(['Succeeded,Succeeded', 'Refunded', 1050n, null]);
		return order;
	}

	it('is asked about on news, and fails where the provider has taken it back', () => {
		const order = given();
		expect(order.askForRefunds('ref-1', at(THEN + HOUR))).toBe(true);
		expect(order.record.sweepAt).not.toBeNull();
		const call = begin(order, THEN + HOUR);
		expect(call).toMatchObject({ asksFirst: true, mayCall: 'no', mayConclude: false, keyAged: false });
		settle(order, call, 'declined', THEN + HOUR);
		expect(seen(order).slice(0, 3)).toEqual(['Failed,Succeeded', 'PartiallyRefunded', 1000n]);
		expect(order.refunds[0]?.settledAt).toBe(THEN + HOUR);
		settle(order, begin(order, THEN + HOUR), 'declined', THEN + HOUR);
		expect(seen(order)).toEqual(['Failed,Failed', 'Captured', 0n, null]);
		expect(types(order)).toEqual(['RefundFailed', 'RefundFailed']);
		expect(codeOf(order, null)).toBeUndefined();
	});

	it.each(['succeeded', 'pending'] as const)('stays so where the answer is %s', (kind) => {
		const order = given();
		order.askForRefunds('ref-1', at(THEN + HOUR));
		for (const _ of order.refunds) settle(order, begin(order, THEN + HOUR), kind, THEN + HOUR);
		expect(seen(order)).toEqual(['Succeeded,Succeeded', 'Refunded', 1050n, null]);
		expect(order.raised.filter(({ type }) => type === 'RefundSucceeded')).toHaveLength(2);
	});

	it('is not asked about where the news is of another one, or of none', () => {
		const order = given();
		for (const changed of [null, 'ref-2', '']) expect(order.askForRefunds(changed, at(THEN + HOUR))).toBe(false);
		expect(order.beginPayment(at(THEN + HOUR), TERMS)).toBeNull();
	});

	it('is not asked about for ever', () => {
		const order = given();
		order.askForRefunds('ref-1', at(THEN + HOUR));
		let calls = 0;
		for (let now = THEN + HOUR; order.record.sweepAt !== null && calls < 100; now += MINUTE) {
			for (let call = order.beginPayment(at(now), TERMS); call !== null; call = order.beginPayment(at(now), TERMS)) {
				settle(order, call, 'unknown', now);
				calls += 1;
			}
		}
		expect([calls, seen(order)]).toEqual([18, ['Succeeded,Succeeded', 'Refunded', 1050n, null]]);
	});
});
