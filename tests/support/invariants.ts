/** The contract's invariants I1 to I8, decided from outside: from answers, journals and the orders' own history. */
import type { Answer, OrderView } from './client.ts';
import { type Evidence, FINAL, type HistoryEvent, type Operation, type Parcel, type PaymentRow } from './evidence.ts';

/** All that is known of one order. */
interface Story {
	readonly id: string;
	readonly order: OrderView | undefined;
	readonly answers: readonly Answer[];
	readonly history: readonly HistoryEvent[];
	readonly operations: readonly Operation[];
	readonly parcels: readonly Parcel[];
	readonly payment: PaymentRow | undefined;
}

type Rule = (story: Story) => string[];

/** Every violation in words, each followed by the story of its order. Empty when all is well. */
export function violations(evidence: Evidence): string[] {
	const found = storiesOf(evidence).flatMap((story) => {
		const complaints = RULES.flatMap((rule) => rule(story));
		return complaints.length > 0 ? [`${complaints.join('\n')}\n${tell(story)}`] : [];
	});
	return [...found, ...oneKeyOneOrder(evidence)];
}

function storiesOf(evidence: Evidence): Story[] {
	const orders = new Map(evidence.orders.map((order) => [order.id, order]));
	const answers = Map.groupBy(evidence.answers, ({ orderId }) => orderId);
	const history = Map.groupBy(evidence.history, ({ orderId }) => orderId);
	const operations = Map.groupBy(evidence.operations, ({ orderId }) => orderId);
	const parcels = Map.groupBy(evidence.parcels, ({ orderId }) => orderId);
	const payments = new Map(evidence.payments.map((payment) => [payment.orderId, payment]));
	const ids = new Set([orders, answers, history, operations, parcels, payments].flatMap((map) => [...map.keys()]));
	return [...ids].flatMap((id) => {
		if (id === null) return [];
		const parts = { answers: answers.get(id) ?? [], history: history.get(id) ?? [] };
		const outside = { operations: operations.get(id) ?? [], parcels: parcels.get(id) ?? [] };
		return [{ id, order: orders.get(id), ...parts, ...outside, payment: payments.get(id) }];
	});
}

const accepted = ({ status }: Answer): boolean => status >= 200 && status < 300;

const done = ({ operations }: Story, ...names: string[]): Operation[] =>
	operations.filter(({ operation, outcome }) => names.includes(operation) && outcome === 'succeeded');

/** I1: at most one authorise, at most one of capture and void. */
const moneyMovesOnce: Rule = (story) => {
	const authorised = done(story, 'authorize').length;
	const moved = done(story, 'capture', 'void').length;
	return [
		...(authorised > 1 ? [`I1: authorised ${authorised} times`] : []),
		...(moved > 1 ? [`I1: captured or voided ${moved} times`] : []),
	];
};

interface Span {
	readonly state: string;
	readonly due: number;
	readonly event: HistoryEvent;
}

/** Each event with the state and the due that it found. */
function spans({ history }: Story): Span[] {
	let state = '';
	let due = Number.NaN;
	return history.map((event) => {
		const span = { state, due, event };
		state = STATE_AFTER[event.type] ?? state;
		if (typeof event.data.pendingUntil === 'string') due = Date.parse(event.data.pendingUntil);
		return span;
	});
}

const lastDue = (story: Story): number => Date.parse(story.order?.pendingUntil ?? '');

/** I2, by what is stored: nothing of the buyer's at or after due, nothing of the clock's before it. */
const windowIsExact: Rule = (story) => {
	const early = done(story, 'capture').filter(({ createdAt }) => createdAt < lastDue(story));
	return [
		...early.map(({ createdAt }) => `I2: captured ${lastDue(story) - createdAt} ms before due`),
		...spans(story).flatMap(({ state, due, event: { type, occurredAt, data } }) => {
			const late = occurredAt - due;
			if (type === 'OrderConfirmed' && late < 0) return [`I2: confirmed ${-late} ms before due`];
			if (state !== 'Pending' || late < 0 || data.requestedBy === 'hold limit') return [];
			if (type === 'OrderCancelRequested') return [`I2: a cancel was accepted ${late} ms after due`];
			if (type === 'OrderHeld') return [`I2: a pause was accepted ${late} ms after due`];
			return [];
		}),
	];
};

/** I2, by the clients' own watch, whatever the system wrote down. Only for orders whose due never moved. */
const windowAsSeen: Rule = (story) => {
	const { answers } = story;
	const due = lastDue(story);
	if (Number.isNaN(due) || story.history.some(({ type }) => type === 'OrderHeld')) return [];
	return (['cancel', 'hold'] as const).flatMap((action) => {
		const asked = answers.filter((answer) => answer.action === action);
		const tooLate = asked.every(({ sentAt }) => sentAt >= due) && asked.filter(accepted);
		const tooEarly = asked.filter(({ code, at }) => code === 'Orders.WindowClosed' && at < due);
		return [
			...(tooLate || []).map(({ sentAt }) => `I2: ${action} was sent ${sentAt - due} ms after due and accepted`),
			...tooEarly.map(({ at }) => `I2: ${action} was refused ${due - at} ms before due: the window is closed`),
		];
	});
};

/** I2, the other side: a buyer who was told that the window is over has bought. */
const refusedMeansBought: Rule = (story) => {
	const told = story.answers.some(({ action, code }) => action === 'cancel' && code === 'Orders.WindowClosed');
	return told && story.order?.status === 'Cancelled' ? ['I2: a cancel was refused, and the order is cancelled'] : [];
};

/** I3: an accepted cancel holds. */
const yesMeansYes: Rule = (story) => {
	if (!story.answers.some((answer) => answer.action === 'cancel' && accepted(answer))) return [];
	const status = story.order?.status ?? 'gone';
	return [
		...(status === 'Cancelled' ? [] : [`I3: a cancel was accepted, and the order is ${status}`]),
		...(done(story, 'capture').length > 0 ? ['I3: a cancel was accepted, and the money was captured'] : []),
		...(story.parcels.length > 0 ? ['I3: a cancel was accepted, and a parcel went out'] : []),
	];
};

/** I4: what was answered 201 exists and has ended, and its money agrees with its end. */
const nothingIsLost: Rule = (story) => {
	const { order, payment, answers } = story;
	if (order === undefined) {
		return answers.some((answer) => answer.action === 'create' && accepted(answer))
			? ['I4: answered 201, and gone']
			: [];
	}
	if (!FINAL.has(order.status)) return [`I4: still ${order.status} (payment ${order.paymentStatus})`];
	const held = done(story, 'authorize').length - done(story, 'capture', 'void').length;
	const wanted = PAYMENT_AT_END[order.status] ?? [];
	return [
		...(wanted.includes(order.paymentStatus) ? [] : [`I4: ${order.status}, and the payment is ${order.paymentStatus}`]),
		...(order.paymentStatus === (payment?.status ?? 'Requested') ? [] : [`I4: the table says ${payment?.status}`]),
		...(payment?.operation ? [`I4: ended, and its ${payment.operation} is still open`] : []),
		...(order.status === 'Cancelled' && held > 0 ? ['I4: cancelled, and the money is still held'] : []),
		...(order.status === 'Shipped' && done(story, 'capture').length === 0 ? ['I4: shipped, and never captured'] : []),
		...(order.status === 'Shipped' && story.parcels.length === 0 ? ['I4: shipped, and there is no parcel'] : []),
	];
};

const PAYMENT_AT_END: Readonly<Record<string, readonly string[]>> = {
	Shipped: ['Captured'],
	Cancelled: ['Voided', 'Declined'],
	PaymentFailed: ['Declined', 'Failed'],
};

const STATE_AFTER: Readonly<Record<string, string>> = {
	OrderPending: 'Pending',
	OrderHeld: 'OnHold',
	OrderResumed: 'Pending',
	OrderCancelRequested: 'CancelRequested',
	OrderCancelled: 'Cancelled',
	OrderConfirmed: 'Confirmed',
	OrderShipped: 'Shipped',
};

/** In which states an event may come. */
const COMES_IN: Readonly<Record<string, readonly string[]>> = {
	OrderPending: [''],
	OrderHeld: ['Pending'],
	OrderResumed: ['OnHold'],
	OrderCancelRequested: ['Pending', 'OnHold'],
	OrderCancelled: ['CancelRequested'],
	OrderConfirmed: ['Pending'],
	OrderShipped: ['Confirmed'],
	PaymentAuthorized: ['Pending', 'OnHold', 'Confirmed', 'CancelRequested'],
	PaymentDeclined: ['Pending', 'OnHold', 'Confirmed', 'CancelRequested'],
	PaymentCaptured: ['Confirmed'],
	PaymentVoided: ['CancelRequested'],
	PaymentFailed: ['Confirmed'],
};

const MAY_REPEAT: ReadonlySet<string> = new Set(['OrderHeld', 'OrderResumed']);

/** I5: no message had its effect twice. The history is one walk through the state table, and ends where the order is. */
const oncePerConsumer: Rule = (story) => {
	const complaints = new Set<string>();
	const seen = new Set<string>();
	let state = '';
	for (const [index, { type, sequence, id }] of story.history.entries()) {
		if (sequence !== index + 1) complaints.add(`I5: event ${index + 1} has sequence ${sequence}`);
		if (seen.has(id)) complaints.add(`I5: event ${id} stands twice`);
		if (seen.has(type) && !MAY_REPEAT.has(type)) complaints.add(`I5: ${type} happened twice`);
		if (!COMES_IN[type]?.includes(state)) complaints.add(`I5: ${type} in state ${state || 'none'}`);
		seen.add(id).add(type);
		state = STATE_AFTER[type] ?? (FAILS.has(type) && state !== 'CancelRequested' ? 'PaymentFailed' : state);
	}
	if (story.order !== undefined && state !== story.order.status)
		complaints.add(`I5: the history ends in ${state || 'nothing'}, the order is ${story.order.status}`);
	return [...complaints];
};

const FAILS: ReadonlySet<string> = new Set(['PaymentDeclined', 'PaymentFailed']);

/** I6: capture before shipping. */
const captureFirst: Rule = (story) => {
	const captured = Math.min(...done(story, 'capture').map(({ createdAt }) => createdAt));
	const early = story.parcels.filter(({ createdAt }) => createdAt < captured);
	return early.length > 0 ? ['I6: a parcel went out before the money was captured'] : [];
};

/** I8: at most one hand-over. */
const shipsOnce: Rule = ({ parcels }) => (parcels.length > 1 ? [`I8: ${parcels.length} parcels`] : []);

const RULES: readonly Rule[] = [
	...[moneyMovesOnce, windowIsExact, windowAsSeen, refusedMeansBought, yesMeansYes],
	...[nothingIsLost, oncePerConsumer, captureFirst, shipsOnce],
];

/** I7. Every key of a run names its product after itself, so that a second order under a key shows in the list. */
function oneKeyOneOrder({ answers, orders }: Evidence): string[] {
	const created = answers.filter((answer) => answer.action === 'create' && answer.status === 201);
	const byKey = Map.groupBy(created, ({ key }) => key);
	const products = Map.groupBy(orders, ({ productName }) => productName);
	return [...byKey].flatMap(([key, all]) => {
		if (key === null) return [];
		const ids = new Set(all.map(({ orderId }) => orderId));
		const bodies = new Set(all.map(({ body }) => body));
		const stored = products.get(key)?.length ?? 0;
		return [
			...(ids.size > 1 ? [`I7: key ${key} was answered with ${ids.size} orders: ${[...ids].join(', ')}`] : []),
			...(bodies.size > 1 ? [`I7: key ${key} was answered with ${bodies.size} different bodies`] : []),
			...(stored > 1 ? [`I7: key ${key} made ${stored} orders`] : []),
		];
	});
}

const clock = (at: number): string => new Date(at).toISOString().slice(11, 23);

/** What happened to one order, line by line in the order of time. */
function tell({ id, order, answers, history, operations, parcels }: Story): string {
	const lines = [
		...answers.map(({ action, sentAt, at, status, code }) => ({
			at: sentAt,
			text: `client: ${action} → ${status} ${code ?? ''} at ${clock(at)}`,
		})),
		...history.map(({ occurredAt, sequence, type, data }) => ({
			at: occurredAt,
			text: `event ${sequence}: ${type} ${JSON.stringify(data)}`,
		})),
		...operations.map(({ createdAt, operation, outcome }) => ({
			at: createdAt,
			text: `provider: ${operation} ${outcome}`,
		})),
		...parcels.map(({ createdAt }) => ({ at: createdAt, text: 'parcel service: took the parcel' })),
	];
	lines.sort((a, b) => a.at - b.at);
	const end = order ? `${order.status}, payment ${order.paymentStatus}, due ${order.pendingUntil}` : 'not in the list';
	return [`  order ${id}: ${end}`, ...lines.map(({ at, text }) => `    ${clock(at)} ${text}`)].join('\n');
}
