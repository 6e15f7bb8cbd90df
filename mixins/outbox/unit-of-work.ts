import type { Moment } from '../../domain/commands.ts';
import type { OrderEvent, Raised, WakeUp } from '../../domain/events.ts';
import { Order } from '../../domain/order.ts';
import type { OrderRecord } from '../../domain/order-record.ts';
import type { Payment } from '../../domain/payment.ts';
import { newPayment } from '../../domain/payment.ts';
import type { Refund } from '../../domain/refund.ts';
import type { Shipment } from '../../domain/shipment.ts';
import type { Instant } from '../../domain/time.ts';
import type { Carrier } from '../brokers/index.ts';
import {
	type ChangedRefunds,
	CLOCK,
	type ClockAndPayments,
	existingOrders,
	insertOrders,
	insertPayments,
	lockFreeOrders,
	lockOrders,
	lockOverdueOrders,
	type Overdue,
	readClockAndPayments,
	readRefunds,
	type StoredOrder,
	storeRefunds,
	storeShipments,
	type Transaction,
	updateOrders,
	updatePayments,
} from '../database/index.ts';
import type { StatusChange } from '../observability/index.ts';
import { newId } from '../runtime/index.ts';
import { insertEvents, insertOutbox, type Traced, toMessage } from './messages-store.ts';

interface Loaded {
	readonly order: Order;
	/** as stored; undefined for a new order */
	readonly record: OrderRecord | undefined;
	readonly payment: Payment;
	/** a payment has a row from its first change on */
	readonly hasPayment: boolean;
	readonly shipment: Shipment | null;
	readonly refunds: readonly Refund[];
}

/** Orders that were locked, and the ids of those that another transaction has locked. */
export interface Free {
	readonly orders: ReadonlyMap<string, Order>;
	readonly busy: ReadonlySet<string>;
}

const NONE: ReadonlySet<string> = new Set();

const NOTHING_GIVEN: ReadonlyMap<string, readonly Refund[]> = new Map();

/** Called after a commit that has raised something, with that, and with the orders that have changed their state. */
export type OnStored = (raised: readonly Raised[], changes: readonly StatusChange[]) => void;

/** Where that goes which transactions raise. */
export interface Outgoing {
	readonly stored: OnStored;
	/** called after a commit that has left messages to the relay */
	readonly unsent?: () => void;
	/** that of a carrier that shares the database; without it the outbox relay sends */
	readonly publishIn?: Carrier['publishIn'] | undefined;
}

/**
 * The orders that one transaction has locked, and the saving of all that changed: states, payments, shipments,
 * refunds, events and outbox rows, each with one statement. Saving is the only way to an outbox row, so none can be forgotten.
 */
export class UnitOfWork {
	readonly #tx: Transaction;
	readonly #outgoing: Outgoing;
	readonly #loaded = new Map<string, Loaded>();
	readonly #traces = new Map<string, string>();
	readonly #raised: WakeUp[] = [];
	#now: Instant = Number.NaN;

	constructor(tx: Transaction, outgoing: Outgoing) {
		this.#tx = tx;
		this.#outgoing = outgoing;
	}

	/** The database's clock, read after the locks, and new ids. */
	get moment(): Moment {
		return { now: this.#now, newId, random: Math.random };
	}

	/** Reads the clock alone, for orders that do not exist yet. */
	async readClock(): Promise<Moment> {
		const [row] = await this.#tx.query<{ now: Instant }>(CLOCK);
		return this.at(row?.now ?? Number.NaN);
	}

	/** Takes the database's clock as it was read with another statement of this transaction. */
	at(now: Instant): Moment {
		this.#now = now;
		return this.moment;
	}

	/** Locks the orders, then reads the clock, then everything else. Orders that do not exist are missing in the answer. */
	async lock(ids: Iterable<string>): Promise<ReadonlyMap<string, Order>> {
		const wanted = [...new Set(ids)];
		// One round trip; the server reads the clock and the payments once it has the locks.
		const [stored, rest] = await Promise.all([lockOrders(this.#tx, wanted), readClockAndPayments(this.#tx, wanted)]);
		return this.#load(stored, rest);
	}

	/** The same without waiting; also returns the ids that another transaction has locked. */
	async lockFree(ids: Iterable<string>): Promise<Free> {
		const wanted = [...new Set(ids)];
		const [stored, rest] = await Promise.all([
			lockFreeOrders(this.#tx, wanted),
			readClockAndPayments(this.#tx, wanted),
		]);
		const orders = await this.#load(stored, rest);
		const missing = wanted.filter((id) => !orders.has(id));
		return { orders, busy: missing.length > 0 ? await existingOrders(this.#tx, missing) : NONE };
	}

	/** Waits for locked orders, or skips them if `waits` is false (after a wait in vain). */
	async lockSoon(ids: Iterable<string>, waits: boolean): Promise<Free> {
		return waits ? { orders: await this.lock(ids), busy: NONE } : this.lockFree(ids);
	}

	/** The same for orders that have waited too long; locked ones are skipped. */
	async lockOverdue(overdue: Overdue): Promise<ReadonlyMap<string, Order>> {
		const stored = await lockOverdueOrders(this.#tx, overdue);
		const ids = stored.map(({ record }) => record.id);
		return this.#load(stored, await readClockAndPayments(this.#tx, ids));
	}

	/** A new order, to be stored with the rest. */
	add(order: Order): void {
		this.#loaded.set(order.record.id, {
			order,
			record: undefined,
			payment: order.payment,
			hasPayment: false,
			shipment: null,
			refunds: [],
		});
	}

	/** A wake-up that no order raises, to be stored with the rest. */
	raise(wakeUp: WakeUp): void {
		this.#raised.push(wakeUp);
	}

	/** Undoes the changes of an order and returns it as it was stored. */
	reset(id: string): Order | undefined {
		const loaded = this.#loaded.get(id);
		if (loaded?.record === undefined) return undefined;
		const order = new Order(loaded.record, loaded.payment, loaded.shipment, loaded.refunds);
		this.#loaded.set(id, { ...loaded, order });
		return order;
	}

	/** The trace that the order's next events belong to, instead of the one that the order was placed in. */
	trace(id: string, traceparent: string | null): void {
		if (traceparent !== null) this.#traces.set(id, traceparent);
	}

	/** The trace that the order's next events belong to. */
	traceOf(id: string): string | null {
		return this.#traces.get(id) ?? null;
	}

	/** Stores every change with the transaction's commit. */
	save(): void {
		const all = [...this.#loaded.values()].sort((a, b) => (a.order.record.id < b.order.record.id ? -1 : 1));
		const created = all.filter(({ record }) => record === undefined).map(({ order }) => order);
		const changed = all.filter(({ order, record }) => record !== undefined && order.record !== record);
		const paid = all.filter(({ order, payment }) => order.payment !== payment);
		const [begun, paying] = [paid.filter(({ hasPayment }) => !hasPayment), paid.filter(({ hasPayment }) => hasPayment)];
		const shipments = all.filter(({ order, shipment }) => order.shipment !== shipment);
		const refunds = all.map(changedRefunds).filter((one) => one.refunds.length > 0);
		const raised = [...all.flatMap(({ order }) => order.raised), ...this.#raised];
		const tx = this.#tx;
		const stored = (loaded: readonly Loaded[]): Order[] => loaded.map(({ order }) => order);
		if (created.length > 0) tx.write(insertOrders(created, this.#traces));
		if (changed.length > 0) tx.write(updateOrders(changed, this.#now));
		if (begun.length > 0) tx.write(insertPayments(stored(begun)));
		if (paying.length > 0) tx.write(updatePayments(stored(paying)));
		if (shipments.length > 0) tx.write(storeShipments(stored(shipments)));
		if (refunds.length > 0) tx.write(storeRefunds(refunds));
		if (raised.length > 0)
			this.#storeMessages(
				raised,
				all.flatMap((loaded) => this.#changeOf(loaded)),
			);
	}

	/** No state changes without an event. */
	#changeOf({ order, record }: Loaded): StatusChange[] {
		const { id: orderId, status: to } = order.record;
		if (record?.status === to) return [];
		return [{ orderId, from: record?.status ?? null, to, traceparent: this.traceOf(orderId) }];
	}

	#storeMessages(raised: readonly Raised[], changes: readonly StatusChange[]): void {
		const events = raised
			.filter((message): message is OrderEvent => message.kind === 'event')
			.map((message): Traced<OrderEvent> => ({ message, traceparent: this.#traces.get(message.orderId) ?? null }));
		const sentAt = this.#publish(raised);
		const isLeft = raised.some((message) => sentAt(message) === null);
		this.#tx.afterCommit(() => {
			this.#outgoing.stored(raised, changes);
			if (isLeft) this.#outgoing.unsent?.();
		});
		if (events.length > 0) this.#tx.write(insertEvents(events));
		this.#tx.write(insertOutbox(raised, sentAt));
	}

	/** Gives messages to a carrier that commits with this transaction; returns when each was sent, null if it was not. */
	#publish(raised: readonly Raised[]): (message: Raised) => Instant | null {
		const { publishIn } = this.#outgoing;
		if (publishIn === undefined) return () => null;
		const messages = raised.map((message) => toMessage(message, this.#traces.get(message.orderId) ?? null, this.#now));
		const left = new Set(publishIn(this.#tx, messages).map(({ id }) => id));
		return ({ id }) => (left.has(id) ? null : this.#now);
	}

	async #load(
		locked: readonly StoredOrder[],
		{ now, payments }: ClockAndPayments,
	): Promise<ReadonlyMap<string, Order>> {
		this.#now = now;
		// Before it has shipped, an order has no refunds.
		const shipped = locked.filter(({ record }) => record.status === 'Shipped').map(({ record }) => record.id);
		const given = shipped.length > 0 ? await readRefunds(this.#tx, shipped) : NOTHING_GIVEN;
		const orders = new Map<string, Order>();
		for (const { record, traceparent } of locked) {
			this.trace(record.id, traceparent);
			const stored = payments.get(record.id);
			const payment = stored?.payment ?? newPayment();
			const shipment = stored?.shipment ?? null;
			const refunds = given.get(record.id) ?? [];
			const order = new Order(record, payment, shipment, refunds);
			this.#loaded.set(record.id, { order, record, payment, hasPayment: stored !== undefined, shipment, refunds });
			orders.set(record.id, order);
		}
		return orders;
	}
}

/** The refunds of an order that are new or have changed. */
function changedRefunds({ order, refunds }: Loaded): ChangedRefunds {
	if (order.refunds === refunds) return { order, refunds: [] };
	const known = new Set(refunds);
	return { order, refunds: order.refunds.filter((refund) => !known.has(refund)) };
}
