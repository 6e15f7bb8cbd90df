import { describe, expect, it } from '@jest/globals';
import type { Order } from '../../../domain/order.ts';
import { firstLook, GRACE, laterLook } from '../../../domain/sweeping.ts';
import { DAY, SECOND } from '../../../domain/time.ts';
import { lookToStore } from '../../../mixins/database/orders-store.ts';
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
} from './order.fixtures.ts';

/** Late enough for the sweeper to have come. */
const OVERDUE = DUE + GRACE;
const FINAL = ['Cancelled', 'Shipped', 'PaymentFailed'];
const unfinished = FIXTURES.filter(({ status }) => !FINAL.includes(status));
const finished = FIXTURES.filter(({ status }) => FINAL.includes(status));

/** The moment from which the order waits for nobody but us. */
function waitsSince({ record, payment, shipment }: Order): number {
	const since: number[] = [];
	if (record.status === 'Pending') since.push(record.pendingUntil);
	if (record.status === 'OnHold') since.push(record.holdExpiresAt ?? Number.NaN);
	if (payment.open !== null) since.push(payment.open.attemptUntil);
	else if (payment.status === 'Requested' || record.status === 'CancelRequested') since.push(START);
	if (record.status === 'Confirmed' && payment.open === null) since.push(shipment?.attemptUntil ?? DUE);
	return Math.min(...since);
}

describe('the sweeper’s look', () => {
	it.each(unfinished)('comes, at a known moment, to what is not finished: $name', ({ make }) => {
		const { record } = make();
		expect(record.sweepAt).not.toBeNull();
		expect(Number.isSafeInteger(record.sweepAt)).toBe(true);
		expect(record.sweepAt ?? 0).toBeLessThanOrEqual(LIMIT_AT + GRACE);
		expect(record.sweeps).toBe(0);
	});

	it.each(unfinished)('comes at most 3 s after what the order waits for: $name', ({ make }) => {
		const order = make();
		const { record, payment, shipment } = order;
		for (const now of [START, PAUSED, DUE]) {
			const look = firstLook(record, payment, shipment, now);
			expect(Number.isSafeInteger(look)).toBe(true);
			expect(look ?? 0).toBeLessThanOrEqual(Math.max(waitsSince(order), now) + GRACE);
		}
		expect(GRACE).toBe(3 * SECOND);
	});

	it.each(finished)('never comes to what is finished: $name', ({ make }) => {
		const { record, payment, shipment } = make();
		expect(record.sweepAt).toBeNull();
		for (const now of [START, DUE, LIMIT_AT]) expect(firstLook(record, payment, shipment, now)).toBeNull();
	});

	it.each<[what: string, order: () => Order, look: number]>([
		['a new order, not authorised yet', () => place(), START + GRACE],
		['an authorised order, at due', () => fixture('Pending / Authorized'), DUE + GRACE],
		['an authorised pause, at its limit', () => fixture('OnHold / Authorized'), LIMIT_AT + GRACE],
		['an unknown authorisation, when it may be repeated', () => fixture(UNKNOWN), START + SECOND],
		['a cancelled order whose money is held', () => fixture('CancelRequested / Authorized'), PAUSED + GRACE],
		['a cancelled order never authorised', () => fixture('CancelRequested / Requested'), PAUSED + GRACE],
		['a confirmed order not captured', () => fixture('Confirmed / Authorized'), DUE + GRACE],
		['a paid order not handed over', () => fixture('Confirmed / Captured'), DUE + GRACE],
		['a parcel nobody took', () => fixture('Confirmed / Captured (parcel unknown)'), DUE + SECOND + GRACE],
	])('at %s', (_what, order, look) => {
		expect(order().record.sweepAt).toBe(look);
	});

	it('comes 3 s after an order was confirmed, however late that was', () => {
		for (const late of [0, SECOND, 2 * SECOND, DAY]) {
			const order = fixture('Pending / Authorized');
			order.wakeAtDue(DUE, at(DUE + late));
			expect(order.record.sweepAt).toBe(DUE + late + GRACE);
			call(order, DUE + late, 'succeeded');
			expect(order.record).toMatchObject({ status: 'Confirmed', sweepAt: DUE + late + GRACE });
		}
	});

	it.each([
		['of a confirmed order that comes a little too early stays', 'Confirmed', 0, 0, 0],
		['that comes as long before', 'Confirmed', SECOND, SECOND, 0],
		['that comes before it has gone on moves', 'Confirmed', 2 * SECOND, 2 * SECOND, 2 * SECOND],
		['that is over moves', 'Confirmed', DAY, DAY, DAY],
		['that comes too late moves', 'Confirmed', 0, -SECOND, -SECOND],
		['that comes much too early moves', 'Confirmed', 0, GRACE + 1, GRACE + 1],
		['of any other order moves', 'Pending', 0, SECOND, SECOND],
	] as const)('as it is stored, %s', (_what, status, passed, moved, expected) => {
		const stored = START + GRACE;
		expect(lookToStore(stored, { status, sweepAt: stored + moved }, START + passed)).toBe(stored + expected);
		expect(lookToStore(null, { status, sweepAt: stored }, START)).toBe(stored);
		expect(lookToStore(stored, { status: 'Shipped', sweepAt: null }, START)).toBeNull();
	});

	it('is no find where it comes to a confirmed order sooner than 3 s after that', () => {
		const order = fixture('Pending / Authorized');
		order.wakeAtDue(DUE, at(DUE + SECOND));
		expect(order.found(DUE + GRACE)).toBe(false);
		expect(order.record).toMatchObject({ sweeps: 0, sweepAt: DUE + SECOND + GRACE });
		expect(order.found(DUE + SECOND + GRACE)).toBe(true);
		expect(order.record).toMatchObject({ sweeps: 1, sweepAt: DUE + SECOND + 2 * GRACE });
	});

	it('leaves a repeated call alone until it is overdue', () => {
		const order = fixture('Pending / Requested (authorize open)');
		order.beginPayment(at(START + TIMEOUT), TERMS);
		expect(order.record.sweepAt).toBe(START + 2 * TIMEOUT + GRACE);
	});
});

describe('a find', () => {
	it('moves the next look on by 3 s, doubling to 60 s', () => {
		const order = fixture('Pending / Authorized');
		const waits: number[] = [];
		for (let find = 1; find <= 7; find++) {
			order.found(OVERDUE);
			waits.push((order.record.sweepAt ?? Number.NaN) - OVERDUE);
			expect(order.record.sweeps).toBe(find);
		}
		expect(waits).toEqual([3, 6, 12, 24, 48, 60, 60].map((seconds) => seconds * SECOND));
		expect(laterLook({ ...order.record, sweeps: 1_000_000 }, OVERDUE)).toBe(OVERDUE + 60 * SECOND);
	});

	it('never moves the next look past the moment that the order itself waits for', () => {
		const pending = fixture('Pending / Authorized');
		const held = fixture('OnHold / Authorized');
		for (let find = 0; find < 7; find++) {
			pending.found(DUE - SECOND);
			held.found(LIMIT_AT - SECOND);
		}
		expect(pending.record.sweepAt).toBe(DUE + GRACE);
		expect(held.record.sweepAt).toBe(LIMIT_AT + GRACE);
	});

	it('is none while a call is under way', () => {
		const paying = fixture('Pending / Requested (authorize open)');
		expect(paying.found(START + GRACE)).toBe(false);
		expect(paying.record).toMatchObject({ sweeps: 0, sweepAt: START + TIMEOUT + GRACE });
		const shipping = fixture('Confirmed / Captured');
		shipping.beginHandOver(at(DUE + SECOND), TIMEOUT);
		expect(shipping.found(DUE + GRACE)).toBe(false);
		expect(shipping.record).toMatchObject({ sweeps: 0, sweepAt: DUE + SECOND + TIMEOUT + GRACE });
	});

	it('is never a finished order', () => {
		const order = finished[0]?.make();
		expect(order?.found(LIMIT_AT)).toBe(false);
		expect(order?.record.sweepAt).toBeNull();
	});

	it('counts from the beginning once the order has gone on', () => {
		const steps: ((order: Order) => unknown)[] = [
			(order) => order.wakeAtDue(DUE, at(DUE)),
			(order) => order.cancel(at(PAUSED)),
			(order) => order.hold(at(PAUSED), LIMIT),
		];
		for (const step of steps) {
			const order = fixture('Pending / Authorized');
			for (let find = 0; find < 5; find++) order.found(PAUSED);
			step(order);
			expect(order.record.sweeps).toBe(0);
			expect(order.record.sweepAt).not.toBe(PAUSED + 60 * SECOND);
		}
	});

	it('is forgotten by an outcome, known or not', () => {
		for (const kind of ['succeeded', 'declined', 'unknown'] as const) {
			const order = fixture('Pending / Requested (authorize open)');
			order.found(START + TIMEOUT);
			order.found(START + TIMEOUT);
			order.applyPaymentOutcome(made('authorize', 1), outcome(kind), at(START + TIMEOUT));
			expect(order.record.sweeps).toBe(0);
			expect(order.record.sweepAt).toBe(
				{ succeeded: DUE + GRACE, declined: null, unknown: START + TIMEOUT + SECOND }[kind],
			);
		}
	});

	it('raises no event: a message of the sweeper has an id of its own and no sequence', () => {
		const order = fixture('Confirmed / Captured');
		const { sequence } = order.record;
		const ids = order.raised.map(({ id }) => id);
		order.found(DUE + GRACE);
		order.askForShipment(at(DUE + GRACE));
		order.askForShipment(at(DUE + GRACE));
		const asked = order.raised.slice(ids.length);
		expect(asked).toMatchObject([
			{ kind: 'wake-up', type: 'ShipmentDue' },
			{ kind: 'wake-up', type: 'ShipmentDue' },
		]);
		expect(new Set([...ids, ...asked.map(({ id }) => id)]).size).toBe(ids.length + 2);
		expect(asked.some((message) => 'sequence' in message)).toBe(false);
		expect(order.record.sequence).toBe(sequence);
	});
});

const UNKNOWN = 'Pending / Unknown (authorize open)';

function fixture(name: string): Order {
	const found = FIXTURES.find((candidate) => candidate.name === name);
	if (found === undefined) throw new Error(`no fixture ${name}`);
	return found.make();
}

describe('the fixtures', () => {
	it('are what they say, so that no state is missing', () => {
		for (const { name, status, payment, open, make } of FIXTURES) {
			const order = make();
			expect([name, order.record.status, order.payment.status, order.payment.open?.operation ?? null]).toEqual([
				name,
				status,
				payment,
				open,
			]);
		}
		expect(new Set(FIXTURES.map(({ name }) => name)).size).toBe(FIXTURES.length);
	});
});
