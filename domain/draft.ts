import type { Moment } from './commands.ts';
import { IllegalTransition } from './errors.ts';
import type { EventData, EventType, Raised, WakeUpType } from './events.ts';
import type { OrderRecord } from './order-record.ts';
import { AUTHORIZES, type Payment } from './payment.ts';
import type { Refund } from './refund.ts';
import type { Shipment } from './shipment.ts';
import { firstLook } from './sweeping.ts';
import type { Instant } from './time.ts';

/** An order while one transaction changes it: its state, and what was raised. The steps that every command uses stand here. */
export class Draft {
	readonly #raised: Raised[] = [];
	record: OrderRecord;
	payment: Payment;
	shipment: Shipment | null;
	refunds: readonly Refund[];

	constructor(record: OrderRecord, payment: Payment, shipment: Shipment | null, refunds: readonly Refund[]) {
		this.record = record;
		this.payment = payment;
		this.shipment = shipment;
		this.refunds = refunds;
	}

	/** What must be stored with the order, in order. */
	get raised(): readonly Raised[] {
		return this.#raised;
	}

	change(change: Partial<OrderRecord>): void {
		this.record = { ...this.record, ...change };
	}

	/** The sweeper's next look follows from the state as it is now. */
	lookAgain(now: Instant, change: Partial<OrderRecord> = {}): void {
		const sweepAt = firstLook(this.record, this.payment, this.shipment, now, this.refunds);
		this.change({ ...change, sweepAt, sweeps: 0 });
	}

	/** An event of the order's history. */
	event({ now, newId }: Moment, type: EventType, more: Omit<EventData, 'version'> = {}): void {
		this.lookAgain(now, { sequence: this.record.sequence + 1 });
		const { id: orderId, sequence } = this.record;
		const data: EventData = { version: 1, ...more };
		this.#raised.push({ kind: 'event', id: newId(now), type, orderId, sequence, occurredAt: now, data });
	}

	/** An internal message for the moment `at`. */
	arm(type: WakeUpType, at: Instant, { now, newId }: Moment): void {
		this.#raised.push({ kind: 'wake-up', id: newId(now), type, orderId: this.record.id, at });
	}

	/** Pending → Confirmed */
	confirm(moment: Moment, wokenBy: 'OrderDue' | 'sweeper' | 'authorization'): void {
		this.change({ status: 'Confirmed', confirmedAt: moment.now });
		this.event(moment, 'OrderConfirmed', { wokenBy });
	}

	/** Pending, OnHold → CancelRequested */
	requestCancel(moment: Moment, requestedBy: 'buyer' | 'hold limit' | 'authentication'): void {
		this.change({ status: 'CancelRequested', heldAt: null });
		this.event(moment, 'OrderCancelRequested', { requestedBy });
	}

	/** CancelRequested → Cancelled */
	cancelled(moment: Moment): void {
		if (this.record.status !== 'CancelRequested') throw new IllegalTransition(`${this.record.status} → Cancelled`);
		this.change({ status: 'Cancelled', cancelledAt: moment.now });
		this.event(moment, 'OrderCancelled');
	}

	/** Pending, OnHold, Confirmed → PaymentFailed */
	failed(moment: Moment, failureReason: string | null): void {
		if (!AUTHORIZES.has(this.record.status)) throw new IllegalTransition(`${this.record.status} → PaymentFailed`);
		this.change({ status: 'PaymentFailed', heldAt: null, failedAt: moment.now, failureReason });
		this.lookAgain(moment.now);
	}
}
