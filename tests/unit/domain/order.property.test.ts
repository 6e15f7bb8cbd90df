import { describe, expect, it } from '@jest/globals';
import fc from 'fast-check';
import type { Order } from '../../../domain/order.ts';
import type { OrderStatus } from '../../../domain/order-record.ts';
import { TAKEN } from '../../../domain/payment.ts';
import { HOUR, type Instant, MINUTE } from '../../../domain/time.ts';
import { at, FIXTURES, outcome, START, TIMEOUT } from './order.fixtures.ts';
import { FINAL, Reference, refusal, same, type Untils } from './order.reference.ts';
import { type Did, type Plan, plans, World } from './order.world.ts';

const RUNS = 3_000;
/** What may happen more than once. */
const AGAIN: readonly string[] = [
	...['OrderHeld', 'OrderResumed', 'OrderAmended', 'RefundRequested', 'RefundSucceeded', 'RefundFailed'],
];

function must(condition: boolean, what: string): void {
	if (!condition) throw new Error(`not so: ${what}`);
}

const sum = (refunds: readonly { readonly amountMinor: bigint }[]): bigint =>
	refunds.reduce((total, { amountMinor }) => total + amountMinor, 0n);

/** Runs the plan; `after` sees each step once it is done, and the order's state before it. */
function run(plan: Plan, after: (world: World, did: Did, before: OrderStatus, until: Untils) => void): World {
	const world = new World(plan);
	for (const step of plan.steps) {
		const { record, payment, shipment, refunds } = world.order;
		const call = (payment.open ?? shipment)?.attemptUntil ?? world.now;
		const given = new Map(refunds.flatMap(({ id, open }) => (open === null ? [] : [[id, open.attemptUntil] as const])));
		after(world, world.do(step), record.status, { call, refunds: given });
	}
	return world;
}

/** The buyer could still pay what was declined: that is ended at the provider after the order. */
const isLeftBehind = ({ payment }: Order): boolean => payment.status === 'Declined' && payment.open !== null;

const always = (check: (plan: Plan) => void) => fc.assert(fc.property(plans, check), { numRuns: RUNS });

describe('whatever happens to an order, in whatever order', () => {
	it("it and its payment are where contract.md's tables say, and refuse what they refuse", () => {
		const reached = new Set<string>();
		always((plan) => {
			const reference = new Reference(plan, new World(plan).order.record.amount.minor);
			const { facts } = reference;
			run(plan, ({ order, now }, did, _before, until) => {
				facts.now = now;
				if ('answer' in did) same([did.answer.ok ? undefined : did.answer.error.code], [refusal(did, facts)]);
				reference.step(did, until);
				const { record, payment, refunds } = order;
				const { open } = payment;
				same(
					[record.status, payment.status, open?.operation, open?.attempts],
					[facts.status, facts.payment, facts.open?.operation, facts.open?.attempt],
				);
				same([record.pendingUntil, record.holdExpiresAt ?? Number.POSITIVE_INFINITY], [facts.due, facts.limit]);
				same([record.amount.minor, payment.refundedMinor], [facts.amount, reference.refunded]);
				same([refunds.map(({ status }) => status).join()], [facts.refunds.map(({ status }) => status).join()]);
				for (const refund of refunds) reached.add(`refund ${refund.status}`);
				reached.add(`${record.status} / ${payment.status}${open === null ? '' : ` (${open.operation} open)`}`);
			});
		});
		// The plans are worth something only if they go everywhere.
		const refunds = ['Requested', 'Unknown', 'Succeeded', 'Failed'].map((status) => `refund ${status}`);
		const ends = ['Shipped / PartiallyRefunded', 'Shipped / Refunded', 'PaymentFailed / Voided', ...refunds];
		const everywhere = FIXTURES.map(({ name }) => name.replace(/ \(parcel .*/, ''));
		expect([...everywhere, ...ends].filter((name) => !reached.has(name))).toEqual([]);
	});

	it('yes means yes, the window is exact, and money moves once, one call at a time', () => {
		always((plan) => {
			let [cancelled, due, answered] = [false, START + plan.window, 0];
			const {
				provider,
				calls,
				order: end,
			} = run(plan, ({ order, now, calls, parcelCalls }, did, before) => {
				const { status } = order.record;
				const accepted = 'answer' in did && did.answer.ok;
				if (did.on === 'cancel' && accepted) cancelled = true;
				if (accepted && before === 'Pending') must(now < due, `${did.on} before due`);
				if (did.on === 'resume' && accepted) due = order.record.pendingUntil;
				if (cancelled) must(status === 'CancelRequested' || status === 'Cancelled', `cancelled, not ${status}`);
				if (status === 'Shipped') must(TAKEN.has(order.payment.status) && parcelCalls.length > 0, 'paid, then shipped');
				const standing = order.refunds.filter((refund) => refund.status !== 'Failed');
				must(sum(standing) <= order.record.amount.minor, 'never more back than was taken');
				if (did.on === 'paid' && did.counted) answered = calls.length;
				if (did.on === 'handOver' && did.call !== null) same([status, order.payment.status], ['Confirmed', 'Captured']);
				if (did.on !== 'pay' || did.call === null || did.call.operation === 'refund') return;
				const { operation } = did.call;
				const previous = calls.at(-2);
				// While the bank waits for the buyer the provider is only asked, and a void need not wait for the answer.
				const asks = order.payment.status === 'ActionRequired';
				if (!asks && previous !== undefined && answered < calls.length - 1) {
					must(now >= previous.at + TIMEOUT, 'no two calls at once');
					same([operation], [previous.call.operation]);
				}
				if (operation === 'capture') same([cancelled, now >= due, status], [false, true, 'Confirmed']);
				if (operation === 'void')
					must(
						status === 'CancelRequested' || (status === 'Confirmed' && !cancelled) || isLeftBehind(order),
						'to be voided',
					);
				if (previous === undefined) must(operation === 'authorize' && status !== 'CancelRequested', 'first authorise');
			});
			const moved = provider.performed.filter((operation) => operation !== 'authorize');
			must(provider.performed.length - moved.length <= 1, 'authorised once');
			must(moved.length <= 1, 'captured or voided once');
			must(provider.given.reduce((total, minor) => total + minor, 0n) <= end.record.amount.minor, 'no more given back');
			const keys = calls.flatMap(({ call }) => (call.operation === 'refund' ? [call.idempotencyKey] : []));
			must(provider.given.length <= new Set(keys).size && new Set(keys).size <= end.refunds.length, 'one key for each');
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
				const asks = order.payment.status === 'ActionRequired' && now >= pendingUntil;
				if (status === 'Pending' && !asks) must(toCome('OrderDue', pendingUntil), 'OrderDue is to come');
				if (status === 'OnHold') must(toCome('HoldExpired', holdExpiresAt), 'HoldExpired is to come');
				if (FINAL.includes(status)) {
					const left = isLeftBehind(order) ? 'void' : null;
					same([order.payment.open?.operation ?? null, order.nextOperation], [left, left]);
					const isOver = left === null && order.refunds.every((refund) => refund.settledAt !== null);
					same([sweepAt === null], [isOver]);
				} else must(Number.isSafeInteger(sweepAt), 'the sweeper looks again');
				must((order.payment.open?.attemptUntil ?? now) <= now + MINUTE, 'no call is waited for longer than a minute');
				for (const { open } of order.refunds) must((open?.attemptUntil ?? now) <= now + HOUR, 'a refund is asked for');
			});
			const events = order.raised.filter((message) => message.kind === 'event');
			must(events.length === order.record.sequence, 'all are counted');
			must(
				events.every(({ sequence }, index) => sequence === index + 1),
				'1, 2, 3 …',
			);
			must(new Set(order.raised.map(({ id }) => id)).size === order.raised.length, 'ids are unique');
			const once = events.map(({ type }) => type).filter((type) => !AGAIN.includes(type));
			must(new Set(once).size === once.length, 'nothing else happens more than once');
		});
	});

	it('the sweeper alone brings it to an end, soon after it may, once the provider behaves', () => {
		always((plan) => {
			const world = run(plan, () => {});
			const { order } = world;
			const { status, pendingUntil, holdExpiresAt } = order.record;
			const isOver = (): boolean => FINAL.includes(order.record.status) && order.record.sweepAt === null;
			const waits = status === 'Pending' ? pendingUntil : status === 'OnHold' ? (holdExpiresAt ?? 0) : 0;
			const soon = Math.max(world.now, waits) + (order.refunds.length > 0 ? HOUR : 0) + 5 * MINUTE;
			let looks = 0;
			for (; looks < 12 + order.refunds.length && !isOver(); looks++) {
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
			must(isOver(), `an end after ${looks} looks, not ${order.record.status}`);
			must(world.now <= soon, `an end by ${soon}, not at ${world.now}`);
			must(world.provider.performed.filter((operation) => operation !== 'authorize').length <= 1, 'money moved once');
		});
	});
});
