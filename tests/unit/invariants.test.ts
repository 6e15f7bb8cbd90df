import { describe, expect, it } from '@jest/globals';
import type { Answer, OrderView } from '../support/client.ts';
import type { Evidence, HistoryEvent, Operation } from '../support/evidence.ts';
import { violations } from '../support/invariants.ts';

const ID = '019a0000-0000-7000-8000-000000000001';
const CREATED = Date.UTC(2026, 0, 1);
const DUE = CREATED + 2_000;
const iso = (at: number): string => new Date(at).toISOString();

const order = (status: string, paymentStatus: string, more: Partial<OrderView> = {}): OrderView => ({
	...{ id: ID, productName: 'key-1', amount: 10, currency: 'USD', status, paymentStatus },
	...{ createdAt: iso(CREATED), pendingUntil: iso(DUE), heldUntil: null, confirmedAt: null, cancelledAt: null },
	...{ shippedAt: null, failedAt: null, failureReason: null, ...more },
});

const answer = (action: Answer['action'], status: number, sentAt: number, more: Partial<Answer> = {}): Answer => ({
	...{ action, key: null, orderId: ID, sentAt, at: sentAt + 5, status, code: null, body: null, replayed: false },
	...{ order: null, ...more },
});

const created = answer('create', 201, CREATED, { key: 'key-1', body: '{"first":true}' });

function history(...events: [type: string, at: number, data?: HistoryEvent['data']][]): HistoryEvent[] {
	return events.map(([type, occurredAt, data = {}], index) => ({
		...{ orderId: ID, sequence: index + 1, id: `event-${index + 1}`, type, occurredAt },
		data: type === 'OrderPending' ? { pendingUntil: iso(DUE), ...data } : data,
	}));
}

const operation = (name: string, createdAt: number, outcome = 'succeeded'): Operation => ({
	...{ orderId: ID, operation: name, outcome, createdAt },
});

const SHIPPED_HISTORY = history(
	['OrderPending', CREATED],
	['PaymentAuthorized', CREATED + 20],
	['OrderConfirmed', DUE],
	['PaymentCaptured', DUE + 20],
	['OrderShipped', DUE + 40],
);

const shipped: Evidence = {
	answers: [created],
	orders: [order('Shipped', 'Captured')],
	history: SHIPPED_HISTORY,
	operations: [operation('authorize', CREATED + 10), operation('capture', DUE + 10)],
	parcels: [{ orderId: ID, createdAt: DUE + 30 }],
	payments: [{ orderId: ID, status: 'Captured', operation: null }],
};

const cancelled: Evidence = {
	answers: [created, answer('cancel', 202, CREATED + 1_000)],
	orders: [order('Cancelled', 'Voided')],
	history: history(
		['OrderPending', CREATED],
		['PaymentAuthorized', CREATED + 20],
		['OrderCancelRequested', CREATED + 1_001, { requestedBy: 'buyer' }],
		['PaymentVoided', CREATED + 1_020],
		['OrderCancelled', CREATED + 1_020],
	),
	operations: [operation('authorize', CREATED + 10), operation('void', CREATED + 1_010)],
	parcels: [],
	payments: [{ orderId: ID, status: 'Voided', operation: null }],
};

describe('the invariants', () => {
	it('hold for what is right', () => {
		expect(violations(shipped)).toEqual([]);
		expect(violations(cancelled)).toEqual([]);
		const refused = answer('cancel', 409, DUE, { code: 'Orders.WindowClosed' });
		expect(violations({ ...shipped, answers: [created, refused] })).toEqual([]);
	});

	const planted: [invariant: string, what: string, evidence: Evidence][] = [
		['I1', 'authorised 2 times', { ...shipped, operations: [...shipped.operations, operation('authorize', DUE)] }],
		['I1', 'captured or voided 2', { ...shipped, operations: [...shipped.operations, operation('void', DUE + 50)] }],
		[
			'I2',
			'captured 1 ms before due',
			{ ...shipped, operations: [operation('authorize', CREATED), operation('capture', DUE - 1)] },
		],
		[
			'I2',
			'confirmed 3 ms before due',
			{ ...shipped, history: SHIPPED_HISTORY.map((e) => (e.sequence === 3 ? { ...e, occurredAt: DUE - 3 } : e)) },
		],
		[
			'I2',
			'a cancel was accepted 0 ms after due',
			{ ...cancelled, history: cancelled.history.map((e) => (e.sequence === 3 ? { ...e, occurredAt: DUE } : e)) },
		],
		[
			'I2',
			'a pause was accepted 7 ms after due',
			{ ...cancelled, history: history(['OrderPending', CREATED], ['OrderHeld', DUE + 7]) },
		],
		['I2', 'cancel was sent 4 ms after due', { ...cancelled, answers: [created, answer('cancel', 202, DUE + 4)] }],
		[
			'I2',
			'cancel was refused 95 ms before due',
			{ ...shipped, answers: [created, answer('cancel', 409, DUE - 100, { code: 'Orders.WindowClosed' })] },
		],
		[
			'I2',
			'a cancel was refused, and the order is cancelled',
			{ ...cancelled, answers: [created, answer('cancel', 409, DUE, { code: 'Orders.WindowClosed' })] },
		],
		['I3', 'and the order is Shipped', { ...shipped, answers: [created, answer('cancel', 202, CREATED + 5)] }],
		['I3', 'the money was captured', { ...cancelled, operations: shipped.operations }],
		['I3', 'a parcel went out', { ...cancelled, parcels: shipped.parcels }],
		['I4', 'answered 201, and gone', { ...shipped, orders: [] }],
		['I4', 'still Confirmed', { ...shipped, orders: [order('Confirmed', 'Captured')] }],
		['I4', 'the payment is Authorized', { ...shipped, orders: [order('Shipped', 'Authorized')] }],
		['I4', 'the money is still held', { ...cancelled, operations: [operation('authorize', CREATED)] }],
		[
			'I4',
			'its capture is still open',
			{ ...shipped, payments: [{ orderId: ID, status: 'Captured', operation: 'capture' }] },
		],
		['I4', 'shipped, and never captured', { ...shipped, operations: [operation('authorize', CREATED)] }],
		['I4', 'there is no parcel', { ...shipped, parcels: [] }],
		[
			'I5',
			'OrderConfirmed happened twice',
			{
				...shipped,
				history: history(
					...[['OrderPending', CREATED] as [string, number], ['PaymentAuthorized', CREATED] as [string, number]],
					...[['OrderConfirmed', DUE] as [string, number], ['OrderConfirmed', DUE + 1] as [string, number]],
					...[['PaymentCaptured', DUE + 2] as [string, number], ['OrderShipped', DUE + 3] as [string, number]],
				),
			},
		],
		['I5', 'event 3 has sequence 4', { ...shipped, history: SHIPPED_HISTORY.filter(({ sequence }) => sequence !== 3) }],
		['I5', 'the history ends in Confirmed', { ...shipped, history: SHIPPED_HISTORY.slice(0, 4) }],
		['I6', 'before the money was captured', { ...shipped, parcels: [{ orderId: ID, createdAt: DUE + 9 }] }],
		['I7', 'made 2 orders', { ...shipped, orders: [...shipped.orders, order('Shipped', 'Captured', { id: 'other' })] }],
		['I7', 'answered with 2 orders', { ...shipped, answers: [created, { ...created, orderId: 'other' }] }],
		['I7', '2 different bodies', { ...shipped, answers: [created, { ...created, body: '{}' }] }],
		['I8', '2 parcels', { ...shipped, parcels: [...shipped.parcels, { orderId: ID, createdAt: DUE + 60 }] }],
	];

	it.each(planted)('%s: tell that %s', (invariant, what, evidence) => {
		const found = violations(evidence).join('\n');
		expect(found.split('\n').filter((line) => line.startsWith(`${invariant}: `) && line.includes(what))).toHaveLength(
			1,
		);
	});

	it('tell the story of the order', () => {
		const [story = ''] = violations({ ...shipped, parcels: [] });
		expect(story).toContain(`order ${ID}: Shipped`);
		expect(story).toContain('client: create → 201');
		expect(story).toContain('event 3: OrderConfirmed');
		expect(story).toContain('provider: capture succeeded');
	});
});
