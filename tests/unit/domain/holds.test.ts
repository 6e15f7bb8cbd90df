import { describe, expect, it } from '@jest/globals';
import type { Order } from '../../../domain/order.ts';
import { DAY, HOUR, MINUTE, SECOND } from '../../../domain/time.ts';
import { at, call, DUE, LIMIT, made, outcome, PAUSED, place, START, TERMS } from './order.fixtures.ts';

const states = ({ record, payment }: Order): string[] => [record.status, payment.status];

/** An order whose money is held until `captureBefore`. */
function held(captureBefore: number, prepare = (_order: Order): unknown => undefined): Order {
	const order = place();
	order.beginPayment(at(START), TERMS);
	prepare(order);
	order.applyPaymentOutcome(made('authorize', 1), { kind: 'succeeded', reference: 'r', captureBefore }, at(PAUSED));
	return order;
}

/** The latest end of a pause of an order whose hold ends after three hours: the rest of the window comes after it, and an hour. */
const END = START + 3 * HOUR - (DUE - PAUSED) - HOUR;

describe('a hold that ends by itself', () => {
	it('is never over before the end of a window that was resumed at the last moment', () => {
		const order = held(START + 3 * HOUR);
		order.hold(at(PAUSED), LIMIT);
		expect(order.resume(at(END)).ok).toBe(false);
		expect(order.resume(at(END - 1)).ok).toBe(true);
		expect(order.record.pendingUntil).toBe(START + 2 * HOUR - 1);
		// The rest is short now, but never less than a minute.
		const late = order.record.pendingUntil - SECOND;
		expect(order.hold(at(late), LIMIT)).toMatchObject({ error: { code: 'Orders.WindowClosed' } });
		const soon = held(PAUSED + HOUR + MINUTE);
		expect(soon.hold(at(PAUSED), LIMIT)).toMatchObject({ error: { code: 'Orders.WindowClosed' } });
	});

	it('limits a pause, so that the rest of the window is over an hour before its end', () => {
		const order = held(START + 3 * HOUR);
		expect(order.payment.captureBefore).toBe(START + 3 * HOUR);
		order.hold(at(PAUSED), LIMIT);
		expect(order.record.holdExpiresAt).toBe(END);
		const long = held(START + 7 * DAY);
		long.hold(at(PAUSED), LIMIT);
		expect(long.record.holdExpiresAt).toBe(PAUSED + LIMIT);
	});

	it('limits a pause that began before it was known, and refuses one that comes too late', () => {
		const order = held(START + 3 * HOUR, (paused) => paused.hold(at(PAUSED), LIMIT));
		expect(order.record.holdExpiresAt).toBe(END);
		expect(order.raised.at(-1)).toMatchObject({ type: 'HoldExpired', at: END });
		order.wakeAtHoldLimit(END, at(END));
		expect(order.record.status).toBe('CancelRequested');
		expect(held(PAUSED + 20 * SECOND).hold(at(PAUSED), LIMIT)).toMatchObject({
			error: { code: 'Orders.WindowClosed' },
		});
	});

	it('that has lapsed is seen when the provider is asked, or at the capture', () => {
		const asked = held(START + 3 * HOUR);
		asked.askProvider(at(PAUSED));
		expect(asked.beginPayment(at(PAUSED), TERMS)).toMatchObject({
			operation: 'authorize',
			asksFirst: true,
			mayCall: 'no',
		});
		asked.applyPaymentOutcome(made('authorize', 2), outcome('gone'), at(PAUSED));
		expect(states(asked)).toEqual(['PaymentFailed', 'Failed']);
		const captured = held(START + 3 * HOUR);
		captured.wakeAtDue(DUE, at(DUE));
		expect(call(captured, DUE, 'gone')).toBe('capture');
		expect(states(captured)).toEqual(['PaymentFailed', 'Failed']);
	});

	it('is asked for without harm: held still, no answer, or cancelled meanwhile', () => {
		for (const kind of ['succeeded', 'unknown', 'actionRequired'] as const) {
			const order = held(START + 3 * HOUR);
			const events = order.raised.length;
			order.askProvider(at(PAUSED));
			call(order, PAUSED, kind);
			expect(states(order)).toEqual(['Pending', 'Authorized']);
			expect(order.payment.open).toBeNull();
			expect(order.raised).toHaveLength(events + 1);
		}
		const cancelled = held(START + 3 * HOUR);
		cancelled.askProvider(at(PAUSED));
		cancelled.cancel(at(PAUSED));
		call(cancelled, PAUSED, 'gone');
		expect(states(cancelled)).toEqual(['Cancelled', 'Voided']);
	});
});

describe('an amount that the buyer lowers', () => {
	const usd = (minor: bigint) => ({ minor, currency: 'USD' });

	it('is what the capture takes; what is held stays as it was asked for', () => {
		const order = place();
		call(order, START, 'succeeded');
		expect(order.amend(usd(700n), at(PAUSED)).ok).toBe(true);
		expect(order.raised.at(-1)).toMatchObject({
			type: 'OrderAmended',
			data: { amountMinor: '700', previousMinor: '1050' },
		});
		order.hold(at(PAUSED), LIMIT);
		expect(order.amend(usd(600n), at(PAUSED + 1)).ok).toBe(true);
		order.resume(at(PAUSED + 2));
		order.wakeWithoutMessage(at(DUE + HOUR));
		expect(order.beginPayment(at(DUE + HOUR), TERMS)).toMatchObject({ operation: 'capture', amount: usd(600n) });
		expect(order.payment.authorizedMinor).toBe(1050n);
	});

	it('changes nothing of an authorisation that may be under way', () => {
		const order = place();
		order.beginPayment(at(START), TERMS);
		order.amend(usd(700n), at(START + 1));
		expect(order.beginPayment(at(START + MINUTE), TERMS)).toMatchObject({ operation: 'authorize', amount: usd(1050n) });
		const early = place();
		early.amend(usd(700n), at(START));
		expect(early.beginPayment(at(START), TERMS)).toMatchObject({ amount: usd(700n) });
		expect(early.payment.authorizedMinor).toBe(700n);
	});

	it('is refused when it is not lower, or too late; the same changes nothing', () => {
		const order = place();
		const events = order.raised.length;
		expect(order.amend(usd(1050n), at(START)).ok).toBe(true);
		expect(order.raised).toHaveLength(events);
		for (const wrong of [usd(0n), usd(1051n), { minor: 5n, currency: 'EUR' }]) {
			expect(order.amend(wrong, at(START))).toMatchObject({ error: { code: 'Validation.Failed' } });
		}
		expect(order.amend(usd(1050n), at(DUE))).toMatchObject({ error: { code: 'Orders.WindowClosed' } });
	});
});

describe('a key whose answer is a remembered error', () => {
	it('gives way to the next, for a capture and a void, once the provider shows that nothing was done', () => {
		const order = place();
		call(order, START, 'succeeded');
		order.wakeAtDue(DUE, at(DUE));
		expect(order.beginPayment(at(DUE), TERMS)?.idempotencyKey).toBe(`${order.record.id}:capture`);
		order.applyPaymentOutcome(made('capture', 1), outcome('notDone'), at(DUE));
		const again = order.beginPayment(at(DUE + MINUTE), TERMS);
		expect(again).toMatchObject({ attempt: 2, asksFirst: true, mayCall: 'same key' });
		expect(again?.idempotencyKey).toBe(`${order.record.id}:capture:2`);
	});

	it('is never followed by another for an authorise: a minute later the list decides', () => {
		const order = place();
		order.beginPayment(at(START), TERMS);
		const remembered = { kind: 'unknown', reason: 'a server error', remembered: true } as const;
		order.applyPaymentOutcome(made('authorize', 1), remembered, at(START + 1));
		const key = `${order.record.id}:authorize`;
		const soon = order.beginPayment(at(START + 30 * SECOND), TERMS);
		expect(soon).toMatchObject({ idempotencyKey: key, mayCall: 'no', mayConclude: false });
		order.applyPaymentOutcome(made('authorize', 2), outcome('unknown'), at(START + 31 * SECOND));
		const later = order.beginPayment(at(START + 2 * MINUTE), TERMS);
		expect(later).toMatchObject({ idempotencyKey: key, mayCall: 'no', mayConclude: true });
	});
});
