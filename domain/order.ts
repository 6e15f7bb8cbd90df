import type { HandOverCall, Moment, PaymentCall } from './commands.ts';
import { IllegalTransition, type Refusal } from './errors.ts';
import type { EventData, EventType, Raised, WakeUpType } from './events.ts';
import type { PlaceOrder } from './order-record.ts';
import { newRecord, type OrderRecord } from './order-record.ts';
import {
	AUTHORIZES,
	beginOrRepeat,
	keyHasAged,
	mayRepeat,
	newPayment,
	operationFor,
	type Payment,
	type PaymentOperation,
	type ProviderOutcome,
	settle,
	voidUnasked,
} from './payment.ts';
import { ok, type Result, refuse } from './result.ts';
import { failedAttempt, type HandOverOutcome, nextAttempt, type Shipment } from './shipment.ts';
import { firstLook, GRACE, laterLook, lookInstead } from './sweeping.ts';
import { type Duration, type Instant, toIso } from './time.ts';
import { refusesCancel, refusesHold, refusesResume, resumedUntil } from './window.ts';

/** An order with its payment and shipment: everything that one order's row lock protects. */
export class Order {
	#record: OrderRecord;
	#payment: Payment;
	#shipment: Shipment | null;
	readonly #raised: Raised[] = [];

	constructor(record: OrderRecord, payment: Payment, shipment: Shipment | null = null) {
		this.#record = record;
		this.#payment = payment;
		this.#shipment = shipment;
	}

	get record(): OrderRecord {
		return this.#record;
	}

	get payment(): Payment {
		return this.#payment;
	}

	get shipment(): Shipment | null {
		return this.#shipment;
	}

	/** What has been raised and must be stored with the order, in order. */
	get raised(): readonly Raised[] {
		return this.#raised;
	}

	/** – → Pending */
	static place(command: PlaceOrder, { now, newId }: Moment): Order {
		const order = new Order(newRecord(command, newId(now), now), newPayment());
		const { pendingUntil } = order.record;
		order.#event({ now, newId }, 'OrderPending', {
			productName: command.productName,
			amountMinor: command.amount.minor.toString(),
			currency: command.amount.currency,
			pendingUntil: toIso(pendingUntil),
		});
		order.#arm('OrderDue', pendingUntil, { now, newId });
		return order;
	}

	/** Pending → OnHold: the buyer pauses. On an order on hold nothing changes. */
	hold(moment: Moment, holdLimit: Duration): Result<void, Refusal> {
		const refusal = refusesHold(this.#record, moment.now);
		if (refusal !== undefined) return refuse(refusal);
		if (this.#record.status === 'OnHold') return ok(undefined);
		const holdExpiresAt = this.#record.holdExpiresAt ?? moment.now + holdLimit;
		this.#change({ status: 'OnHold', heldAt: moment.now, holdExpiresAt, pauses: this.#record.pauses + 1 });
		this.#event(moment, 'OrderHeld', { heldUntil: toIso(holdExpiresAt) });
		this.#arm('HoldExpired', holdExpiresAt, moment);
		return ok(undefined);
	}

	/** OnHold → Pending: the buyer resumes, with the rest of the window. On a pending order nothing changes. */
	resume(moment: Moment): Result<void, Refusal> {
		const refusal = refusesResume(this.#record, moment.now);
		if (refusal !== undefined) return refuse(refusal);
		if (this.#record.status === 'Pending') return ok(undefined);
		const due = resumedUntil(this.#record, moment.now);
		this.#change({ status: 'Pending', heldAt: null, pendingUntil: due });
		this.#event(moment, 'OrderResumed', { pendingUntil: toIso(due) });
		this.#arm('OrderDue', due, moment);
		return ok(undefined);
	}

	/** Pending, OnHold → CancelRequested: the buyer cancels. On a cancelled order nothing changes. */
	cancel(moment: Moment): Result<void, Refusal> {
		const { status } = this.#record;
		if (status === 'CancelRequested' || status === 'Cancelled') return ok(undefined);
		const refusal = refusesCancel(this.#record, moment.now);
		if (refusal !== undefined) return refuse(refusal);
		this.#requestCancel(moment, 'buyer');
		return ok(undefined);
	}

	/**
	 * The wake-up `OrderDue` armed for `at` has come: Pending → Confirmed. One that comes early is armed again; one
	 * whose moment is no longer the order's has no effect.
	 */
	wakeAtDue(at: Instant, moment: Moment): void {
		if (this.#record.status !== 'Pending' || at !== this.#record.pendingUntil) return;
		if (moment.now < at) this.#arm('OrderDue', at, moment);
		else this.#confirm(moment, 'OrderDue');
	}

	/** The wake-up `HoldExpired` armed for `at` has come: OnHold → CancelRequested, by the same rules. */
	wakeAtHoldLimit(at: Instant, moment: Moment): void {
		if (this.#record.status !== 'OnHold' || at !== this.#record.holdExpiresAt) return;
		if (moment.now < at) this.#arm('HoldExpired', at, moment);
		else this.#requestCancel(moment, 'hold limit');
	}

	/** Does what the end of a window or of a hold requires, for an order whose wake-up was lost. */
	wakeWithoutMessage(moment: Moment): void {
		const { status, pendingUntil, holdExpiresAt } = this.#record;
		if (status === 'Pending' && moment.now >= pendingUntil) this.#confirm(moment, 'sweeper');
		const isOver = status === 'OnHold' && holdExpiresAt !== null && moment.now >= holdExpiresAt;
		if (isOver) this.#requestCancel(moment, 'hold limit');
	}

	/** The provider operation that the order's state asks for, whether or not it may begin yet. */
	get nextOperation(): PaymentOperation | null {
		return operationFor(this.#record.status, this.#payment);
	}

	/** True if `beginPayment` would make a call now, so that a call slot is needed. */
	needsCall(now: Instant): boolean {
		return this.nextOperation !== null && (this.#payment.open === null || mayRepeat(this.#payment, now));
	}

	/**
	 * Starts, or repeats, the provider operation that the order's state asks for, and returns the call to make
	 * once this has been committed; null if there is none to make. `timeout` is the call's own.
	 */
	beginPayment(moment: Moment, timeout: Duration): PaymentCall | null {
		if (this.#payment.open === null && this.#record.status === 'CancelRequested') this.#cancelWithoutCall(moment);
		const operation = this.nextOperation;
		if (operation === null || !this.needsCall(moment.now)) return null;
		const payment = beginOrRepeat(this.#payment, operation, moment.now, timeout);
		const { open, reference } = payment;
		this.#payment = payment;
		// The first call of an operation needs no new `sweep_at`: the sweeper leaves calls in progress alone.
		if (open.attempts > 1) this.#change({ sweepAt: open.attemptUntil + GRACE, sweeps: 0 });
		const { id, amount, paymentMethod } = this.#record;
		return {
			orderId: id,
			operation,
			attempt: open.attempts,
			amount,
			paymentMethod,
			reference,
			keyAged: keyHasAged(open, moment.now),
		};
	}

	/**
	 * Applies the outcome of a call. If its operation is no longer open, the outcome is dropped. Returns whether it
	 * counted.
	 */
	applyPaymentOutcome(operation: PaymentOperation, attempt: number, outcome: ProviderOutcome, moment: Moment): boolean {
		const before = this.#payment;
		this.#payment = settle(before, operation, attempt, outcome, moment.now);
		if (this.#payment === before) return false;
		const reason = outcome.kind === 'succeeded' ? null : outcome.reason;
		switch (this.#payment.status) {
			case 'Authorized':
				this.#event(moment, 'PaymentAuthorized', {});
				break;
			case 'Declined':
				this.#event(moment, 'PaymentDeclined', { reason });
				if (this.#record.status === 'CancelRequested') this.#cancelled(moment);
				else this.#failed(moment, reason);
				break;
			case 'Captured':
				this.#event(moment, 'PaymentCaptured', {});
				break;
			case 'Failed':
				this.#failed(moment, reason);
				this.#event(moment, 'PaymentFailed', { reason });
				break;
			case 'Voided':
				this.#event(moment, 'PaymentVoided', {});
				this.#cancelled(moment);
				break;
			default:
				this.#lookAgain(moment.now);
		}
		return true;
	}

	/** Starts, or repeats, the hand-over of a paid order, and returns the call to make once this is committed. */
	beginHandOver(moment: Moment, timeout: Duration): HandOverCall | null {
		if (this.#record.status !== 'Confirmed' || this.#payment.status !== 'Captured') return null;
		const shipment = nextAttempt(this.#shipment, moment.now, timeout);
		if (shipment === undefined) return null;
		this.#shipment = shipment;
		return { orderId: this.#record.id, attempt: shipment.attempts };
	}

	/** Confirmed → Shipped, once the parcel service has the parcel. Returns whether the outcome counted. */
	applyHandOverOutcome(attempt: number, outcome: HandOverOutcome, moment: Moment): boolean {
		if (this.#record.status !== 'Confirmed' || this.#shipment === null) return false;
		if (outcome.kind === 'unknown') {
			const before = this.#shipment;
			this.#shipment = failedAttempt(before, attempt, moment.now);
			if (this.#shipment === before) return false;
			this.#lookAgain(moment.now);
			return true;
		}
		if (this.#payment.status !== 'Captured') throw new IllegalTransition('shipped before it was paid');
		this.#change({ status: 'Shipped', shippedAt: moment.now });
		this.#event(moment, 'OrderShipped', { parcel: outcome.parcel });
		return true;
	}

	/** True if the order is paid and no hand-over is in progress. */
	awaitsShipment(now: Instant): boolean {
		const paid = this.#record.status === 'Confirmed' && this.#payment.status === 'Captured';
		return paid && nextAttempt(this.#shipment, now, 0) !== undefined;
	}

	/**
	 * The sweeper looks at this order: its `sweep_at` moves on, further with each find. Returns whether it is a find: not
	 * if a call is in progress, or if the sweeper came too early.
	 */
	found(now: Instant): boolean {
		if (this.#record.sweepAt === null) return false;
		const look = lookInstead(this.#record, this.#payment, this.#shipment, now);
		if (look !== null) {
			this.#change({ sweepAt: look });
			return false;
		}
		const sweeps = this.#record.sweeps + 1;
		this.#change({ sweeps, sweepAt: laterLook({ ...this.#record, sweeps }, now) });
		return true;
	}

	/** Asks shipping to look at a paid order that has not shipped. */
	askForShipment(moment: Moment): void {
		this.#arm('ShipmentDue', moment.now, moment);
	}

	#confirm(moment: Moment, wokenBy: 'OrderDue' | 'sweeper'): void {
		this.#change({ status: 'Confirmed', confirmedAt: moment.now });
		this.#event(moment, 'OrderConfirmed', { wokenBy });
	}

	#requestCancel(moment: Moment, requestedBy: string): void {
		this.#change({ status: 'CancelRequested', heldAt: null });
		this.#event(moment, 'OrderCancelRequested', { requestedBy });
	}

	#cancelWithoutCall(moment: Moment): void {
		if (this.#payment.status === 'Requested') {
			this.#payment = voidUnasked(this.#payment);
			this.#event(moment, 'PaymentVoided', {});
			this.#cancelled(moment);
		} else if (this.#payment.status === 'Declined' || this.#payment.status === 'Voided') this.#cancelled(moment);
	}

	#cancelled(moment: Moment): void {
		if (this.#record.status !== 'CancelRequested') throw new IllegalTransition(`${this.#record.status} → Cancelled`);
		this.#change({ status: 'Cancelled', cancelledAt: moment.now });
		this.#event(moment, 'OrderCancelled', {});
	}

	#failed(moment: Moment, failureReason: string | null): void {
		if (!AUTHORIZES.has(this.#record.status)) throw new IllegalTransition(`${this.#record.status} → PaymentFailed`);
		this.#change({ status: 'PaymentFailed', heldAt: null, failedAt: moment.now, failureReason });
		this.#lookAgain(moment.now);
	}

	#change(change: Partial<OrderRecord>): void {
		this.#record = { ...this.#record, ...change };
	}

	#lookAgain(now: Instant, change: Partial<OrderRecord> = {}): void {
		const sweepAt = firstLook(this.#record, this.#payment, this.#shipment, now);
		this.#change({ ...change, sweepAt, sweeps: 0 });
	}

	#event({ now, newId }: Moment, type: EventType, more: Omit<EventData, 'version'>): void {
		this.#lookAgain(now, { sequence: this.#record.sequence + 1 });
		const { id: orderId, sequence } = this.#record;
		const data: EventData = { version: 1, ...more };
		this.#raised.push({ kind: 'event', id: newId(now), type, orderId, sequence, occurredAt: now, data });
	}

	#arm(type: WakeUpType, at: Instant, { now, newId }: Moment): void {
		this.#raised.push({ kind: 'wake-up', id: newId(now), type, orderId: this.#record.id, at });
	}
}
