/** A state of the model beside what the tables say. */
import { consumerOf, type Names, tellMessage } from './names.ts';
import type { Observed } from './observe.ts';
import type { State } from './trace.ts';

export interface Measures {
	/** how long a tick of the model's clock is, in milliseconds */
	readonly tick: number;
	/** whether the order's end and the first use of a key are kept in the model */
	readonly keepsEnd: boolean;
	readonly keepsFirst: boolean;
	/** whether messages take part */
	readonly messages: boolean;
}

/** Longer than the sweeper ever waits between two looks at one order. */
const LONGEST_LOOK = 70_000;

const OPERATIONS: Readonly<Record<string, string | null>> = {
	none: null,
	authorise: 'authorize',
	capture: 'capture',
	void: 'void',
};

type Check = (what: string, model: unknown, code: unknown) => void;

/** What differs, in words. */
export function compare(
	state: State,
	seen: Observed,
	names: Names,
	measures: Measures,
	held: readonly string[],
): string[] {
	const found: string[] = [];
	const check: Check = (what, model, code) => {
		if (JSON.stringify(model) !== JSON.stringify(code))
			found.push(`${what}: ${JSON.stringify(model)} in the model, ${JSON.stringify(code)} in the code`);
	};
	/** a stored moment as a tick of the model's clock */
	const tickOf = (at: number | null | undefined): number | null =>
		at === null || at === undefined ? null : state.clock + Math.round((at - seen.now) / measures.tick);

	check('number of orders', state.ord.filter(({ st }) => st !== 'none').length, seen.orders.length);
	for (const [index, id] of names.orders.entries()) {
		compareOrder(check, tickOf, { state, seen, measures, index, id });
		compareOutside(check, { state, seen, index, id });
	}
	const orderOf = (id: string): number => names.orders.indexOf(id) + 1;
	const keys = (rows: readonly { key: string; o: number }[]): string[] =>
		rows.map(({ key, o }) => `${key} ${o}`).sort();
	check(
		'idempotency keys',
		keys(state.keys),
		keys(seen.keys.map(({ key, order_id }) => ({ key, o: orderOf(order_id) }))),
	);
	check('dead letters', 0, seen.dead);
	if (measures.messages) compareMessages(check, tickOf, { state, seen, names, held });
	return found;
}

interface OneOrder {
	readonly state: State;
	readonly seen: Observed;
	readonly index: number;
	readonly id: string;
}

function compareOrder(
	check: Check,
	tickOf: (at: number | null | undefined) => number | null,
	{ state, seen, index, id, measures }: OneOrder & { readonly measures: Measures },
): void {
	const who = `order ${index + 1}`;
	const [ord, pay, shp] = [state.ord[index], state.pay[index], state.shp[index]];
	const order = seen.orders.find((row) => row.id === id);
	const payment = seen.payments.find(({ order_id }) => order_id === id);
	const shipment = seen.shipments.find(({ order_id }) => order_id === id);
	if (ord === undefined || pay === undefined || shp === undefined || order === undefined) {
		check(who, 'there', 'gone');
		return;
	}
	check(`${who} is`, ord.st, order.status);
	check(`${who}, the due`, ord.due, tickOf(order.due));
	check(`${who}, the hold limit`, ord.limit === 0 ? null : ord.limit, tickOf(order.limit));
	if (ord.st === 'OnHold') {
		const rest = order.held_at === null ? null : Math.round((order.due - order.held_at) / measures.tick);
		check(`${who}, the rest of the window`, ord.rest, rest);
	}
	if (measures.keepsEnd && ord.ended > 0) check(`${who}, its end`, ord.ended, tickOf(order.ended));
	check(`${who}, the payment is`, pay.st, payment?.status ?? 'Requested');
	check(`${who}, the open operation`, OPERATIONS[pay.op], payment?.operation ?? null);
	if (pay.op !== 'none') {
		check(`${who}, nobody repeats before`, pay.until, tickOf(payment?.until));
		if (measures.keepsFirst) check(`${who}, the key was first used at`, pay.first, tickOf(payment?.first));
	}
	check(`${who}, a hand-over was begun`, shp.st !== 'none', shipment !== undefined);
	if (shp.st === 'open') check(`${who}, nobody hands over again before`, shp.until, tickOf(shipment?.until));
	check(`${who}, its sweep`, null, overslept(order, Math.max(payment?.until ?? 0, shipment?.until ?? 0), seen.now));
}

const FINAL: ReadonlySet<string> = new Set(['Shipped', 'Cancelled', 'PaymentFailed']);

/** The sweeper must look at every unfinished order, soon after what it waits for; null when it will. */
function overslept(order: Observed['orders'][number], until: number, now: number): string | null {
	if (FINAL.has(order.status)) return order.sweep_at === null ? null : 'looks at what has ended';
	if (order.sweep_at === null) return 'never looks';
	const awaited = order.status === 'Pending' ? order.due : order.status === 'OnHold' ? (order.limit ?? 0) : 0;
	const late = order.sweep_at - Math.max(now, awaited, until);
	return late > LONGEST_LOOK ? `looks ${Math.round(late / 1_000)} s too late` : null;
}

/** The provider's journal and the parcels. */
function compareOutside(check: Check, { state, seen, index, id }: OneOrder): void {
	const who = `order ${index + 1}`;
	const bank = state.bank[index];
	const journal = seen.operations.filter(({ order_id }) => order_id === id);
	const count = (operation: string, outcome: string): number =>
		journal.filter((row) => row.operation === operation && row.outcome === outcome).length;
	check(`${who}, authorised`, bank?.auths, count('authorize', 'succeeded'));
	check(`${who}, declined`, bank?.hold === 'declined', count('authorize', 'declined') > 0);
	check(`${who}, captured`, bank?.captures, count('capture', 'succeeded'));
	check(`${who}, the capture refused`, bank?.mem.capture.ans === 'Refused', count('capture', 'refused') > 0);
	check(`${who}, voided`, bank?.voids, count('void', 'succeeded'));
	check(`${who}, the void refused`, 0, count('void', 'refused'));
	check(`${who}, parcels`, state.parcel[index]?.n, seen.parcels.filter(({ order_id }) => order_id === id).length);
}

interface Messages {
	readonly state: State;
	readonly seen: Observed;
	readonly names: Names;
	readonly held: readonly string[];
}

function compareMessages(
	check: Check,
	tickOf: (at: number | null) => number | null,
	{ state, seen, names, held }: Messages,
): void {
	const handled = state.inbox.map((message) => `${consumerOf(message)} ${names.idOf(message)}`).sort();
	check('inbox', handled, seen.inbox.map(({ consumer, id }) => `${consumer} ${id}`).sort());
	check(
		'held by the carrier',
		state.carrier.map((message) => names.idOf(message)).sort(),
		held.filter((id) => names.knows(id)).sort(),
	);
	const rows = new Map(seen.outbox.map((row) => [row.id, row]));
	const unsent = state.outbox.flatMap(({ m, st }) => (st === 'sent' ? [] : [names.idOf(m)]));
	check(
		'not sent yet',
		unsent.sort(),
		seen.outbox.flatMap(({ id, sent }) => (sent || !names.knows(id) ? [] : [id])).sort(),
	);
	for (const { m, st } of state.outbox) {
		if (st === 'sent') check(`${tellMessage(m)} was sent`, true, rows.get(names.idOf(m))?.sent);
	}
	for (const message of [...state.carrier, ...state.outbox.map(({ m }) => m)]) {
		const row = rows.get(names.idOf(message));
		if (row === undefined || row.moment === null || message.type === 'ShipWaits') continue;
		check(`${tellMessage(message)} is armed for`, message.moment, tickOf(row.moment));
	}
}
