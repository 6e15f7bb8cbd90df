/** contract.md's tables of orders, payments and refunds, stepped apart from the order itself. */
import { expect } from '@jest/globals';
import type { OrderStatus } from '../../../domain/order-record.ts';
import type { PaymentStatus } from '../../../domain/payment.ts';
import type { PaymentOperation } from '../../../domain/provider.ts';
import type { RefundStatus } from '../../../domain/refund.ts';
import { backOff, type Duration, HOUR, type Instant, MINUTE, SECOND } from '../../../domain/time.ts';
import { START } from './order.fixtures.ts';
import { type Did, KINDS, type Kind, type Plan } from './order.world.ts';

export const FINAL: readonly OrderStatus[] = ['Shipped', 'Cancelled', 'PaymentFailed'];
const NEVER: Instant = Number.POSITIVE_INFINITY;

interface RefundFacts {
	readonly id: string;
	readonly minor: bigint;
	status: RefundStatus;
	/** of the call or question that is open; null if none is */
	attempt: number | null;
}

/** What the tables depend on. */
export interface Facts {
	now: Instant;
	status: OrderStatus;
	payment: PaymentStatus;
	open: { readonly operation: PaymentOperation; readonly attempt: number } | null;
	due: Instant;
	heldAt: Instant;
	limit: Instant;
	pauses: number;
	/** when the rest of the window after a pause must have ended: the provider lets the money go an hour later */
	pausable: Instant;
	/** a resumed order has so much left, at least */
	readonly shortest: Duration;
	amount: bigint;
	/** the amount that the provider was asked to hold */
	authorized: bigint | null;
	/** how often the hand-over was tried */
	parcels: number;
	readonly refunds: RefundFacts[];
}

/** Until when the calls under way may not be repeated, as it was before a step. */
export interface Untils {
	/** of the payment, or of the parcel */
	readonly call: Instant;
	readonly refunds: ReadonlyMap<string, Instant>;
}

/** As `expect`, which is too slow to be asked at each of a hundred thousand steps. */
export function same(actual: readonly unknown[], expected: readonly unknown[]): void {
	if (actual.length === expected.length && actual.every((value, index) => Object.is(value, expected[index]))) return;
	expect(actual).toEqual(expected);
	throw new Error('not the same');
}

/** What is left of the window for after a pause from then on. */
const rest = ({ due, shortest }: Facts, heldAt: Instant): Duration => Math.max(due - heldAt, shortest);
const pauseEnd = (facts: Facts, heldAt = facts.now): Instant => facts.pausable - rest(facts, heldAt);

type OrderRow = [from: readonly OrderStatus[], to: OrderStatus, on: string, guard: (facts: Facts) => boolean];

/** contract.md, Order states. The payment's change comes before the order's. */
const ORDER: readonly OrderRow[] = [
	[
		['Pending'],
		'OnHold',
		'hold',
		(facts) => facts.now < facts.due && facts.now < facts.limit && facts.now < pauseEnd(facts) && facts.pauses < 20,
	],
	[['OnHold'], 'Pending', 'resume', ({ now, limit }) => now < limit],
	[['Pending'], 'CancelRequested', 'cancel', ({ now, due }) => now < due],
	[['OnHold'], 'CancelRequested', 'cancel', () => true],
	[['OnHold'], 'CancelRequested', 'HoldExpired', ({ now, limit }) => now >= limit],
	[['Pending'], 'CancelRequested', 'not authenticated', () => true],
	[['CancelRequested'], 'Cancelled', 'payment', ({ payment }) => payment === 'Voided' || payment === 'Declined'],
	[['Pending'], 'Confirmed', 'OrderDue', ({ now, due, payment }) => now >= due && payment !== 'ActionRequired'],
	[['Pending'], 'Confirmed', 'authenticated', ({ now, due }) => now >= due],
	[['Confirmed'], 'Shipped', 'parcel', ({ payment }) => payment === 'Captured'],
	[['Pending', 'OnHold', 'Confirmed'], 'PaymentFailed', 'payment', ({ payment }) => payment === 'Declined'],
	[['Confirmed'], 'PaymentFailed', 'payment', ({ payment }) => payment === 'Failed' || payment === 'Voided'],
];

type PaymentRow = [open: PaymentOperation, from: readonly PaymentStatus[], kinds: readonly Kind[], to: PaymentStatus];

const OPEN: readonly PaymentStatus[] = ['Requested', 'Unknown', 'ActionRequired'];
const UNDECIDED: readonly Kind[] = ['unknown', 'pending', 'refusesUs', 'notDone'];

/** contract.md, Payment, and Refusals. */
const PAYMENT: readonly PaymentRow[] = [
	['authorize', OPEN, ['succeeded'], 'Authorized'],
	['authorize', OPEN, ['declined', 'refused', 'gone'], 'Declined'],
	['authorize', OPEN, ['actionRequired'], 'ActionRequired'],
	['authorize', ['Requested', 'Unknown'], UNDECIDED, 'Unknown'],
	['authorize', ['ActionRequired'], UNDECIDED, 'ActionRequired'],
	['capture', ['Authorized', 'Unknown'], ['succeeded'], 'Captured'],
	['capture', ['Authorized', 'Unknown'], ['declined', 'refused', 'gone'], 'Failed'],
	['capture', ['Authorized', 'Unknown'], [...UNDECIDED, 'actionRequired'], 'Unknown'],
	['void', ['Authorized', 'Unknown', 'ActionRequired'], ['succeeded', 'gone'], 'Voided'],
	['void', ['Authorized', 'Unknown', 'ActionRequired'], ['declined', 'refused', 'actionRequired'], 'Unknown'],
	['void', ['Authorized', 'Unknown', 'ActionRequired'], UNDECIDED, 'Unknown'],
	// What is left behind at the provider of an order that has ended already.
	['void', ['Declined'], KINDS, 'Declined'],
];

/** Outcomes of a void that decide nothing. */
const UNDECIDED_VOID: readonly Kind[] = [...UNDECIDED, 'actionRequired'];

const sum = (some: readonly RefundFacts[]): bigint => some.reduce((total, { minor }) => total + minor, 0n);

const left = ({ amount, refunds }: Facts): bigint => amount - sum(refunds.filter(({ status }) => status !== 'Failed'));

type Asked = Extract<Did, { on: 'hold' | 'resume' | 'cancel' | 'amend' | 'refund' }>;

/** contract.md, HTTP: the code of a refusal, or undefined where the command is accepted. */
export function refusal(did: Asked, facts: Facts): string | undefined {
	const { now, status, due, limit, pauses, amount } = facts;
	if (did.on === 'refund') {
		if (status !== 'Shipped') return 'Orders.InvalidState';
		return left(facts) === 0n || (did.minor ?? 0n) > left(facts) ? 'Refunds.TooMuch' : undefined;
	}
	const over = status === 'Confirmed' || status === 'Shipped' || (status === 'Pending' && now >= due);
	if (over) return 'Orders.WindowClosed';
	if (did.on === 'cancel') return status === 'PaymentFailed' ? 'Orders.InvalidState' : undefined;
	if (status !== 'Pending' && status !== 'OnHold') return 'Orders.InvalidState';
	if (now >= limit) return 'Orders.WindowClosed';
	if (did.on === 'amend') return did.minor > 0n && did.minor <= amount ? undefined : 'Validation.Failed';
	if (did.on === 'resume' || status === 'OnHold') return undefined;
	if (now >= pauseEnd(facts)) return 'Orders.WindowClosed';
	return pauses === 20 ? 'Orders.InvalidState' : undefined;
}

function wanted({ status, payment, open }: Facts): PaymentOperation | null {
	if (payment === 'ActionRequired' && (status === 'CancelRequested' || open === null)) return 'void';
	if (open !== null) return open.operation;
	if (status === 'CancelRequested') return payment === 'Authorized' ? 'void' : null;
	if (payment === 'Requested') return FINAL.includes(status) ? null : 'authorize';
	return status === 'Confirmed' && payment === 'Authorized' ? 'capture' : null;
}

/** Steps an independent model by the tables. */
export class Reference {
	readonly facts: Facts;
	readonly #plan: Plan;
	/** since when a key is in use to end what is left behind at the provider */
	#leftSince = NEVER;

	constructor(plan: Plan, amount: bigint) {
		this.#plan = plan;
		const fresh = { status: 'Pending', payment: 'Requested', open: null, parcels: 0, pauses: 0, heldAt: 0 } as const;
		const moments = {
			now: START,
			due: START + plan.window,
			limit: NEVER,
			pausable: NEVER,
			shortest: Math.min(MINUTE, plan.window),
		};
		this.facts = { ...fresh, ...moments, amount, authorized: null, refunds: [] };
	}

	/** In minor units. */
	get refunded(): bigint {
		return sum(this.facts.refunds.filter(({ status }) => status === 'Succeeded'));
	}

	step(did: Did, until: Untils): void {
		const { facts } = this;
		if (did.on === 'pay' && facts.status === 'Shipped') this.#giveBack(did, until.refunds);
		else if (did.on === 'pay') this.#pay(did, until.call);
		else if (did.on === 'paid') {
			same([did.counted], [did.operation === 'refund' ? this.#given(did) : this.#paid(did, did.operation)]);
		} else if (did.on === 'handOver') {
			const mayNot = facts.status !== 'Confirmed' || facts.payment !== 'Captured' || facts.now < until.call;
			if (mayNot) same([did.call], [null]);
			else same([did.call?.attempt], [++facts.parcels]);
		} else if (did.on === 'parcel') {
			const overtaken = did.kind === 'unknown' && did.attempt < facts.parcels;
			same([did.counted], [facts.status === 'Confirmed' && facts.parcels > 0 && !overtaken]);
			this.#order(did.kind === 'succeeded' && facts.parcels > 0 ? 'parcel' : 'nothing');
		} else if (did.on === 'wake') {
			const armedFor = did.type === 'OrderDue' ? facts.due : facts.limit;
			this.#order(did.at === armedFor ? did.type : 'nothing');
		} else if (did.on === 'sweep') this.#order(facts.status === 'Pending' ? 'OrderDue' : 'HoldExpired');
		else if (did.on === 'amend') facts.amount = did.answer.ok ? did.minor : facts.amount;
		else if (did.on === 'refund') {
			if (!did.answer.ok) return;
			const { id } = did.answer.value;
			facts.refunds.push({ id, minor: did.minor ?? left(facts), status: 'Requested', attempt: null });
		} else this.#order(did.on);
	}

	#pay({ call }: Extract<Did, { on: 'pay' }>, until: Instant): void {
		const { facts } = this;
		if (facts.status === 'CancelRequested' && facts.payment === 'Requested' && facts.open === null) {
			same([call], [null]);
			facts.payment = 'Voided';
			this.#order('payment');
			return;
		}
		const operation = wanted(facts);
		const open = facts.open?.operation === operation ? facts.open : null;
		if (operation === null || (open !== null && facts.now < until)) {
			same([call], [null]);
			return;
		}
		facts.open = { operation, attempt: (open?.attempt ?? 0) + 1 };
		if (operation === 'authorize') facts.authorized ??= facts.amount;
		const amount = operation === 'capture' ? facts.amount : facts.authorized;
		same([call?.operation, call?.attempt, call?.amount.minor], [operation, facts.open.attempt, amount]);
	}

	#giveBack({ call }: Extract<Did, { on: 'pay' }>, untils: Untils['refunds']): void {
		const { refunds, now } = this.facts;
		const next = refunds.find(({ id, status, attempt }) =>
			attempt === null ? status === 'Requested' : now >= (untils.get(id) ?? NEVER),
		);
		if (next === undefined) same([call], [null]);
		else {
			next.attempt = (next.attempt ?? 0) + 1;
			same([call?.refund?.id, call?.attempt, call?.amount.minor], [next.id, next.attempt, next.minor]);
		}
	}

	/** Answers if the outcome counts. */
	#paid({ attempt, kind, intendedAt }: Extract<Did, { on: 'paid' }>, operation: PaymentOperation): boolean {
		const { facts } = this;
		if (facts.open?.operation !== operation) return false;
		const before = facts.payment;
		const row = PAYMENT.find(
			([open, from, kinds]) => open === operation && from.includes(before) && kinds.includes(kind),
		);
		if (row === undefined) throw new Error(`${operation} open while ${before}: ${kind}`);
		const isOpen =
			row[3] === 'Unknown' || row[3] === 'ActionRequired' || (before === 'Declined' && UNDECIDED_VOID.includes(kind));
		const says = operation === 'authorize' && kind === 'actionRequired';
		if (isOpen && !says && attempt < facts.open.attempt) return false;
		facts.payment = row[3];
		if (before === 'Declined' && isOpen) {
			if (facts.now - this.#leftSince >= 23 * HOUR) facts.open = null;
			else if (kind === 'notDone') this.#leftSince = facts.now + backOff(facts.open.attempt, SECOND, MINUTE);
			return true;
		}
		if (!isOpen) facts.open = null;
		// The buyer could still pay in the browser.
		if (before === 'ActionRequired' && operation === 'authorize' && kind === 'declined') {
			facts.open = { operation: 'void', attempt: 1 };
			this.#leftSince = facts.now;
		}
		if (says) this.#waits(before, intendedAt);
		if (facts.payment === 'Authorized') this.#authorized(before);
		this.#order('payment');
		return true;
	}

	/** A question that was asked at due or after it, and whose answer is that the buyer has not acted, ends the wait. */
	#waits(before: PaymentStatus, intendedAt: Instant): void {
		const { facts } = this;
		const isConfirmed = facts.status === 'Confirmed';
		if (!isConfirmed && !(facts.status === 'Pending' && facts.now >= facts.due)) return;
		if (intendedAt < facts.due || (isConfirmed && before !== 'ActionRequired')) return;
		facts.open = null;
		this.#order('not authenticated');
	}

	#authorized(before: PaymentStatus): void {
		const { facts } = this;
		const { lapse } = this.#plan;
		if (lapse !== null) facts.pausable = START + lapse - HOUR;
		if (facts.status === 'OnHold') facts.limit = Math.min(facts.limit, pauseEnd(facts, facts.heldAt));
		if (before === 'ActionRequired') this.#order('authenticated');
	}

	#given({ refundId, attempt, kind }: Extract<Did, { on: 'paid' }>): boolean {
		const { facts } = this;
		const refund = facts.refunds.find(({ id }) => id === refundId);
		if (refund === undefined || refund.attempt === null) return false;
		const ends = kind === 'succeeded' ? 'Succeeded' : ['declined', 'refused', 'gone'].includes(kind) ? 'Failed' : null;
		if (ends === null && attempt < refund.attempt) return false;
		if (ends !== null) refund.attempt = null;
		refund.status = ends ?? (kind === 'pending' ? refund.status : 'Unknown');
		const { refunded } = this;
		facts.payment = refunded === 0n ? 'Captured' : refunded < facts.amount ? 'PartiallyRefunded' : 'Refunded';
		return true;
	}

	#order(on: string): void {
		const { facts } = this;
		const row = ORDER.find(([from, , cause, guard]) => from.includes(facts.status) && cause === on && guard(facts));
		if (row === undefined) return;
		if (on === 'hold') {
			facts.heldAt = facts.now;
			facts.pauses += 1;
			facts.limit = Math.min(facts.limit, facts.now + this.#plan.limit, pauseEnd(facts));
		}
		if (on === 'resume') {
			facts.due = facts.now + rest(facts, facts.heldAt);
		}
		facts.status = row[1];
	}
}
