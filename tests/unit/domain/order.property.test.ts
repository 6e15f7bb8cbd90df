import { describe, expect, it } from '@jest/globals';
import fc from 'fast-check';
import type { OrderStatus } from '../../../domain/order-record.ts';
import type { PaymentStatus } from '../../../domain/payment.ts';
import type { ProviderOperation } from '../../../domain/provider.ts';
import { type Instant, MINUTE } from '../../../domain/time.ts';
import { at, FIXTURES, outcome, START, TIMEOUT } from './order.fixtures.ts';
import { type Did, type Kind, type Plan, plans, World } from './order.world.ts';

const RUNS = 3_000;
const PAUSES: readonly string[] = ['OrderHeld', 'OrderResumed'];
const FINAL: readonly OrderStatus[] = ['Shipped', 'Cancelled', 'PaymentFailed'];

/** What contract.md's tables depend on, kept apart from what the order itself stores. */
interface Facts {
	now: Instant;
	status: OrderStatus;
	payment: PaymentStatus;
	open: { readonly operation: ProviderOperation; readonly attempt: number } | null;
	due: Instant;
	heldAt: Instant;
	limit: Instant;
	pauses: number;
	/** how often the hand-over was tried */
	parcels: number;
}

/** As `expect`, which is too slow to be asked at each of a hundred thousand steps. */
function same(actual: readonly unknown[], expected: readonly unknown[]): void {
	if (actual.length === expected.length && actual.every((value, index) => Object.is(value, expected[index]))) return;
	expect(actual).toEqual(expected);
	throw new Error('not the same');
}

function must(condition: boolean, what: string): void {
	if (!condition) throw new Error(`not so: ${what}`);
}

type OrderRow = [from: readonly OrderStatus[], to: OrderStatus, on: string, guard: (facts: Facts) => boolean];

/** contract.md, Order states. The payment's change comes before the order's. */
const ORDER: readonly OrderRow[] = [
	[['Pending'], 'OnHold', 'hold', ({ now, due, limit, pauses }) => now < due && now < limit && pauses < 20],
	[['OnHold'], 'Pending', 'resume', ({ now, limit }) => now < limit],
	[['Pending'], 'CancelRequested', 'cancel', ({ now, due }) => now < due],
	[['OnHold'], 'CancelRequested', 'cancel', () => true],
	[['OnHold'], 'CancelRequested', 'HoldExpired', ({ now, limit }) => now >= limit],
	[['CancelRequested'], 'Cancelled', 'payment', ({ payment }) => payment === 'Voided' || payment === 'Declined'],
	[['Pending'], 'Confirmed', 'OrderDue', ({ now, due }) => now >= due],
	[['Confirmed'], 'Shipped', 'parcel', ({ payment }) => payment === 'Captured'],
	[['Pending', 'OnHold', 'Confirmed'], 'PaymentFailed', 'payment', ({ payment }) => payment === 'Declined'],
	[['Confirmed'], 'PaymentFailed', 'payment', ({ payment }) => payment === 'Failed'],
];

type PaymentRow = [open: ProviderOperation, from: readonly PaymentStatus[], kinds: readonly Kind[], to: PaymentStatus];

/** contract.md, Payment, and Refusals. */
const PAYMENT: readonly PaymentRow[] = [
	['authorize', ['Requested', 'Unknown'], ['succeeded'], 'Authorized'],
	['authorize', ['Requested', 'Unknown'], ['declined', 'refused', 'gone'], 'Declined'],
	['authorize', ['Requested', 'Unknown'], ['unknown'], 'Unknown'],
	['capture', ['Authorized', 'Unknown'], ['succeeded'], 'Captured'],
	['capture', ['Authorized', 'Unknown'], ['declined', 'refused', 'gone'], 'Failed'],
	['capture', ['Authorized', 'Unknown'], ['unknown', 'notDone'], 'Unknown'],
	['void', ['Authorized', 'Unknown'], ['succeeded', 'gone'], 'Voided'],
	['void', ['Authorized', 'Unknown'], ['declined', 'refused', 'unknown', 'notDone'], 'Unknown'],
];

/** contract.md, HTTP: the code of a refusal, or undefined where the command is accepted. */
function refusal(
	command: 'hold' | 'resume' | 'cancel',
	{ now, status, due, limit, pauses }: Facts,
): string | undefined {
	const over = status === 'Confirmed' || status === 'Shipped' || (status === 'Pending' && now >= due);
	if (over) return 'Orders.WindowClosed';
	if (command === 'cancel') return status === 'PaymentFailed' ? 'Orders.InvalidState' : undefined;
	if (status !== 'Pending' && status !== 'OnHold') return 'Orders.InvalidState';
	if (now >= limit) return 'Orders.WindowClosed';
	return command === 'hold' && status === 'Pending' && pauses === 20 ? 'Orders.InvalidState' : undefined;
}

function wanted({ status, payment, open }: Facts): ProviderOperation | null {
	if (open !== null) return open.operation;
	if (status === 'CancelRequested') return payment === 'Authorized' ? 'void' : null;
	if (payment === 'Requested') return FINAL.includes(status) ? null : 'authorize';
	return status === 'Confirmed' && payment === 'Authorized' ? 'capture' : null;
}

/** Steps an independent model by the tables. */
class Reference {
	readonly facts: Facts;
	readonly #plan: Plan;

	constructor(plan: Plan) {
		this.#plan = plan;
		const due = START + plan.window;
		const never = Number.POSITIVE_INFINITY;
		const fresh = { status: 'Pending', payment: 'Requested', open: null, parcels: 0 } as const;
		this.facts = { ...fresh, now: START, due, heldAt: 0, limit: never, pauses: 0 };
	}

	/** `until`: before that moment the call under way may not be repeated. */
	step(did: Did, until: Instant): void {
		const { facts } = this;
		if (did.on === 'pay') this.#pay(did.call?.attempt, until);
		else if (did.on === 'paid') same([did.counted], [this.#paid(did.operation, did.attempt, did.kind)]);
		else if (did.on === 'handOver') {
			if (facts.status !== 'Confirmed' || facts.payment !== 'Captured' || facts.now < until) same([did.call], [null]);
			else same([did.call?.attempt], [++facts.parcels]);
		} else if (did.on === 'parcel') {
			const overtaken = did.kind === 'unknown' && did.attempt < facts.parcels;
			same([did.counted], [facts.status === 'Confirmed' && facts.parcels > 0 && !overtaken]);
			this.#order(did.kind === 'succeeded' && facts.parcels > 0 ? 'parcel' : 'nothing');
		} else if (did.on === 'wake') {
			const armedFor = did.type === 'OrderDue' ? facts.due : facts.limit;
			this.#order(did.at === armedFor ? did.type : 'nothing');
		} else if (did.on === 'sweep') this.#order(facts.status === 'Pending' ? 'OrderDue' : 'HoldExpired');
		else this.#order(did.on);
	}

	#pay(attempt: number | undefined, until: Instant): void {
		const { facts } = this;
		if (facts.status === 'CancelRequested' && facts.payment === 'Requested' && facts.open === null) {
			same([attempt], [undefined]);
			facts.payment = 'Voided';
			this.#order('payment');
			return;
		}
		const operation = wanted(facts);
		if (operation === null || (facts.open !== null && facts.now < until)) {
			same([attempt], [undefined]);
			return;
		}
		facts.open = { operation, attempt: (facts.open?.attempt ?? 0) + 1 };
		same([attempt], [facts.open.attempt]);
	}

	/** Answers if the outcome counts. */
	#paid(operation: ProviderOperation, attempt: number, kind: Kind): boolean {
		const { facts } = this;
		if (facts.open?.operation !== operation) return false;
		const row = PAYMENT.find(
			([open, from, kinds]) => open === operation && from.includes(facts.payment) && kinds.includes(kind),
		);
		if (row === undefined) throw new Error(`${operation} open while ${facts.payment}`);
		if (row[3] === 'Unknown' && attempt < facts.open.attempt) return false;
		facts.payment = row[3];
		if (facts.payment !== 'Unknown') facts.open = null;
		this.#order('payment');
		return true;
	}

	#order(on: string): void {
		const { facts } = this;
		const row = ORDER.find(([from, , cause, guard]) => from.includes(facts.status) && cause === on && guard(facts));
		if (row === undefined) return;
		if (on === 'hold') {
			facts.heldAt = facts.now;
			facts.pauses += 1;
			facts.limit = Math.min(facts.limit, facts.now + this.#plan.limit);
		}
		if (on === 'resume') {
			facts.due = facts.now + Math.max(facts.due - facts.heldAt, Math.min(MINUTE, this.#plan.window));
		}
		facts.status = row[1];
	}
}

/** Runs the plan; `after` sees each step once it is done, and the order's state before it. */
function run(plan: Plan, after: (world: World, did: Did, before: OrderStatus, until: Instant) => void): World {
	const world = new World(plan);
	for (const step of plan.steps) {
		const { record, payment, shipment } = world.order;
		const open = payment.open ?? shipment;
		after(world, world.do(step), record.status, open?.attemptUntil ?? world.now);
	}
	return world;
}

const always = (check: (plan: Plan) => void) => fc.assert(fc.property(plans, check), { numRuns: RUNS });

describe('whatever happens to an order, in whatever order', () => {
	it("it and its payment are where contract.md's tables say, and refuse what they refuse", () => {
		const reached = new Set<string>();
		always((plan) => {
			const reference = new Reference(plan);
			const { facts } = reference;
			run(plan, ({ order, now }, did, _before, until) => {
				facts.now = now;
				if (did.on === 'hold' || did.on === 'resume' || did.on === 'cancel') {
					same([did.answer.ok ? undefined : did.answer.error.code], [refusal(did.on, facts)]);
				}
				reference.step(did, until);
				const { record, payment } = order;
				const { open } = payment;
				same(
					[record.status, payment.status, open?.operation, open?.attempts],
					[facts.status, facts.payment, facts.open?.operation, facts.open?.attempt],
				);
				same([record.pendingUntil, record.holdExpiresAt ?? Number.POSITIVE_INFINITY], [facts.due, facts.limit]);
				reached.add(`${record.status} / ${payment.status}${open === null ? '' : ` (${open.operation} open)`}`);
			});
		});
		// The plans are worth something only if they go everywhere.
		const waiting = 'ActionRequired'; // has a test of its own
		const everywhere = FIXTURES.filter(({ payment }) => payment !== waiting).map(({ name }) =>
			name.replace(/ \(parcel .*/, ''),
		);
		expect([...reached]).toEqual(expect.arrayContaining([...new Set(everywhere)]));
	});

	it('yes means yes, the window is exact, and money moves once, one call at a time', () => {
		always((plan) => {
			let [cancelled, due, answered] = [false, START + plan.window, 0];
			const { provider, calls } = run(plan, ({ order, now, calls, parcelCalls }, did, before) => {
				const { status } = order.record;
				const accepted = (did.on === 'cancel' || did.on === 'hold' || did.on === 'resume') && did.answer.ok;
				if (did.on === 'cancel' && accepted) cancelled = true;
				if (accepted && before === 'Pending') must(now < due, `${did.on} before due`);
				if (did.on === 'resume' && accepted) due = order.record.pendingUntil;
				if (cancelled) must(status === 'CancelRequested' || status === 'Cancelled', `cancelled, not ${status}`);
				if (status === 'Shipped')
					must(order.payment.status === 'Captured' && parcelCalls.length > 0, 'paid, then shipped');
				if (did.on === 'paid' && did.counted) answered = calls.length;
				if (did.on === 'handOver' && did.call !== null) same([status, order.payment.status], ['Confirmed', 'Captured']);
				if (did.on !== 'pay' || did.call === null) return;
				const { operation } = did.call;
				const previous = calls.at(-2);
				if (previous !== undefined && answered < calls.length - 1) {
					must(now >= previous.at + TIMEOUT, 'no two calls at once');
					same([operation], [previous.call.operation]);
				}
				if (operation === 'capture') same([cancelled, now >= due, status], [false, true, 'Confirmed']);
				if (operation === 'void') same([status], ['CancelRequested']);
				if (previous === undefined) must(operation === 'authorize' && status !== 'CancelRequested', 'first authorise');
			});
			const moved = provider.performed.filter((operation) => operation !== 'authorize');
			must(provider.performed.length - moved.length <= 1, 'authorised once');
			must(moved.length <= 1, 'captured or voided once');
			const intended = new Set(calls.map(({ call }) => call.operation));
			must(!(intended.has('capture') && intended.has('void')), 'never both asked for');
		});
	});

	it('its events are counted without a gap, no id comes twice, and a wake-up and a look are always to come', () => {
		always((plan) => {
			const { order } = run(plan, ({ order, now, delivered }) => {
				const { status, pendingUntil, holdExpiresAt, sweepAt } = order.record;
				const toCome = (type: string, moment: Instant | null) =>
					order.raised.some(
						(message) =>
							message.kind === 'wake-up' &&
							message.type === type &&
							message.at === moment &&
							!delivered.has(message.id),
					);
				if (status === 'Pending') must(toCome('OrderDue', pendingUntil), 'OrderDue is to come');
				if (status === 'OnHold') must(toCome('HoldExpired', holdExpiresAt), 'HoldExpired is to come');
				if (FINAL.includes(status)) same([sweepAt, order.payment.open, order.nextOperation], [null, null, null]);
				else must(Number.isSafeInteger(sweepAt), 'the sweeper looks again');
				must((order.payment.open?.attemptUntil ?? now) <= now + MINUTE, 'no call is waited for longer than a minute');
			});
			const events = order.raised.filter((message) => message.kind === 'event');
			must(events.length === order.record.sequence, 'all are counted');
			must(
				events.every(({ sequence }, index) => sequence === index + 1),
				'1, 2, 3 …',
			);
			must(new Set(order.raised.map(({ id }) => id)).size === order.raised.length, 'ids are unique');
			const once = events.map(({ type }) => type).filter((type) => !PAUSES.includes(type));
			must(new Set(once).size === once.length, 'only pauses happen more than once');
		});
	});

	it('the sweeper alone brings it to an end, soon after it may, once the provider behaves', () => {
		always((plan) => {
			const world = run(plan, () => {});
			const { order } = world;
			const { status, pendingUntil, holdExpiresAt } = order.record;
			const waits = status === 'Pending' ? pendingUntil : status === 'OnHold' ? (holdExpiresAt ?? 0) : 0;
			const soon = Math.max(world.now, waits) + 5 * MINUTE;
			let looks = 0;
			for (; looks < 12 && !FINAL.includes(order.record.status); looks++) {
				// Calls under way are not counted as waiting.
				world.now = Math.max(world.now, order.record.sweepAt ?? Number.NaN, order.payment.open?.attemptUntil ?? 0);
				must(Number.isSafeInteger(world.now), 'a look to come');
				order.found(world.now);
				order.wakeWithoutMessage(at(world.now));
				for (let { call } = world.pay(); call !== null; { call } = world.pay()) {
					const answer = world.ask(call, 'succeeded');
					// Nobody knows of an old authorisation: a person decides.
					world.paid(call, answer.kind === 'unknown' ? outcome('declined') : answer);
				}
				const handOver = order.beginHandOver(at(world.now), TIMEOUT);
				if (handOver !== null)
					order.applyHandOverOutcome(handOver.attempt, { kind: 'succeeded', parcel: 'P1' }, at(world.now));
			}
			must(FINAL.includes(order.record.status), `an end after ${looks} looks, not ${order.record.status}`);
			must(world.now <= soon, `an end by ${soon}, not at ${world.now}`);
			must(world.provider.performed.filter((operation) => operation !== 'authorize').length <= 1, 'money moved once');
		});
	});
});
