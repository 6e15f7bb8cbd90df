import type { MadeCall } from './attempts.ts';
import type { HandOverCall, Moment, PaymentCall } from './commands.ts';
import type { Resolution } from './decision.ts';
import { Draft } from './draft.ts';
import { IllegalTransition, type Refusal } from './errors.ts';
import type { Raised } from './events.ts';
import type { Money } from './money.ts';
import { newRecord, type OrderRecord, type PlaceOrder } from './order-record.ts';
import { applyOutcome, beginPayment, needsCall } from './paying.ts';
import { askNow, type CallOutcome, type CallTerms, newPayment, operationFor, type Payment } from './payment.ts';
import type { Finding, PaymentOperation } from './provider.ts';
import type { Refund } from './refund.ts';
import { askForRefunds, correctRefund, requestRefund } from './refunding.ts';
import { beginResolution, resolve } from './resolving.ts';
import { ok, type Result, refuse } from './result.ts';
import { failedAttempt, type HandOverOutcome, nextAttempt, type Shipment } from './shipment.ts';
import { laterLook, lookInstead } from './sweeping.ts';
import { type Duration, type Instant, toIso } from './time.ts';
import { latestEnd, refusesAmend, refusesCancel, refusesHold, refusesResume, resumedUntil } from './window.ts';

const NO_REFUNDS: readonly Refund[] = [];

/** An order with its payment, shipment and refunds: everything that one order's row lock protects. */
export class Order {
	readonly #draft: Draft;

	/** `refunds`: all of a shipped order's; before that there are none. */
	constructor(
		record: OrderRecord,
		payment: Payment,
		shipment: Shipment | null = null,
		refunds: readonly Refund[] = NO_REFUNDS,
	) {
		this.#draft = new Draft(record, payment, shipment, refunds);
	}

	get record(): OrderRecord {
		return this.#draft.record;
	}

	get payment(): Payment {
		return this.#draft.payment;
	}

	get shipment(): Shipment | null {
		return this.#draft.shipment;
	}

	get refunds(): readonly Refund[] {
		return this.#draft.refunds;
	}

	/** What has been raised and must be stored with the order, in order. */
	get raised(): readonly Raised[] {
		return this.#draft.raised;
	}

	/** – → Pending */
	static place(command: PlaceOrder, moment: Moment): Order {
		const { now, newId } = moment;
		const order = new Order(newRecord(command, newId(now), now), newPayment());
		const { pendingUntil } = order.record;
		order.#draft.event(moment, 'OrderPending', {
			productName: command.productName,
			amountMinor: command.amount.minor.toString(),
			currency: command.amount.currency,
			pendingUntil: toIso(pendingUntil),
		});
		order.#draft.arm('OrderDue', pendingUntil, moment);
		return order;
	}

	/** Pending → OnHold: the buyer pauses. On an order on hold nothing changes. */
	hold(moment: Moment, holdLimit: Duration): Result<void, Refusal> {
		const { captureBefore } = this.payment;
		const refusal = refusesHold(this.record, captureBefore, moment.now);
		if (refusal !== undefined) return refuse(refusal);
		if (this.record.status === 'OnHold') return ok(undefined);
		const limit = this.record.holdExpiresAt ?? moment.now + holdLimit;
		const holdExpiresAt = Math.min(limit, latestEnd(this.record, captureBefore, moment.now));
		const draft = this.#draft;
		draft.change({ status: 'OnHold', heldAt: moment.now, holdExpiresAt, pauses: this.record.pauses + 1 });
		draft.event(moment, 'OrderHeld', { heldUntil: toIso(holdExpiresAt) });
		draft.arm('HoldExpired', holdExpiresAt, moment);
		return ok(undefined);
	}

	/** OnHold → Pending: the buyer resumes, with the rest of the window. On a pending order nothing changes. */
	resume(moment: Moment): Result<void, Refusal> {
		const refusal = refusesResume(this.record, moment.now);
		if (refusal !== undefined) return refuse(refusal);
		if (this.record.status === 'Pending') return ok(undefined);
		const due = resumedUntil(this.record, moment.now);
		this.#draft.change({ status: 'Pending', heldAt: null, pendingUntil: due });
		this.#draft.event(moment, 'OrderResumed', { pendingUntil: toIso(due) });
		this.#draft.arm('OrderDue', due, moment);
		return ok(undefined);
	}

	/** Pending, OnHold: the buyer lowers the amount, which the capture will take. The same amount changes nothing. */
	amend(amount: Money, moment: Moment): Result<void, Refusal> {
		const { amount: present } = this.record;
		const refusal = refusesAmend(this.record, amount, moment.now);
		if (refusal !== undefined) return refuse(refusal);
		if (amount.minor === present.minor) return ok(undefined);
		this.#draft.change({ amount });
		this.#draft.event(moment, 'OrderAmended', {
			amountMinor: amount.minor.toString(),
			previousMinor: present.minor.toString(),
			currency: amount.currency,
		});
		return ok(undefined);
	}

	/** Pending, OnHold → CancelRequested: the buyer cancels. On a cancelled order nothing changes. */
	cancel(moment: Moment): Result<void, Refusal> {
		const { status } = this.record;
		if (status === 'CancelRequested' || status === 'Cancelled') return ok(undefined);
		const refusal = refusesCancel(this.record, moment.now);
		if (refusal !== undefined) return refuse(refusal);
		this.#draft.requestCancel(moment, 'buyer');
		return ok(undefined);
	}

	/** Shipped: money is given back, all that is left unless `amount` says how much. */
	refund(amount: Money | null, reason: string | null, moment: Moment): Result<Refund, Refusal> {
		return requestRefund(this.#draft, amount, reason, moment);
	}

	/**
	 * The wake-up `OrderDue` armed for `at` has come: Pending → Confirmed. One that comes early is armed again; one
	 * whose moment is no longer the order's has no effect.
	 */
	wakeAtDue(at: Instant, moment: Moment): void {
		if (this.record.status !== 'Pending' || at !== this.record.pendingUntil) return;
		if (moment.now < at) this.#draft.arm('OrderDue', at, moment);
		else this.#due(moment, 'OrderDue');
	}

	/** The wake-up `HoldExpired` armed for `at` has come: OnHold → CancelRequested, by the same rules. */
	wakeAtHoldLimit(at: Instant, moment: Moment): void {
		if (this.record.status !== 'OnHold' || at !== this.record.holdExpiresAt) return;
		if (moment.now < at) this.#draft.arm('HoldExpired', at, moment);
		else this.#draft.requestCancel(moment, 'hold limit');
	}

	/** Does what the end of a window or of a hold requires, for an order whose wake-up was lost. */
	wakeWithoutMessage(moment: Moment): void {
		const { status, pendingUntil, holdExpiresAt } = this.record;
		if (status === 'Pending' && moment.now >= pendingUntil) this.#due(moment, 'sweeper');
		const isOver = status === 'OnHold' && holdExpiresAt !== null && moment.now >= holdExpiresAt;
		if (isOver) this.#draft.requestCancel(moment, 'hold limit');
	}

	/** The provider has news of the payment, or may have: it is asked now, where its answer could change something. */
	askProvider(moment: Moment): void {
		const before = this.payment;
		if (this.record.sweepAt === null) return; // the order has ended
		this.#draft.payment = askNow(before, moment.now);
		if (this.payment === before) return;
		this.#draft.lookAgain(moment.now);
		this.#draft.arm('PaymentDue', moment.now, moment);
	}

	/**
	 * The same for refunds that are under way. One that has succeeded is asked for only if the news is of itself, by the
	 * provider's name `changed`: a provider may take it back. Returns whether any is asked for.
	 */
	askForRefunds(changed: string | null, moment: Moment): boolean {
		return askForRefunds(this.#draft, changed, moment);
	}

	/** The provider operation that the order's state asks for, whether or not it may begin yet. */
	get nextOperation(): PaymentOperation | null {
		return operationFor(this.record.status, this.payment);
	}

	/** True if `beginPayment` would make a call now, so that a call slot is needed. */
	needsCall(now: Instant): boolean {
		return needsCall(this.#draft, now);
	}

	/**
	 * Starts, or repeats, the provider operation that the order's state or one of its refunds asks for, and returns the call
	 * to make once this has been committed; null if there is none to make.
	 */
	beginPayment(moment: Moment, terms: CallTerms): PaymentCall | null {
		return beginPayment(this.#draft, moment, terms);
	}

	/**
	 * Applies the outcome of a call. If its operation is no longer open, the outcome is dropped. Returns whether it
	 * counted.
	 */
	applyPaymentOutcome(call: MadeCall, outcome: CallOutcome, moment: Moment): boolean {
		return applyOutcome(this.#draft, call, outcome, moment);
	}

	/**
	 * A person wants to decide what became of a payment, or of a refund: the question that the provider is asked first, as
	 * the next attempt, so that nobody calls it meanwhile. Refused while a call may be under way, and where the money could
	 * move twice by the decision, or against a cancel.
	 */
	beginResolution(resolution: Resolution, moment: Moment, terms: CallTerms): Result<PaymentCall, Refusal> {
		return beginResolution(this.#draft, resolution, moment, terms);
	}

	/**
	 * Applies what the provider has said to that question (null: no answer), or else the decision. Refused where the two
	 * contradict each other; the provider's answer is applied then too, and has to be stored.
	 */
	resolve(call: PaymentCall, found: Finding | null, resolution: Resolution, moment: Moment): Result<void, Refusal> {
		return resolve(this.#draft, call, found, resolution, moment);
	}

	/** The provider gave back what we count as failed: Failed → Succeeded. Returns false where that is not so, or would be too much (I9). */
	correctRefund(id: string, reference: string | null, moment: Moment): boolean {
		return correctRefund(this.#draft, id, reference, moment);
	}

	/** Starts, or repeats, the hand-over of a paid order, and returns the call to make once this is committed. */
	beginHandOver(moment: Moment, timeout: Duration): HandOverCall | null {
		if (!this.#isPaid) return null;
		const shipment = nextAttempt(this.shipment, moment.now, timeout);
		if (shipment === undefined) return null;
		this.#draft.shipment = shipment;
		return { orderId: this.record.id, attempt: shipment.attempts };
	}

	/** Confirmed → Shipped, once the parcel service has the parcel. Returns whether the outcome counted. */
	applyHandOverOutcome(attempt: number, outcome: HandOverOutcome, moment: Moment): boolean {
		const { shipment } = this;
		if (this.record.status !== 'Confirmed' || shipment === null) return false;
		if (outcome.kind === 'unknown') {
			const later = failedAttempt(shipment, attempt, moment.now, moment.random());
			if (later === shipment) return false;
			this.#draft.shipment = later;
			this.#draft.lookAgain(moment.now);
			return true;
		}
		if (this.payment.status !== 'Captured') throw new IllegalTransition('shipped before it was paid');
		this.#draft.change({ status: 'Shipped', shippedAt: moment.now });
		this.#draft.event(moment, 'OrderShipped', { parcel: outcome.parcel });
		return true;
	}

	/** True if the order is paid and no hand-over is in progress. */
	awaitsShipment(now: Instant): boolean {
		return this.#isPaid && nextAttempt(this.shipment, now, 0) !== undefined;
	}

	/**
	 * The sweeper looks at this order: its `sweep_at` moves on, further with each find. Returns whether it is a find: not
	 * if a call is in progress, or if the sweeper came too early.
	 */
	found(now: Instant): boolean {
		if (this.record.sweepAt === null) return false;
		const look = lookInstead(this.record, this.payment, this.shipment, now, this.refunds);
		if (look !== null) {
			this.#draft.change({ sweepAt: look });
			return false;
		}
		const sweeps = this.record.sweeps + 1;
		this.#draft.change({ sweeps, sweepAt: laterLook({ ...this.record, sweeps }, now) });
		return true;
	}

	/** Asks shipping to look at a paid order that has not shipped. */
	askForShipment(moment: Moment): void {
		this.#draft.arm('ShipmentDue', moment.now, moment);
	}

	get #isPaid(): boolean {
		return this.record.status === 'Confirmed' && this.payment.status === 'Captured';
	}

	/** While the bank waits for the buyer, the provider is asked once more before the order ends. */
	#due(moment: Moment, wokenBy: 'OrderDue' | 'sweeper'): void {
		if (this.payment.status === 'ActionRequired') this.askProvider(moment);
		else this.#draft.confirm(moment, wokenBy);
	}
}
