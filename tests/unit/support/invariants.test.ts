import { describe, expect, it } from '@jest/globals';
import type { Answer, OrderView } from '../../support/client.ts';
import type { ArmedWakeUp, Evidence, HandledMessage, HistoryEvent, Operation } from '../../support/evidence.ts';
import { judge, violations } from '../../support/invariants.ts';
import { INVARIANTS } from '../../support/rules/rule.ts';

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
		data: type === 'OrderPending' ? { pendingUntil: iso(DUE), amountMinor: '1000', ...data } : data,
	}));
}

const operation = (name: string, createdAt: number, outcome = 'succeeded', amount = 1_000): Operation => ({
	...{ orderId: ID, operation: name, amount, outcome, createdAt },
});

const wakeUp = (id: string, type = 'OrderDue', dueAt = DUE): ArmedWakeUp => ({ orderId: ID, id, type, dueAt });

const handled = (consumer: string, messageId: string, handledAt: number): HandledMessage => ({
	...{ orderId: ID, consumer, messageId, handledAt },
});

const SHIPPED_HISTORY = history(
	['OrderPending', CREATED],
	['PaymentAuthorized', CREATED + 20],
	['OrderConfirmed', DUE, { wokenBy: 'OrderDue' }],
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
	handled: [
		handled('settlement', 'event-1', CREATED + 5),
		handled('deadlines', 'due-1', DUE),
		handled('settlement', 'event-3', DUE + 5),
		handled('shipping', 'event-4', DUE + 25),
	],
	armed: [wakeUp('due-1')],
	keys: [{ key: 'key-1', orderId: ID }],
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
	handled: [handled('settlement', 'event-1', CREATED + 5), handled('settlement', 'event-3', CREATED + 1_005)],
	armed: [wakeUp('due-1')],
	keys: [{ key: 'key-1', orderId: ID }],
};

/** Paused, woken early twice, resumed; the requests went astray, came twice and were answered late; a restart in between. */
const troubled: Evidence = {
	answers: [
		answer('create', 0, CREATED - 900, { key: 'key-1', orderId: null, code: 'TypeError: fetch failed' }),
		answer('create', 503, CREATED - 500, { key: 'key-1', orderId: null, code: 'Service.Unavailable' }),
		answer('create', 0, CREATED - 10, { key: 'key-1', orderId: null }),
		answer('create', 201, CREATED + 40, { key: 'key-1', body: '{"first":true}', replayed: true }),
		answer('create', 201, CREATED + 50, { key: 'key-1', body: '{"first":true}', replayed: true }),
		answer('hold', 0, CREATED + 500),
		answer('hold', 200, CREATED + 700),
		answer('resume', 200, CREATED + 1_500),
		answer('resume', 200, CREATED + 1_600),
		answer('cancel', 0, DUE + 900, { code: 'TimeoutError' }),
		answer('cancel', 409, DUE + 1_100, { code: 'Orders.WindowClosed' }),
	],
	orders: [order('Shipped', 'Captured', { pendingUntil: iso(DUE + 1_000) })],
	history: history(
		['OrderPending', CREATED],
		['OrderHeld', CREATED + 500, { heldUntil: iso(CREATED + 9_000) }],
		['PaymentAuthorized', CREATED + 900],
		['OrderResumed', CREATED + 1_500, { pendingUntil: iso(DUE + 1_000) }],
		['OrderConfirmed', DUE + 1_000, { wokenBy: 'sweeper' }],
		['PaymentCaptured', DUE + 3_000],
		['OrderShipped', DUE + 3_500],
	),
	operations: [
		operation('authorize', CREATED + 10),
		operation('capture', DUE + 1_010, 'refused'),
		operation('capture', DUE + 1_020),
	],
	parcels: [{ orderId: ID, createdAt: DUE + 3_100 }],
	payments: [{ orderId: ID, status: 'Captured', operation: null }],
	handled: [
		handled('settlement', 'event-1', CREATED + 800),
		handled('deadlines', 'due-1', CREATED + 100),
		handled('deadlines', 'due-2', CREATED + 200),
		handled('deadlines', 'held-1', CREATED + 8_000),
		handled('deadlines', 'due-3', DUE),
		handled('settlement', 'event-5', DUE + 1_005),
		handled('shipping', 'event-6', DUE + 3_050),
	],
	armed: [
		...[wakeUp('due-1'), wakeUp('due-2'), wakeUp('due-3'), wakeUp('due-4', 'OrderDue', DUE + 1_000)],
		...[wakeUp('held-1', 'HoldExpired', CREATED + 9_000), wakeUp('held-2', 'HoldExpired', CREATED + 9_000)],
	],
	keys: [{ key: 'key-1', orderId: ID }],
};

/** Shipped, and the buyer has lowered the amount before due. */
const amended = (to: number): Evidence => ({
	...{ ...shipped, handled: [], armed: [] },
	history: history(
		['OrderPending', CREATED],
		['OrderAmended', CREATED + 10, { amountMinor: String(to), previousMinor: '1000' }],
		['PaymentAuthorized', CREATED + 20],
		['OrderConfirmed', DUE, { wokenBy: 'sweeper' }],
		['PaymentCaptured', DUE + 20],
		['OrderShipped', DUE + 40],
	),
	operations: [operation('authorize', CREATED + 10), operation('capture', DUE + 10, 'succeeded', to)],
});

/** The buyer never answered the bank, and asks to cancel after that. */
const givenUp: Evidence = {
	...cancelled,
	answers: [created, answer('cancel', 409, DUE + 1, { code: 'Orders.WindowClosed' }), answer('cancel', 202, DUE + 900)],
	history: history(
		['OrderPending', CREATED],
		['PaymentActionRequired', CREATED + 20],
		['OrderCancelRequested', DUE + 500, { requestedBy: 'authentication' }],
		['PaymentVoided', DUE + 520],
		['OrderCancelled', DUE + 520],
	),
	operations: [operation('cancel', DUE + 510, 'succeeded', 0)],
};

describe('the invariants', () => {
	it('hold for what is right', () => {
		expect(violations(shipped)).toEqual([]);
		expect(violations(cancelled)).toEqual([]);
		expect(violations(amended(900))).toEqual([]);
		expect(violations(givenUp)).toEqual([]);
		const refused = answer('cancel', 409, DUE, { code: 'Orders.WindowClosed' });
		expect(violations({ ...shipped, answers: [created, refused] })).toEqual([]);
	});

	it('hold for duplicates, retries, lost answers and wake-ups that come early', () => {
		expect(violations(troubled)).toEqual([]);
		// Answers that say nothing accuse nobody: the cancel may have come in time and been refused, or never have come.
		expect(violations({ ...cancelled, answers: [created, answer('cancel', 0, DUE + 5)] })).toEqual([]);
		expect(violations({ ...cancelled, answers: [] })).toEqual([]);
		// A cancel that was sent in time and again after due may have been accepted the first time.
		const again = [answer('cancel', 0, DUE - 5), answer('cancel', 202, DUE + 30)];
		expect(violations({ ...cancelled, answers: [created, ...again] })).toEqual([]);
	});

	it('of an order that is still under way are judged by what it has done so far', () => {
		const open: Evidence = {
			...{ ...cancelled, orders: [order('CancelRequested', 'Authorized')], history: cancelled.history.slice(0, 3) },
			...{
				operations: [operation('authorize', CREATED)],
				payments: [{ orderId: ID, status: 'Authorized', operation: 'void' }],
			},
		};
		expect(violations(open, { finished: false })).toEqual([]);
		expect(judge(open).map(({ invariant }) => invariant)).toEqual(['I3', 'I4']);
	});

	it('are judged without the inbox once it was purged, and with as much tolerance as the clocks need', () => {
		const purged = { ...troubled, handled: [] };
		expect(violations(purged, { complete: false })).toEqual([]);
		expect(violations(purged)).not.toEqual([]);
		const late = { ...cancelled, answers: [created, answer('cancel', 202, DUE + 4)] };
		expect(violations(late, { skew: 5 })).toEqual([]);
	});

	const refunded = (...events: [type: string, id: string, amount: number][]): Evidence => ({
		...shipped,
		history: history(
			...SHIPPED_HISTORY.map(({ type, occurredAt, data }): [string, number, HistoryEvent['data']] => [
				type,
				occurredAt,
				data,
			]),
			...events.map(([type, refundId, amount], index): [string, number, HistoryEvent['data']] => [
				`Refund${type}`,
				DUE + 100 + index,
				{ refundId, amountMinor: String(amount) },
			]),
		),
		orders: [order('Shipped', 'PartiallyRefunded')],
		payments: [{ orderId: ID, status: 'PartiallyRefunded', operation: null }],
		operations: [...shipped.operations, operation('refund', DUE + 101, 'succeeded', 400)],
	});
	const oneRefund = refunded(['Requested', 'r1', 400], ['Succeeded', 'r1', 400]);
	const refundAnswer = (id: string) => answer('refund', 201, DUE + 100, { key: 'k', body: `{"id":"${id}"}` });

	it('hold for refunds, also for those that failed and were asked for again', () => {
		expect(violations({ ...oneRefund, answers: [created, refundAnswer('r1'), refundAnswer('r1')] })).toEqual([]);
		const again = refunded(
			...(
				[
					['Requested', 'r1', 1000],
					['Failed', 'r1', 1000],
					['Requested', 'r2', 400],
				] as const
			).map(([type, id, amount]): [string, string, number] => [type, id, amount]),
			['Succeeded', 'r2', 400],
		);
		expect(violations(again)).toEqual([]);
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
		[
			'I2',
			'at or after the hold limit',
			{
				...troubled,
				history: troubled.history.map((e) =>
					e.type === 'OrderHeld' ? { ...e, data: { heldUntil: iso(CREATED + 1_500) } } : e,
				),
			},
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
		[
			'I5',
			'the inbox has deadlines due-1 2 times',
			{ ...shipped, handled: [...shipped.handled, handled('deadlines', 'due-1', DUE)] },
		],
		[
			'I5',
			'that the inbox does not know',
			{ ...shipped, handled: shipped.handled.filter(({ consumer }) => consumer !== 'deadlines') },
		],
		['I5', 'OrderDue was armed 2 times, at most 1', { ...shipped, armed: [...shipped.armed, wakeUp('due-2')] }],
		['I5', 'OrderDue was armed 5 times, at most 4', { ...troubled, armed: [...troubled.armed, wakeUp('due-9')] }],
		[
			'I5',
			'HoldExpired was armed 3 times',
			{ ...troubled, armed: [...troubled.armed, wakeUp('held-3', 'HoldExpired')] },
		],
		['I6', 'before the money was captured', { ...shipped, operations: [operation('authorize', CREATED)] }],
		['I6', 'before the money was captured', { ...shipped, parcels: [{ orderId: ID, createdAt: DUE + 9 }] }],
		['I7', 'made 2 orders', { ...shipped, orders: [...shipped.orders, order('Shipped', 'Captured', { id: 'other' })] }],
		['I7', 'answered with 2 orders', { ...shipped, answers: [created, { ...created, orderId: 'other' }] }],
		['I7', '2 different bodies', { ...shipped, answers: [created, { ...created, body: '{}' }] }],
		['I7', 'stored with another order', { ...shipped, keys: [{ key: 'key-1', orderId: 'other' }] }],
		['I9', '1000 was taken, and 900 was agreed', { ...amended(900), operations: shipped.operations }],
		[
			'I9',
			'1000 was taken, and 999 was held',
			{ ...shipped, operations: [operation('authorize', CREATED, 'succeeded', 999), operation('capture', DUE + 10)] },
		],
		[
			'I9',
			'1001 was given back, and 1000 was taken',
			{ ...shipped, operations: [...shipped.operations, operation('refund', DUE + 99, 'succeeded', 1_001)] },
		],
		['I9', 'refunds of 1001 were accepted', refunded(['Requested', 'r1', 601], ['Requested', 'r2', 400])],
		['I9', '1 refunds never came to an end', refunded(['Requested', 'r1', 400])],
		[
			'I9',
			'2 refunds of 800 were given',
			{ ...oneRefund, operations: [...oneRefund.operations, operation('refund', DUE + 102, 'succeeded', 400)] },
		],
		['I9', 'refund r9 was answered 201, and gone', { ...oneRefund, answers: [created, refundAnswer('r9')] }],
		[
			'I9',
			'key k was answered with different refunds',
			{ ...oneRefund, answers: [created, refundAnswer('r1'), refundAnswer('r2')] },
		],
		['I8', '2 parcels', { ...shipped, parcels: [...shipped.parcels, { orderId: ID, createdAt: DUE + 60 }] }],
	];

	it.each(planted)('%s: tell that %s', (invariant, what, evidence) => {
		const found = violations(evidence).join('\n');
		expect(found.split('\n').filter((line) => line.startsWith(`${invariant}: `) && line.includes(what))).toHaveLength(
			1,
		);
	});

	it('have a planted violation each', () => {
		expect([...new Set(planted.map(([invariant]) => invariant))].sort()).toEqual([...INVARIANTS]);
	});

	it('tell the story of the order, and no more than what matters', () => {
		const [story = ''] = violations({
			...cancelled,
			operations: [...cancelled.operations, operation('capture', DUE)],
		}).filter((text) => text.startsWith('I3'));
		expect(story.split('\n').slice(1)).toEqual([
			`  order ${ID}: Cancelled, payment Voided, due ${iso(DUE)}`,
			'    00:00:01.000 client: cancel → 202 at 00:00:01.005',
			'    00:00:01.001 event 3: OrderCancelRequested {"requestedBy":"buyer"}',
			'    00:00:02.000 provider: capture succeeded',
		]);
	});

	it('tell the shortest of the stories that break one, and how many there are', () => {
		const other = '019a0000-0000-7000-8000-000000000002';
		const parcels = [ID, other].flatMap((orderId) => [0, 1].map((at) => ({ orderId, createdAt: DUE + 40 + at })));
		const quiet = { ...order('Shipped', 'Captured', { id: other }), productName: 'key-2' };
		const found = judge({
			...shipped,
			parcels,
			orders: [...shipped.orders, quiet],
		}).filter(({ invariant }) => invariant === 'I8');
		expect(found.map(({ orderId, length }) => [orderId, length])).toEqual([
			[ID, 4],
			[other, 2],
		]);
		const [text = ''] = violations({ ...shipped, parcels, orders: [...shipped.orders, quiet] }).filter((one) =>
			one.startsWith('I8'),
		);
		expect(text).toContain(`I8: 2 parcels\n  the shortest story of 2 that break I8\n  order ${other}: Shipped`);
		expect(text).not.toContain(ID);
	});
});
