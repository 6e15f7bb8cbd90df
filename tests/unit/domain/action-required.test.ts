import { describe, expect, it } from '@jest/globals';
import type { Order } from '../../../domain/order.ts';
import { KEY_LIFETIME } from '../../../domain/payment.ts';
import { GRACE } from '../../../domain/sweeping.ts';
import { MINUTE, SECOND } from '../../../domain/time.ts';
import { at, call, DUE, LIMIT, outcome, PAUSED, place, START, TERMS, TIMEOUT } from './order.fixtures.ts';

function never(): never {
	throw new Error('no call is made');
}

const types = (order: Order, from = 0): string[] => order.raised.slice(from).map(({ type }) => type);
const states = ({ record, payment }: Order): string[] => [record.status, payment.status];

/** An order whose bank waits for the buyer. */
function waiting(): Order {
	const order = place();
	call(order, START, 'actionRequired');
	return order;
}

describe('while the bank waits for the buyer', () => {
	it('the order shows what to do, and keeps its window', () => {
		const order = waiting();
		expect(states(order)).toEqual(['Pending', 'ActionRequired']);
		expect(order.payment).toMatchObject({ reference: 'ref-1', action: { type: 'redirect' } });
		expect(types(order)).toEqual(['OrderPending', 'OrderDue', 'PaymentActionRequired']);
	});

	it('the provider is asked at least every minute, and only asked', () => {
		const order = waiting();
		for (let now = START, round = 0; round < 12; round++) {
			const until = order.payment.open?.attemptUntil ?? Number.NaN;
			expect(until - now).toBeLessThanOrEqual(MINUTE);
			now = until;
			expect(order.record.sweepAt).toBeLessThanOrEqual(Math.max(now, DUE));
			expect(order.beginPayment(at(now), TERMS)).toMatchObject({
				...{ operation: 'authorize', asksFirst: true, mayCall: 'no', mayConclude: false },
				reference: 'ref-1',
			});
			const made = { operation: 'authorize', attempt: round + 2, intendedAt: now, idempotencyKey: 'k' } as const;
			order.applyPaymentOutcome(made, outcome(round % 2 === 0 ? 'actionRequired' : 'unknown'), at(now));
			expect(states(order)).toEqual(['Pending', 'ActionRequired']);
		}
		expect(types(order, 3)).toEqual([]);
	});

	it('it is authorised once the buyer has acted, or declined', () => {
		const authorised = waiting();
		call(authorised, START + MINUTE, 'succeeded');
		expect(states(authorised)).toEqual(['Pending', 'Authorized']);
		expect(authorised.payment.action).toBeNull();
		const declined = waiting();
		call(declined, START + MINUTE, 'declined');
		expect(states(declined)).toEqual(['PaymentFailed', 'Declined']);
	});

	it('declined, it can no longer be paid at the provider either: asked about, and ended there, after the order', () => {
		const order = waiting();
		call(order, START + MINUTE, 'declined');
		expect(types(order, 3)).toEqual(['PaymentDeclined']);
		expect(order.record.sweepAt).toBe(START + MINUTE + GRACE);
		const made = order.beginPayment(at(START + MINUTE), TERMS);
		expect(made).toMatchObject({ operation: 'void', asksFirst: true, mayCall: 'same key', reference: 'ref-1' });
		expect(order.payment.tried).toEqual([]);
		order.applyPaymentOutcome(made ?? never(), outcome('succeeded'), at(START + MINUTE + 1));
		expect(states(order)).toEqual(['PaymentFailed', 'Declined']);
		expect(order.payment).toMatchObject({ open: null, tried: [] });
		expect([order.record.sweepAt, types(order, 4)]).toEqual([null, []]);
	});

	it.each(['gone', 'refused', 'declined'] as const)('what is left behind there and %s is done with', (kind) => {
		const order = waiting();
		call(order, START + MINUTE, 'declined');
		expect(call(order, START + MINUTE, kind)).toBe('void');
		expect([states(order), order.record.sweepAt]).toEqual([['PaymentFailed', 'Declined'], null]);
	});

	it('what is left behind there is asked for again after no answer, for as long as its key lasts', () => {
		const order = waiting();
		let now = START + MINUTE;
		call(order, now, 'declined');
		for (let calls = 0; order.record.sweepAt !== null; calls += 1) {
			expect(calls).toBeLessThan(2_000);
			now = order.payment.open?.attemptUntil ?? Number.NaN;
			expect(call(order, now, calls % 2 === 0 ? 'unknown' : 'refusesUs')).toBe('void');
			expect(states(order)).toEqual(['PaymentFailed', 'Declined']);
		}
		expect(now - START).toBeGreaterThanOrEqual(KEY_LIFETIME);
		expect(now - START).toBeLessThan(KEY_LIFETIME + 5 * MINUTE);
		expect(order.beginPayment(at(now + MINUTE), TERMS)).toBeNull();
	});

	it('a cancelled order whose buyer has failed leaves nothing behind either', () => {
		const order = waiting();
		const asked = order.beginPayment(at(PAUSED), TERMS);
		order.cancel(at(PAUSED));
		order.applyPaymentOutcome(asked ?? never(), outcome('declined'), at(PAUSED));
		expect(states(order)).toEqual(['Cancelled', 'Declined']);
		expect(call(order, PAUSED, 'succeeded')).toBe('void');
		expect([states(order), order.record.sweepAt]).toEqual([['Cancelled', 'Declined'], null]);
	});

	it('the buyer may pause, and cancel: what waits is ended at the provider, at once', () => {
		const order = waiting();
		expect(order.hold(at(PAUSED), LIMIT).ok).toBe(true);
		order.beginPayment(at(PAUSED), TERMS); // asks, and has no answer yet
		expect(order.cancel(at(PAUSED)).ok).toBe(true);
		expect(order.beginPayment(at(PAUSED), TERMS)).toMatchObject({ operation: 'void', attempt: 1, mayCall: 'same key' });
		expect(order.payment.action).toBeNull();
		const late = { operation: 'authorize', attempt: 2, intendedAt: PAUSED, idempotencyKey: 'k' } as const;
		expect(order.applyPaymentOutcome(late, outcome('succeeded'), at(PAUSED + 1))).toBe(false);
		const made = { operation: 'void', attempt: 1, intendedAt: PAUSED, idempotencyKey: 'k' } as const;
		order.applyPaymentOutcome(made, outcome('succeeded'), at(PAUSED + 2));
		expect(states(order)).toEqual(['Cancelled', 'Voided']);
	});
});

describe('at the end of the window', () => {
	function due(): Order {
		const order = waiting();
		order.wakeAtDue(DUE, at(DUE));
		expect(states(order)).toEqual(['Pending', 'ActionRequired']);
		expect(types(order, 3)).toEqual(['PaymentDue']);
		return order;
	}

	it('the provider is asked once more, and nothing held: cancelled, and ended at the provider', () => {
		const order = due();
		call(order, DUE + 1, 'actionRequired');
		expect(states(order)).toEqual(['CancelRequested', 'ActionRequired']);
		expect(call(order, DUE + 2, 'succeeded')).toBe('void');
		expect(states(order)).toEqual(['Cancelled', 'Voided']);
	});

	it('a buyer who acted before it has acted: confirmed, and captured', () => {
		const order = due();
		call(order, DUE + 1, 'succeeded');
		expect(states(order)).toEqual(['Confirmed', 'Authorized']);
		expect(types(order, 4)).toEqual(['PaymentAuthorized', 'OrderConfirmed']);
		expect(call(order, DUE + 1, 'succeeded')).toBe('capture');
	});

	it('no answer decides nothing, and an answer to a question asked before it neither', () => {
		const order = due();
		call(order, DUE + 1, 'unknown');
		expect(states(order)).toEqual(['Pending', 'ActionRequired']);
		expect(order.record.sweepAt).toBeLessThanOrEqual(DUE + 10 * SECOND);

		const early = waiting();
		const asked = early.beginPayment(at(DUE - SECOND), TERMS);
		if (asked === null) throw new Error('it was not asked');
		early.applyPaymentOutcome(asked, outcome('actionRequired'), at(DUE + SECOND));
		expect(states(early)).toEqual(['Pending', 'ActionRequired']);
		expect(early.beginPayment(at(DUE + SECOND), TERMS)).toMatchObject({ operation: 'authorize', mayCall: 'no' });
	});

	it('first seen when it is confirmed already: asked once more, ended at the provider, and failed', () => {
		const order = place();
		const made = order.beginPayment(at(START), TERMS);
		if (made === null) throw new Error('it was not asked');
		order.wakeAtDue(DUE, at(DUE));
		order.applyPaymentOutcome(made, outcome('actionRequired'), at(DUE + 1));
		expect(states(order)).toEqual(['Confirmed', 'ActionRequired']);
		expect(call(order, DUE + 1, 'actionRequired')).toBe('authorize');
		expect(states(order)).toEqual(['Confirmed', 'ActionRequired']);
		expect(call(order, DUE + 2, 'gone')).toBe('void');
		expect(states(order)).toEqual(['PaymentFailed', 'Voided']);
		expect(types(order).slice(-2)).toEqual(['PaymentVoided', 'PaymentFailed']);
		expect(order.beginPayment(at(DUE + TIMEOUT), TERMS)).toBeNull();
	});

	it('confirmed already, a late answer to a question from before due is not the answer to "once more"', () => {
		const order = place();
		const first = order.beginPayment(at(START), TERMS);
		const second = order.beginPayment(at(DUE - SECOND), TERMS);
		if (first === null || second === null) throw new Error('it was not asked');
		order.wakeAtDue(DUE, at(DUE));
		order.applyPaymentOutcome(second, outcome('actionRequired'), at(DUE + 1));
		order.applyPaymentOutcome(first, outcome('actionRequired'), at(DUE + 2));
		expect(states(order)).toEqual(['Confirmed', 'ActionRequired']);
		expect(call(order, DUE + 3, 'succeeded')).toBe('authorize'); // the buyer had acted before due
		expect(states(order)).toEqual(['Confirmed', 'Authorized']);
		expect(call(order, DUE + 3, 'succeeded')).toBe('capture');
	});
});
