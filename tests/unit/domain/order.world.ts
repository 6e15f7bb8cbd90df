import fc from 'fast-check';
import type { MadeCall } from '../../../domain/attempts.ts';
import type { HandOverCall, PaymentCall } from '../../../domain/commands.ts';
import type { Refusal } from '../../../domain/errors.ts';
import type { WakeUp } from '../../../domain/events.ts';
import type { Order } from '../../../domain/order.ts';
import type { CallOutcome } from '../../../domain/payment.ts';
import { PAYMENT_OPERATIONS, type ProviderOperation } from '../../../domain/provider.ts';
import type { Refund } from '../../../domain/refund.ts';
import type { Result } from '../../../domain/result.ts';
import { DAY, type Duration, HOUR, type Instant, MINUTE, SECOND } from '../../../domain/time.ts';
import { at, made, outcome, place, START, TERMS, TIMEOUT } from './order.fixtures.ts';
import { Provider } from './order.provider.ts';

export type Kind = CallOutcome['kind'];
export const KINDS: readonly Kind[] = [
	...(['succeeded', 'declined', 'refused', 'gone', 'unknown', 'actionRequired', 'actionRequired'] as const),
	...(['notDone', 'pending', 'refusesUs'] as const),
];

/** One thing that happens to an order. `pick` chooses, newest first, among what there is by then. */
export type Step =
	| { readonly do: 'hold' | 'resume' | 'cancel' | 'pay' | 'sweep' | 'handOver' }
	| { readonly do: 'amend'; readonly minor: bigint }
	| { readonly do: 'refund'; readonly minor: bigint | null }
	/** a wake-up that was raised arrives, perhaps not for the first time */
	| { readonly do: 'wake'; readonly pick: number }
	/** a wake-up arrives that nobody armed for that moment */
	| { readonly do: 'stray'; readonly type: 'OrderDue' | 'HoldExpired'; readonly off: number }
	/** a call reaches the provider; its answer comes, comes later, is lost, or the caller has died */
	| {
			readonly do: 'answer';
			readonly pick: number;
			readonly kind: Kind;
			readonly how: 'now' | 'later' | 'lost' | 'died';
	  }
	/** an answer that was late arrives, perhaps not for the first time */
	| { readonly do: 'deliver'; readonly pick: number }
	/** an outcome arrives that no call explains */
	| { readonly do: 'forge'; readonly operation: ProviderOperation; readonly attempt: number; readonly kind: Kind }
	| { readonly do: 'parcel'; readonly pick: number; readonly kind: 'succeeded' | 'unknown' }
	| { readonly do: 'clock'; readonly by: Duration }
	| { readonly do: 'until'; readonly what: 'due' | 'limit' | 'attempt' | 'look'; readonly off: number };

/** What a step came to. */
export type Did =
	| { readonly on: 'hold' | 'resume' | 'cancel'; readonly answer: Result<void, Refusal> }
	| { readonly on: 'amend'; readonly minor: bigint; readonly answer: Result<void, Refusal> }
	| { readonly on: 'refund'; readonly minor: bigint | null; readonly answer: Result<Refund, Refusal> }
	| { readonly on: 'wake'; readonly type: string; readonly at: Instant }
	| { readonly on: 'pay'; readonly call: PaymentCall | null }
	| {
			readonly on: 'paid';
			readonly operation: ProviderOperation;
			readonly attempt: number;
			readonly intendedAt: Instant;
			readonly refundId: string | undefined;
			readonly kind: Kind;
			readonly counted: boolean;
	  }
	| { readonly on: 'handOver'; readonly call: HandOverCall | null }
	| {
			readonly on: 'parcel';
			readonly attempt: number;
			readonly kind: 'succeeded' | 'unknown';
			readonly counted: boolean;
	  }
	| { readonly on: 'sweep' | 'nothing' };

export interface Plan {
	readonly window: Duration;
	readonly limit: Duration;
	/** how long after the order the provider lets held money go; null if it does not say */
	readonly lapse: Duration | null;
	readonly steps: readonly Step[];
}

const just = <T extends Step['do']>(...names: T[]) => fc.constantFrom(...names).map((name) => ({ do: name }));
const pick = fc.oneof({ weight: 3, arbitrary: fc.constant(0) }, fc.nat(7));
const off = fc.constantFrom(-1, 0, 0, 1);
const kind = fc.oneof({ weight: 3, arbitrary: fc.constant<Kind>('succeeded') }, fc.constantFrom(...KINDS));
const how = fc.constantFrom('now', 'now', 'now', 'later', 'lost', 'died');
const step: fc.Arbitrary<Step> = fc.oneof(
	{
		weight: 6,
		arbitrary: just(
			'hold',
			'hold',
			'resume',
			'resume',
			'resume',
			'cancel',
			'sweep',
			'sweep',
			'sweep',
		) as fc.Arbitrary<Step>,
	},
	{ weight: 6, arbitrary: just('pay', 'pay', 'pay', 'handOver', 'handOver') as fc.Arbitrary<Step> },
	{
		weight: 1,
		arbitrary: fc.record({ do: fc.constant('amend'), minor: fc.constantFrom(0n, 1n, 525n, 1049n, 1050n, 1051n) }),
	},
	{
		weight: 2,
		arbitrary: fc.record({ do: fc.constant('refund'), minor: fc.constantFrom(null, 1n, 200n, 525n, 1051n) }),
	},
	{ weight: 2, arbitrary: fc.record({ do: fc.constant('wake'), pick }) },
	{
		weight: 1,
		arbitrary: fc.record({ do: fc.constant('stray'), type: fc.constantFrom('OrderDue', 'HoldExpired'), off }),
	},
	{ weight: 6, arbitrary: fc.record({ do: fc.constant('answer'), pick, kind, how }) },
	{ weight: 2, arbitrary: fc.record({ do: fc.constant('deliver'), pick }) },
	{
		weight: 1,
		arbitrary: fc.record({
			do: fc.constant('forge'),
			operation: fc.constantFrom(...PAYMENT_OPERATIONS),
			attempt: fc.integer({ min: 1, max: 3 }),
			kind,
		}),
	},
	{
		weight: 2,
		arbitrary: fc.record({ do: fc.constant('parcel'), pick, kind: fc.constantFrom('succeeded', 'unknown') }),
	},
	{
		weight: 2,
		arbitrary: fc.record({
			do: fc.constant('clock'),
			by: fc.oneof(fc.nat(10 * SECOND), fc.nat(10 * MINUTE), fc.nat(30 * HOUR)),
		}),
	},
	{
		weight: 4,
		arbitrary: fc.record({ do: fc.constant('until'), what: fc.constantFrom('due', 'limit', 'attempt', 'look'), off }),
	},
);

const answered = (kind: Kind): Step => ({ do: 'answer', pick: 0, kind, how: 'now' });
const DUE: readonly Step[] = [{ do: 'until', what: 'due', off: 0 }, { do: 'sweep' }];
const ACTION: readonly Step[] = [{ do: 'pay' }, answered('actionRequired')];
const PAID: readonly Step[] = [{ do: 'pay' }, answered('succeeded')];
const HANDED_OVER: readonly Step[] = [{ do: 'handOver' }, { do: 'parcel', pick: 0, kind: 'succeeded' }];

/** What random steps alone seldom lead to: a buyer who must act, and an order that has shipped. */
const BEGINNINGS: readonly (readonly Step[])[] = [
	...[[], [], [], ACTION, [...ACTION, ...DUE], [...PAID, ...DUE, ...PAID, ...HANDED_OVER]],
	[...DUE, ...ACTION, { do: 'until', what: 'attempt', off: 0 }, ...ACTION],
];

export const plans: fc.Arbitrary<Plan> = fc.record({
	window: fc.constantFrom(SECOND, 45 * SECOND, 10 * MINUTE, 10 * MINUTE, 7 * DAY),
	limit: fc.constantFrom(SECOND, 5 * MINUTE, DAY),
	lapse: fc.constantFrom(null, null, HOUR + 5 * MINUTE, 2 * HOUR, 7 * DAY),
	steps: fc
		.tuple(fc.constantFrom(...BEGINNINGS), fc.array(step, { minLength: 1, maxLength: 80, size: 'max' }))
		.map((parts) => parts.flat()),
});

/** An order, its clock, and everything that is under way for it. */
export class World {
	readonly provider: Provider;
	readonly calls: { readonly call: PaymentCall; readonly at: Instant }[] = [];
	readonly parcelCalls: HandOverCall[] = [];
	readonly delivered = new Set<string>();
	readonly order: Order;
	readonly #late: { readonly call: PaymentCall; readonly answer: CallOutcome }[] = [];
	readonly #lapse: Instant | null;
	readonly #limit: Duration;
	now: Instant = START;

	constructor({ window, limit, lapse }: Plan) {
		this.#lapse = lapse === null ? null : START + lapse;
		this.provider = new Provider(this.#lapse);
		this.order = place({ cancellationWindow: window });
		this.#limit = limit;
	}

	do(step: Step): Did {
		const { order } = this;
		const moment = at(this.now);
		switch (step.do) {
			case 'hold':
				return { on: step.do, answer: order.hold(moment, this.#limit) };
			case 'resume':
				return { on: step.do, answer: order.resume(moment) };
			case 'cancel':
				return { on: step.do, answer: order.cancel(moment) };
			case 'amend':
				return { on: step.do, minor: step.minor, answer: order.amend({ minor: step.minor, currency: 'USD' }, moment) };
			case 'refund': {
				const amount = step.minor === null ? null : { minor: step.minor, currency: 'USD' };
				return { on: step.do, minor: step.minor, answer: order.refund(amount, null, moment) };
			}
			case 'wake': {
				const armed = order.raised.filter((message) => message.kind === 'wake-up');
				return this.#wake(choose(armed, step.pick));
			}
			case 'stray': {
				const armed = step.type === 'OrderDue' ? order.record.pendingUntil : order.record.holdExpiresAt;
				return this.#wake({ type: step.type, at: (armed ?? this.now) + step.off });
			}
			case 'sweep':
				if (order.record.sweepAt !== null && order.record.sweepAt <= this.now) order.found(this.now);
				order.wakeWithoutMessage(moment);
				return { on: 'sweep' };
			case 'pay':
				return this.pay();
			case 'answer':
				return this.#answer(step.pick, step.kind, step.how);
			case 'deliver': {
				const late = choose(this.#late, step.pick);
				return late === undefined ? { on: 'nothing' } : this.paid(late.call, late.answer);
			}
			case 'forge':
				return this.paid(made(step.operation, step.attempt), this.#forged(step.operation, step.kind));
			case 'handOver': {
				const call = order.beginHandOver(moment, TIMEOUT);
				if (call !== null) this.parcelCalls.push(call);
				return { on: 'handOver', call };
			}
			case 'parcel': {
				const { attempt } = choose(this.parcelCalls, step.pick) ?? { attempt: 1 };
				const known =
					step.kind === 'succeeded' ? { kind: step.kind, parcel: 'P1' } : { kind: step.kind, reason: 'late' };
				return { on: 'parcel', attempt, kind: step.kind, counted: order.applyHandOverOutcome(attempt, known, moment) };
			}
			case 'clock':
				this.now += step.by;
				return { on: 'nothing' };
			case 'until': {
				const { pendingUntil, holdExpiresAt, sweepAt } = order.record;
				const refunds = order.refunds.flatMap(({ open }) => open?.attemptUntil ?? []);
				const attempt = order.payment.open?.attemptUntil ?? refunds[0] ?? order.shipment?.attemptUntil;
				const moments = { due: pendingUntil, limit: holdExpiresAt, attempt, look: sweepAt };
				this.now = Math.max(this.now, (moments[step.what] ?? this.now) + step.off);
				return { on: 'nothing' };
			}
		}
	}

	pay(): Did & { readonly on: 'pay' } {
		const call = this.order.beginPayment(at(this.now), TERMS);
		if (call !== null) this.calls.push({ call, at: this.now });
		return { on: 'pay', call };
	}

	paid(call: MadeCall, answer: CallOutcome): Did {
		const counted = this.order.applyPaymentOutcome(call, answer, at(this.now));
		const { operation, attempt, intendedAt, refund } = call;
		return { on: 'paid', operation, attempt, intendedAt, refundId: refund?.id, kind: answer.kind, counted };
	}

	/** What the provider says to a call, by the rules of settlement: `find` first, a second key for capture and void alone. */
	ask(call: PaymentCall, wish: Kind): CallOutcome {
		if (!call.asksFirst) return this.provider.answer(call, wish, this.now);
		const found = this.provider.find(call, wish, this.now);
		if (found !== undefined) return found;
		if (call.mayCall === 'same key') return this.provider.answer(call, wish, this.now);
		return outcome(call.mayCall === 'no' ? 'unknown' : 'notDone');
	}

	#forged(operation: ProviderOperation, kind: Kind): CallOutcome {
		const answer = outcome(kind);
		const isHeld = operation === 'authorize' && answer.kind === 'succeeded';
		return isHeld ? { ...answer, captureBefore: this.#lapse } : answer;
	}

	#answer(pick: number, wish: Kind, how: 'now' | 'later' | 'lost' | 'died'): Did {
		const made = choose(this.calls, pick);
		// No request is under way for longer than a minute.
		if (made === undefined || this.now > made.at + MINUTE) return { on: 'nothing' };
		const answer = this.ask(made.call, wish);
		if (how === 'later') this.#late.push({ call: made.call, answer });
		if (how === 'later' || how === 'died') return { on: 'nothing' };
		return this.paid(made.call, how === 'now' ? answer : outcome('unknown'));
	}

	#wake(wakeUp: (Pick<WakeUp, 'type' | 'at'> & { readonly id?: string }) | undefined): Did {
		if (wakeUp === undefined) return { on: 'nothing' };
		if (wakeUp.id !== undefined) this.delivered.add(wakeUp.id);
		if (wakeUp.type === 'OrderDue') this.order.wakeAtDue(wakeUp.at, at(this.now));
		else this.order.wakeAtHoldLimit(wakeUp.at, at(this.now));
		return { on: 'wake', type: wakeUp.type, at: wakeUp.at };
	}
}

/** Newest first; past the end, the oldest. */
function choose<T>(among: readonly T[], pick: number): T | undefined {
	return among.at(-1 - Math.min(pick, among.length - 1));
}
