import { describe, expect, it } from '@jest/globals';
import type { Raised } from '../../../domain/events.ts';
import type { Order } from '../../../domain/order.ts';
import type { OrderStatus } from '../../../domain/order-record.ts';
import { newPayment, type PaymentStatus } from '../../../domain/payment.ts';
import type { PaymentOperation } from '../../../domain/provider.ts';
import { type Duration, HOUR, type Instant, MINUTE, SECOND } from '../../../domain/time.ts';
import {
	at,
	call,
	DUE,
	FIXTURES,
	LIMIT,
	LIMIT_AT,
	made,
	outcome,
	PAUSED,
	place,
	START,
	TERMS,
	TIMEOUT,
	withStatus,
} from './order.fixtures.ts';

const types = (raised: readonly Raised[]): string[] => raised.map(({ type }) => type);
const wakeUps = (order: Order) => order.raised.filter((message) => message.kind === 'wake-up');
const ofStatus = (status: OrderStatus, payment?: PaymentStatus): Order => {
	const found = withStatus(status).find((fixture) => payment === undefined || fixture.payment === payment);
	if (found === undefined) throw new Error(`no fixture ${status} / ${payment}`);
	return found.make();
};
/** What the step raised, by type. */
function during(order: Order, step: (order: Order) => unknown): string[] {
	const already = order.raised.length;
	step(order);
	return types(order.raised.slice(already));
}

describe('a new order', () => {
	it('is Pending until the end of its window, with the first event and its wake-up', () => {
		const order = place({ cancellationWindow: 90 * SECOND });
		expect(order.record).toMatchObject({ status: 'Pending', createdAt: START, pendingUntil: START + 90 * SECOND });
		expect(order.payment).toEqual(newPayment());
		expect(order.shipment).toBeNull();
		expect(order.raised).toMatchObject([
			{ kind: 'event', type: 'OrderPending', sequence: 1, occurredAt: START, orderId: order.record.id },
			{ kind: 'wake-up', type: 'OrderDue', at: START + 90 * SECOND, orderId: order.record.id },
		]);
		expect(new Set([order.record.id, ...order.raised.map(({ id }) => id)]).size).toBe(3);
	});
});

type Step = (order: Order) => unknown;
type Row = [from: OrderStatus, payment: PaymentStatus, on: string, step: Step, to: OrderStatus, raised: string[]];
const paid = (operation: PaymentOperation, kind: Parameters<typeof outcome>[0], now: Instant) => (order: Order) =>
	order.applyPaymentOutcome(made(operation, 1), outcome(kind), at(now));
const deliver = (now: Instant) => (order: Order) => {
	order.beginHandOver(at(now), TIMEOUT);
	order.applyHandOverOutcome(1, { kind: 'succeeded', parcel: 'P1' }, at(now));
};
const payThen = (kind: Parameters<typeof outcome>[0], now: Instant) => (order: Order) => call(order, now, kind);
const expire: Step = (order) => order.wakeAtHoldLimit(LIMIT_AT, at(LIMIT_AT));
const due = (now: Instant) => (order: Order) => order.wakeAtDue(DUE, at(now));
const sweep = (now: Instant) => (order: Order) => order.wakeWithoutMessage(at(now));
const unasked: Step = (order) => order.beginPayment(at(PAUSED), TERMS);
const HELD = ['OrderHeld', 'HoldExpired'];
const RESUMED = ['OrderResumed', 'OrderDue'];
const CANCEL = ['OrderCancelRequested'];
const VOIDED = ['PaymentVoided', 'OrderCancelled'];
const NO_HOLD = ['PaymentDeclined', 'OrderCancelled'];

describe('the state table', () => {
	it.each<Row>([
		['Pending', 'Authorized', 'pause', (order) => order.hold(at(DUE - 1), LIMIT), 'OnHold', HELD],
		['OnHold', 'Authorized', 'resume', (order) => order.resume(at(LIMIT_AT - 1)), 'Pending', RESUMED],
		['Pending', 'Authorized', 'cancel', (order) => order.cancel(at(DUE - 1)), 'CancelRequested', CANCEL],
		['OnHold', 'Authorized', 'cancel', (order) => order.cancel(at(DUE)), 'CancelRequested', CANCEL],
		['OnHold', 'Requested', 'cancel, late', (order) => order.cancel(at(LIMIT_AT)), 'CancelRequested', CANCEL],
		['OnHold', 'Authorized', 'hold limit', expire, 'CancelRequested', CANCEL],
		['OnHold', 'Unknown', 'hold limit, swept', sweep(LIMIT_AT), 'CancelRequested', CANCEL],
		['CancelRequested', 'Requested', 'money never asked for', unasked, 'Cancelled', VOIDED],
		['CancelRequested', 'Authorized', 'voided', payThen('succeeded', PAUSED), 'Cancelled', VOIDED],
		['CancelRequested', 'Authorized', 'nothing held any more', payThen('gone', PAUSED), 'Cancelled', VOIDED],
		['CancelRequested', 'Unknown', 'declined', paid('authorize', 'declined', PAUSED), 'Cancelled', NO_HOLD],
		['Pending', 'Requested', 'due', due(DUE), 'Confirmed', ['OrderConfirmed']],
		['Pending', 'Authorized', 'due, late', due(DUE + HOUR), 'Confirmed', ['OrderConfirmed']],
		['Pending', 'Authorized', 'due, swept', sweep(DUE), 'Confirmed', ['OrderConfirmed']],
		['Confirmed', 'Captured', 'handed over', deliver(DUE), 'Shipped', ['OrderShipped']],
		['Pending', 'Requested', 'declined', payThen('declined', START), 'PaymentFailed', ['PaymentDeclined']],
		['OnHold', 'Requested', 'declined', payThen('declined', PAUSED), 'PaymentFailed', ['PaymentDeclined']],
		['Confirmed', 'Requested', 'declined', payThen('refused', DUE), 'PaymentFailed', ['PaymentDeclined']],
		['Confirmed', 'Authorized', 'capture refused', payThen('refused', DUE), 'PaymentFailed', ['PaymentFailed']],
	])('%s (%s) on %s', (from, payment, _on, step, to, raised) => {
		const order = ofStatus(from, payment);
		const { sequence } = order.record;
		expect(during(order, step)).toEqual(raised);
		expect(order.record.status).toBe(to);
		const events = order.raised.filter((message) => message.kind === 'event');
		expect(events.map((event) => event.sequence)).toEqual(events.map((_, index) => index + 1));
		expect(order.record.sequence).toBeGreaterThan(sequence);
		expect(order.record.sequence).toBe(events.length);
	});

	it('notes when and why', () => {
		expect(ofStatus('Confirmed').record).toMatchObject({ confirmedAt: DUE, cancelledAt: null, failedAt: null });
		expect(ofStatus('Shipped').record).toMatchObject({ confirmedAt: DUE, shippedAt: DUE, failureReason: null });
		expect(ofStatus('Cancelled').record).toMatchObject({ cancelledAt: PAUSED, confirmedAt: null, heldAt: null });
		expect(ofStatus('PaymentFailed').record).toMatchObject({ failedAt: START, failureReason: 'because declined' });
	});
});

const OVER = 'Orders.WindowClosed';
const INVALID = 'Orders.InvalidState';
const SAME = 'unchanged';

/** An order that was paused for a second, 1 s after it was placed, under a hold limit of 30 s. */
function resumedOnce(): Order {
	const order = place();
	order.hold(at(START + SECOND), 30 * SECOND);
	order.resume(at(START + 2 * SECOND));
	return order;
}
const HELD_LONG = START + 31 * SECOND;

type Case = [order: string, now: Instant, cancel: string, hold: string, resume: string, make: () => Order];
const cases: readonly Case[] = [
	...withStatus('Pending').flatMap(({ name, make }): Case[] => [
		[`${name} at the last moment`, DUE - 1, 'CancelRequested', 'OnHold', SAME, make],
		[`${name} at due`, DUE, OVER, OVER, OVER, make],
		[`${name} after due`, DUE + HOUR, OVER, OVER, OVER, make],
	]),
	['resumed, before its hold limit', HELD_LONG - 1, 'CancelRequested', 'OnHold', SAME, resumedOnce],
	['resumed, at its hold limit', HELD_LONG, 'CancelRequested', OVER, OVER, resumedOnce],
	...withStatus('OnHold').flatMap(({ name, make }): Case[] => [
		[`${name}, its due interrupted`, DUE + HOUR, 'CancelRequested', SAME, 'Pending', make],
		[`${name} before its limit`, LIMIT_AT - 1, 'CancelRequested', SAME, 'Pending', make],
		[`${name} at its limit`, LIMIT_AT, 'CancelRequested', OVER, OVER, make],
	]),
	...withStatus('CancelRequested', 'Cancelled').flatMap(({ name, make }): Case[] => [
		[name, PAUSED, SAME, INVALID, INVALID, make],
		[`${name}, long after`, LIMIT_AT, SAME, INVALID, INVALID, make],
	]),
	...withStatus('Confirmed', 'Shipped').map(({ name, make }): Case => [name, DUE + 1, OVER, OVER, OVER, make]),
	...withStatus('PaymentFailed').map(({ name, make }): Case => [name, DUE + 1, INVALID, INVALID, INVALID, make]),
];

describe("the buyer's commands", () => {
	it.each(cases)('%s (%i): cancel %s, hold %s, resume %s', (_name, now, cancel, hold, resume, make) => {
		const commands = [
			{ expected: cancel, run: (order: Order) => order.cancel(at(now)) },
			{ expected: hold, run: (order: Order) => order.hold(at(now), LIMIT) },
			{ expected: resume, run: (order: Order) => order.resume(at(now)) },
		];
		for (const { expected, run } of commands) {
			const order = make();
			const { record, payment, shipment } = order;
			const raised = order.raised.length;
			const answer = run(order);
			const refused = expected === OVER || expected === INVALID;
			if (refused) expect(answer).toMatchObject({ ok: false, error: { code: expected } });
			else expect(answer).toEqual({ ok: true, value: undefined });
			expect([order.payment, order.shipment]).toEqual([payment, shipment]);
			if (refused || expected === SAME) {
				expect(order.record).toBe(record);
				expect(order.raised).toHaveLength(raised);
			} else expect(order.record.status).toBe(expected);
		}
	});
});

describe('resuming', () => {
	it.each<[window: Duration, pausedAfter: Duration, rest: Duration]>([
		[10 * MINUTE, 2 * MINUTE, 8 * MINUTE],
		[10 * MINUTE, 9 * MINUTE, MINUTE],
		[10 * MINUTE, 9 * MINUTE + 1, MINUTE],
		[10 * MINUTE, 10 * MINUTE - 1, MINUTE],
		[MINUTE, 59 * SECOND, MINUTE],
		[45 * SECOND, 44 * SECOND, 45 * SECOND],
		[SECOND, 1, SECOND],
	])('leaves, of %i ms paused after %i, %i', (window, pausedAfter, rest) => {
		const order = place({ cancellationWindow: window });
		order.hold(at(START + pausedAfter), LIMIT);
		expect(order.record.pendingUntil).toBe(START + window);
		const now = START + 5 * HOUR;
		expect(order.resume(at(now)).ok).toBe(true);
		expect(order.record).toMatchObject({ status: 'Pending', pendingUntil: now + rest, heldAt: null });
		expect(wakeUps(order).at(-1)).toMatchObject({ type: 'OrderDue', at: now + rest });
	});

	it('counts the hold limit from the first pause', () => {
		const order = place();
		order.hold(at(PAUSED), LIMIT);
		order.resume(at(LIMIT_AT - 3 * MINUTE));
		order.hold(at(LIMIT_AT - 2 * MINUTE), LIMIT);
		expect(order.record).toMatchObject({ holdExpiresAt: LIMIT_AT, heldAt: LIMIT_AT - 2 * MINUTE });
		expect(wakeUps(order).at(-1)).toMatchObject({ type: 'HoldExpired', at: LIMIT_AT });
		expect(order.resume(at(LIMIT_AT)).ok).toBe(false);
		order.wakeAtHoldLimit(LIMIT_AT, at(LIMIT_AT));
		expect(order.record.status).toBe('CancelRequested');
	});
});

describe('pausing', () => {
	it('is possible 20 times; after that resuming, cancelling and pausing what is on hold go on as before', () => {
		const order = place();
		for (let pause = 1; pause <= 20; pause += 1) {
			expect(order.hold(at(START + pause), LIMIT).ok).toBe(true);
			expect(order.hold(at(START + pause), LIMIT).ok).toBe(true); // on hold already
			if (pause < 20) expect(order.resume(at(START + pause)).ok).toBe(true);
		}
		expect(order.record).toMatchObject({ status: 'OnHold', pauses: 20 });
		expect(order.resume(at(START + 20)).ok).toBe(true);
		const { record } = order;
		const raised = order.raised.length;
		expect(order.hold(at(START + 21), LIMIT)).toMatchObject({ ok: false, error: { code: INVALID } });
		expect(order.record).toBe(record);
		expect(order.raised).toHaveLength(raised);
		expect(order.cancel(at(START + 21)).ok).toBe(true);
	});
});

describe('wake-ups', () => {
	it.each([
		['OrderDue', 'Pending', DUE, (o: Order, now: Instant) => o.wakeAtDue(DUE, at(now))],
		['HoldExpired', 'OnHold', LIMIT_AT, (o: Order, now: Instant) => o.wakeAtHoldLimit(LIMIT_AT, at(now))],
	] as const)('%s that comes early is armed again under a new id', (type, status, moment, wake) => {
		const order = ofStatus(status);
		const ids = order.raised.map(({ id }) => id);
		const { record } = order;
		wake(order, moment - 1);
		expect(order.record).toBe(record);
		expect(order.raised).toHaveLength(ids.length + 1);
		expect(order.raised.at(-1)).toMatchObject({ kind: 'wake-up', type, at: moment });
		expect(ids).not.toContain(order.raised.at(-1)?.id);
	});

	it('say what woke the order: the message, or the sweeper', () => {
		const wake = ofStatus('Pending');
		wake.wakeAtDue(DUE, at(DUE));
		const swept = ofStatus('Pending');
		swept.wakeWithoutMessage(at(DUE));
		expect(wake.raised.at(-1)).toMatchObject({ type: 'OrderConfirmed', data: { wokenBy: 'OrderDue' } });
		expect(swept.raised.at(-1)).toMatchObject({ type: 'OrderConfirmed', data: { wokenBy: 'sweeper' } });
	});

	it("have no effect once their moment is no longer the order's", () => {
		const order = place();
		order.hold(at(PAUSED), LIMIT);
		expect(during(order, (o) => o.wakeAtDue(DUE, at(DUE)))).toEqual([]);
		order.resume(at(DUE));
		expect(during(order, (o) => o.wakeAtDue(DUE, at(DUE + HOUR)))).toEqual([]);
		expect(during(order, (o) => o.wakeAtHoldLimit(LIMIT_AT, at(LIMIT_AT)))).toEqual([]);
		order.hold(at(DUE + 1), LIMIT);
		expect(during(order, (o) => o.wakeAtHoldLimit(LIMIT_AT - 1, at(LIMIT_AT)))).toEqual([]);
		expect(order.record.status).toBe('OnHold');
	});

	// While the bank waits for the buyer, the end of the window asks the provider: action-required.test.ts.
	const decided = FIXTURES.filter(({ payment }) => payment !== 'ActionRequired');

	it.each(decided)('move nothing but their own state: $name', ({ status, make }) => {
		for (const now of [PAUSED, DUE - 1, DUE, LIMIT_AT]) {
			const steps: [string, Step, boolean][] = [
				['OrderDue', (o) => o.wakeAtDue(DUE, at(now)), status === 'Pending' && now >= DUE],
				['HoldExpired', (o) => o.wakeAtHoldLimit(LIMIT_AT, at(now)), status === 'OnHold' && now >= LIMIT_AT],
				['sweeper', sweep(now), now >= (status === 'Pending' ? DUE : status === 'OnHold' ? LIMIT_AT : Infinity)],
			];
			for (const [name, step, moves] of steps) {
				const order = make();
				step(order);
				const moved = status === 'Pending' ? 'Confirmed' : 'CancelRequested';
				expect([name, now, order.record.status]).toEqual([name, now, moves ? moved : status]);
			}
		}
	});
});
