import type { Moment } from '../../../domain/commands.ts';
import { Order } from '../../../domain/order.ts';
import type { OrderStatus, PlaceOrder } from '../../../domain/order-record.ts';
import type { CallOutcome, CallTerms, PaymentStatus } from '../../../domain/payment.ts';
import type { ProviderOperation } from '../../../domain/provider.ts';
import { type Duration, HOUR, type Instant, MINUTE, SECOND } from '../../../domain/time.ts';

export const START: Instant = Date.UTC(2026, 0, 15, 12);
export const WINDOW: Duration = 10 * MINUTE;
export const LIMIT: Duration = 24 * HOUR;
export const TIMEOUT: Duration = 5 * SECOND;
export const TERMS: CallTerms = { timeout: TIMEOUT, requestVersion: 1 };
export const DUE: Instant = START + WINDOW;
/** When the fixtures pause their orders, and the hold limit that follows. */
export const PAUSED: Instant = START + 2 * MINUTE;
export const LIMIT_AT: Instant = PAUSED + LIMIT;

let lastId = 0;

/** The moment `now`, with ids that never repeat. */
export const at = (now: Instant): Moment => ({ now, newId: () => `id-${++lastId}`, random: () => 1 });

export const place = (change: Partial<PlaceOrder> = {}): Order =>
	Order.place(
		{
			owner: 'alice',
			productName: 'Lamp',
			amount: { minor: 1050n, currency: 'USD' },
			paymentMethod: 'card_ok',
			cancellationWindow: WINDOW,
			...change,
		},
		at(START),
	);

/** An outcome of the given kind. */
export function outcome(kind: CallOutcome['kind']): CallOutcome {
	switch (kind) {
		case 'succeeded':
			return { kind, reference: 'ref-1' };
		case 'pending':
			return { kind, reference: 'ref-1', reason: 'because pending' };
		case 'actionRequired':
			return {
				kind,
				reference: 'ref-1',
				action: { type: 'redirect', url: 'https://bank.example/1', clientSecret: null },
			};
		default:
			return { kind, reason: `because ${kind}` };
	}
}

/** The call whose outcome has come. */
export const made = (operation: ProviderOperation, attempt: number, intendedAt = START) => ({
	operation,
	attempt,
	intendedAt,
	idempotencyKey: `order:${operation}`,
});

/** Starts or repeats what the order asks for, and answers it. */
export function call(order: Order, now: Instant, kind: CallOutcome['kind']): ProviderOperation {
	const begun = order.beginPayment(at(now), TERMS);
	if (begun === null) throw new Error('no call was made');
	order.applyPaymentOutcome(begun, outcome(kind), at(now));
	return begun.operation;
}

type Step = (order: Order, now: Instant) => unknown;

const pay: Step = (order, now) => order.beginPayment(at(now), TERMS);
const succeed: Step = (order, now) => call(order, now, 'succeeded');
const lose: Step = (order, now) => call(order, now, 'unknown');
const wait: Step = (order, now) => call(order, now, 'actionRequired');
const fail: Step = (order, now) => call(order, now, 'declined');
const hold: Step = (order) => order.hold(at(PAUSED), LIMIT);
const cancel: Step = (order) => order.cancel(at(PAUSED));
const confirm: Step = (order) => order.wakeAtDue(DUE, at(DUE));
const handOver: Step = (order, now) => order.beginHandOver(at(now), TIMEOUT);
const loseParcel: Step = (order, now) =>
	order.applyHandOverOutcome(1, { kind: 'unknown', reason: 'no answer' }, at(now));
const ship: Step = (order, now) => order.applyHandOverOutcome(1, { kind: 'succeeded', parcel: 'P1' }, at(now));

export interface Fixture {
	readonly name: string;
	readonly status: OrderStatus;
	readonly payment: PaymentStatus;
	/** the open operation, or null */
	readonly open: ProviderOperation | null;
	readonly make: () => Order;
}

function fixture(
	status: OrderStatus,
	payment: PaymentStatus,
	open: ProviderOperation | null,
	...steps: readonly Step[]
): Fixture {
	const make = () => {
		const order = place();
		let now = START;
		for (const step of steps) {
			if (step === hold || step === cancel) now = PAUSED;
			if (step === confirm) now = DUE;
			step(order, now);
		}
		return order;
	};
	const parcel = steps.includes(loseParcel)
		? ' (parcel unknown)'
		: steps.includes(handOver)
			? ' (parcel under way)'
			: '';
	const name = `${status} / ${payment}${open === null ? '' : ` (${open} open)`}${status === 'Shipped' ? '' : parcel}`;
	return { name, status, payment, open, make };
}

/** An order in every combination of order state, payment state and open operation that can be reached. */
export const FIXTURES: readonly Fixture[] = [
	fixture('Pending', 'Requested', null),
	fixture('Pending', 'Requested', 'authorize', pay),
	fixture('Pending', 'Unknown', 'authorize', lose),
	fixture('Pending', 'Authorized', null, succeed),
	fixture('Pending', 'ActionRequired', 'authorize', wait),
	fixture('OnHold', 'Requested', null, hold),
	fixture('OnHold', 'Requested', 'authorize', pay, hold),
	fixture('OnHold', 'Unknown', 'authorize', lose, hold),
	fixture('OnHold', 'Authorized', null, succeed, hold),
	fixture('OnHold', 'ActionRequired', 'authorize', wait, hold),
	fixture('CancelRequested', 'Requested', null, cancel),
	fixture('CancelRequested', 'Requested', 'authorize', pay, cancel),
	fixture('CancelRequested', 'Unknown', 'authorize', lose, cancel),
	fixture('CancelRequested', 'ActionRequired', 'authorize', wait, cancel),
	fixture('CancelRequested', 'ActionRequired', 'void', wait, cancel, pay),
	fixture('CancelRequested', 'Authorized', null, succeed, cancel),
	fixture('CancelRequested', 'Authorized', 'void', succeed, cancel, pay),
	fixture('CancelRequested', 'Unknown', 'void', succeed, cancel, lose),
	fixture('Cancelled', 'Voided', null, succeed, cancel, succeed),
	fixture('Cancelled', 'Declined', null, pay, cancel, (order, now) =>
		order.applyPaymentOutcome(made('authorize', 1), outcome('declined'), at(now)),
	),
	fixture('Confirmed', 'Requested', null, confirm),
	fixture('Confirmed', 'Requested', 'authorize', pay, confirm),
	fixture('Confirmed', 'Unknown', 'authorize', lose, confirm),
	fixture('Confirmed', 'Authorized', null, succeed, confirm),
	fixture('Confirmed', 'Authorized', 'capture', succeed, confirm, pay),
	fixture('Confirmed', 'Unknown', 'capture', succeed, confirm, lose),
	fixture('Confirmed', 'Captured', null, succeed, confirm, succeed),
	fixture('Confirmed', 'Captured', null, succeed, confirm, succeed, handOver),
	fixture('Confirmed', 'Captured', null, succeed, confirm, succeed, handOver, loseParcel),
	fixture('Shipped', 'Captured', null, succeed, confirm, succeed, handOver, ship),
	fixture('PaymentFailed', 'Declined', null, fail),
	fixture('PaymentFailed', 'Failed', null, succeed, confirm, fail),
];

/** The fixtures with one order state. */
export const withStatus = (...statuses: readonly OrderStatus[]): readonly Fixture[] =>
	FIXTURES.filter(({ status }) => statuses.includes(status));
