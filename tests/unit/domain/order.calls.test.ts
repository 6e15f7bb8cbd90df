import { describe, expect, it } from '@jest/globals';
import { IllegalTransition } from '../../../domain/errors.ts';
import { Order } from '../../../domain/order.ts';
import { newPayment } from '../../../domain/payment.ts';
import type { PaymentOperation } from '../../../domain/provider.ts';
import { HOUR, SECOND } from '../../../domain/time.ts';
import {
	at,
	call,
	DUE,
	FIXTURES,
	LIMIT,
	made,
	outcome,
	PAUSED,
	place,
	START,
	TERMS,
	TIMEOUT,
	withStatus,
} from './order.fixtures.ts';

const make = (name: string): Order => {
	const found = FIXTURES.find((fixture) => fixture.name === name);
	if (found === undefined) throw new Error(`no fixture ${name}`);
	return found.make();
};
const raisedBy = (order: Order, step: (order: Order) => unknown): string[] => {
	const already = order.raised.length;
	step(order);
	return order.raised.slice(already).map(({ type }) => type);
};

/** What contract.md asks for where no operation is open. */
const WANTED: Readonly<Record<string, PaymentOperation>> = {
	'Pending / Requested': 'authorize',
	'OnHold / Requested': 'authorize',
	'Confirmed / Requested': 'authorize',
	'Confirmed / Authorized': 'capture',
	'CancelRequested / Authorized': 'void',
};

describe('calls to the payment provider', () => {
	// A void need not wait for what only asks: action-required.test.ts.
	const oneAtATime = FIXTURES.filter(({ name }) => name !== 'CancelRequested / ActionRequired (authorize open)');

	it.each(oneAtATime)('are what the state asks for, one at a time: $name', ({ name, open, payment, make: fresh }) => {
		const order = fresh();
		const expected = open ?? WANTED[name] ?? null;
		expect(order.nextOperation).toBe(expected);
		const attempts = order.payment.open?.attempts ?? 0;
		const overdue = order.payment.open?.attemptUntil ?? DUE;
		if (open !== null) {
			const before = order.payment;
			expect(order.needsCall(overdue - 1)).toBe(false);
			expect(order.beginPayment(at(overdue - 1), TERMS)).toBeNull();
			expect(order.payment).toBe(before);
		}
		expect(order.needsCall(overdue)).toBe(expected !== null);
		const made = order.beginPayment(at(overdue), TERMS);
		if (expected === null) {
			expect(made).toBeNull();
			return;
		}
		expect(made).toMatchObject({
			orderId: order.record.id,
			operation: expected,
			attempt: attempts + 1,
			amount: { minor: 1050n, currency: 'USD' },
			paymentMethod: 'card_ok',
			reference: order.payment.reference,
			idempotencyKey: `${order.record.id}:${expected}`,
			asksFirst: attempts > 0,
			mayCall: payment === 'ActionRequired' && expected === 'authorize' ? 'no' : 'same key',
			keyAged: false,
		});
		expect(order.payment.open).toMatchObject({ operation: expected, attemptUntil: overdue + TIMEOUT });
		expect(order.needsCall(overdue)).toBe(false);
		expect(order.beginPayment(at(overdue), TERMS)).toBeNull();
	});

	it('say when their key has aged, 23 h after its first use', () => {
		for (const [wait, aged] of [
			[23 * HOUR - 1, false],
			[23 * HOUR, true],
		] as const) {
			const order = place({ cancellationWindow: 48 * HOUR });
			call(order, START, 'unknown');
			expect(order.beginPayment(at(START + wait), TERMS)).toMatchObject({ attempt: 2, keyAged: aged });
		}
	});

	it('are made again after an outcome that is not known, and a void that is refused stays unknown', () => {
		const order = make('CancelRequested / Authorized (void open)');
		expect(order.applyPaymentOutcome(made('void', 1), outcome('refused'), at(PAUSED + SECOND))).toBe(true);
		expect(order.record.status).toBe('CancelRequested');
		expect(order.payment.status).toBe('Unknown');
		expect(order.beginPayment(at(PAUSED + 2 * SECOND), TERMS)).toMatchObject({ operation: 'void', attempt: 2 });
		order.applyPaymentOutcome(made('void', 2), outcome('gone'), at(PAUSED + 3 * SECOND));
		expect([order.record.status, order.payment.status]).toEqual(['Cancelled', 'Voided']);
	});
});

describe('an outcome', () => {
	it.each(FIXTURES)('whose operation is not open is dropped without a word: $name', ({ open, make: fresh }) => {
		for (const operation of ['authorize', 'capture', 'void'] as const) {
			if (operation === open) continue;
			for (const kind of ['succeeded', 'declined', 'refused', 'gone', 'unknown'] as const) {
				const order = fresh();
				const { record, payment } = order;
				expect(
					raisedBy(order, (o) =>
						expect(o.applyPaymentOutcome(made(operation, 1), outcome(kind), at(DUE + 1))).toBe(false),
					),
				).toEqual([]);
				expect(order.record).toBe(record);
				expect(order.payment).toBe(payment);
			}
		}
	});

	it('that comes twice counts once', () => {
		const order = make('Pending / Requested (authorize open)');
		expect(order.applyPaymentOutcome(made('authorize', 1), outcome('succeeded'), at(START + 1))).toBe(true);
		const { record } = order;
		expect(order.applyPaymentOutcome(made('authorize', 1), outcome('succeeded'), at(START + 2))).toBe(false);
		expect(order.applyPaymentOutcome(made('authorize', 1), outcome('unknown'), at(START + 2))).toBe(false);
		expect(order.record).toBe(record);
	});

	it.each(['authorize', 'capture', 'void'] as const)('unknown, of an older %s, changes nothing', (operation) => {
		const order = FIXTURES.find(({ open, payment }) => open === operation && payment === 'Unknown')?.make();
		const until = order?.payment.open?.attemptUntil ?? 0;
		order?.beginPayment(at(until), TERMS);
		const [record, payment] = [order?.record, order?.payment];
		expect(order?.applyPaymentOutcome(made(operation, 1), outcome('unknown'), at(until + 1))).toBe(false);
		expect(order?.record).toBe(record);
		expect(order?.payment).toBe(payment);
	});

	it('that the order cannot be in is a bug, not an order that ships or fails', () => {
		const record = make('Pending / Authorized').record;
		for (const operation of ['capture', 'void'] as const) {
			const open = {
				...{ operation, keyUsedAt: START, attemptUntil: START, attempts: 1 },
				...{ keyNumber: 1, rememberedAt: null, requestVersion: 1 },
			};
			const order = new Order({ ...record, status: 'Cancelled' }, { ...newPayment(), status: 'Authorized', open });
			const kind = operation === 'void' ? 'succeeded' : 'refused';
			expect(() => order.applyPaymentOutcome(made(operation, 1), outcome(kind), at(DUE))).toThrow(IllegalTransition);
		}
		const shipment = { attemptUntil: DUE, attempts: 1 };
		const unpaid = new Order({ ...record, status: 'Confirmed' }, make('Pending / Authorized').payment, shipment);
		const parcel = { kind: 'succeeded', parcel: 'P1' } as const;
		expect(() => unpaid.applyHandOverOutcome(1, parcel, at(DUE))).toThrow(IllegalTransition);
	});
});

describe('what was asked for while a call was open starts from its outcome', () => {
	it.each(['Pending / Requested (authorize open)', 'Pending / Unknown (authorize open)'])('%s, due', (name) => {
		const order = make(name);
		order.wakeAtDue(DUE, at(DUE));
		expect(order.record.status).toBe('Confirmed');
		expect(order.nextOperation).toBe('authorize');
		expect(order.beginHandOver(at(DUE), TIMEOUT)).toBeNull();
		order.applyPaymentOutcome(made('authorize', 1), outcome('succeeded'), at(DUE + 1));
		expect(order.record.status).toBe('Confirmed');
		expect(order.beginPayment(at(DUE + 1), TERMS)).toMatchObject({
			operation: 'capture',
			attempt: 1,
			reference: 'ref-1',
		});
	});

	it.each(['Pending / Requested (authorize open)', 'Pending / Unknown (authorize open)'])('%s, cancelled', (name) => {
		const order = make(name);
		order.cancel(at(PAUSED));
		expect(raisedBy(order, (o) => o.beginPayment(at(PAUSED), TERMS))).toEqual([]);
		expect([order.record.status, order.nextOperation]).toEqual(['CancelRequested', 'authorize']);
		const paid = (o: Order) => o.applyPaymentOutcome(made('authorize', 1), outcome('succeeded'), at(PAUSED));
		expect(raisedBy(order, paid)).toEqual(['PaymentAuthorized']);
		expect(order.record.status).toBe('CancelRequested');
		expect(order.beginPayment(at(PAUSED), TERMS)).toMatchObject({ operation: 'void', attempt: 1 });
	});

	it('no authorisation begins once the order is CancelRequested', () => {
		const order = make('CancelRequested / Requested');
		expect([order.nextOperation, order.needsCall(PAUSED)]).toEqual([null, false]);
		expect(order.beginPayment(at(PAUSED), TERMS)).toBeNull();
		expect([order.record.status, order.payment.status]).toEqual(['Cancelled', 'Voided']);
	});

	it('a capture waits for due, however long the payment is authorised', () => {
		const order = make('Pending / Authorized');
		expect([order.nextOperation, order.beginPayment(at(DUE - 1), TERMS)]).toEqual([null, null]);
		order.hold(at(DUE - 1), LIMIT);
		expect([order.nextOperation, order.beginPayment(at(DUE + HOUR), TERMS)]).toEqual([null, null]);
	});
});

describe('the hand-over', () => {
	it.each(FIXTURES)('is only for what is paid and confirmed: $name', ({ status, payment, make: fresh }) => {
		const order = fresh();
		const intended = order.shipment?.attempts ?? 0;
		const made = order.beginHandOver(at(order.shipment?.attemptUntil ?? DUE), TIMEOUT);
		if (status !== 'Confirmed' || payment !== 'Captured') expect(made).toBeNull();
		else expect(made).toEqual({ orderId: order.record.id, attempt: intended + 1 });
	});

	it.each(FIXTURES)('is awaited where it may be started, or is overdue: $name', ({ status, payment, make: fresh }) => {
		const order = fresh();
		const paid = status === 'Confirmed' && payment === 'Captured';
		const free = order.shipment?.attemptUntil ?? DUE;
		expect(order.awaitsShipment(free)).toBe(paid);
		if (order.shipment !== null) expect(order.awaitsShipment(free - 1)).toBe(false);
		expect(order.beginHandOver(at(free), TIMEOUT) !== null).toBe(paid);
	});

	it('counts once, and only after its intent', () => {
		const order = make('Confirmed / Captured');
		const ship = (o: Order) => o.applyHandOverOutcome(1, { kind: 'succeeded', parcel: 'P1' }, at(DUE + 1));
		expect(raisedBy(order, (o) => expect(ship(o)).toBe(false))).toEqual([]);
		order.beginHandOver(at(DUE), TIMEOUT);
		expect(raisedBy(order, (o) => expect(ship(o)).toBe(true))).toEqual(['OrderShipped']);
		expect(order.raised.at(-1)).toMatchObject({ data: { version: 1, parcel: 'P1' } });
		for (const { make: fresh } of [...withStatus('Shipped', 'PaymentFailed', 'Cancelled', 'CancelRequested')]) {
			expect(raisedBy(fresh(), (o) => expect(ship(o)).toBe(false))).toEqual([]);
		}
	});

	it('is repeated one at a time, with back-off; a late failure of an older attempt does not shorten it', () => {
		const order = make('Confirmed / Captured');
		const lost = { kind: 'unknown', reason: 'no answer' } as const;
		order.beginHandOver(at(DUE), TIMEOUT);
		expect(order.beginHandOver(at(DUE + TIMEOUT - 1), TIMEOUT)).toBeNull();
		expect(order.beginHandOver(at(DUE + TIMEOUT), TIMEOUT)).toMatchObject({ attempt: 2 });
		order.applyHandOverOutcome(1, lost, at(DUE + TIMEOUT + 1));
		expect(order.shipment).toEqual({ attempts: 2, attemptUntil: DUE + 2 * TIMEOUT });
		order.applyHandOverOutcome(2, lost, at(DUE + TIMEOUT + 1));
		expect(order.shipment).toEqual({ attempts: 2, attemptUntil: DUE + TIMEOUT + 1 + 2 * SECOND });
		expect(order.record.status).toBe('Confirmed');
	});
});
