import { describe, expect, it } from '@jest/globals';
import { IllegalTransition } from '../../../domain/errors.ts';
import {
	begin,
	type CallOutcome,
	KEY_LIFETIME,
	keyHasAged,
	mayBegin,
	mayRepeat,
	newPayment,
	PAYMENT_STATUSES,
	type Payment,
	type PaymentStatus,
	repeat,
	settle,
	voidUnasked,
} from '../../../domain/payment.ts';
import { PAYMENT_OPERATIONS, type PaymentOperation } from '../../../domain/provider.ts';
import { HOUR, MINUTE, SECOND } from '../../../domain/time.ts';
import { outcome, START, TERMS, TIMEOUT } from './order.fixtures.ts';

type Kind = CallOutcome['kind'];

const KINDS: readonly Kind[] = [
	...(['succeeded', 'declined', 'refused', 'gone', 'unknown'] as const),
	...(['pending', 'refusesUs', 'notDone', 'actionRequired'] as const),
];
const OPEN: ReadonlySet<PaymentStatus> = new Set(['Unknown', 'ActionRequired']);
const closed = (status: PaymentStatus): Payment => ({ ...newPayment(), status, reference: 'ref-1' });
const before = (operation: PaymentOperation): Payment =>
	operation === 'authorize' ? newPayment() : closed('Authorized');
const open = (operation: PaymentOperation): Payment => begin(before(operation), operation, START, TERMS);
/** the same operation at its second attempt, begun when the first was overdue */
const SECOND_AT = START + TIMEOUT;
const twice = (operation: PaymentOperation): Payment => repeat(open(operation), SECOND_AT, TERMS);
const pairs = PAYMENT_OPERATIONS.flatMap((operation) =>
	KINDS.map((kind): [PaymentOperation, Kind] => [operation, kind]),
);

const NEVER_DECIDES = {
	pending: 'Unknown',
	refusesUs: 'Unknown',
	notDone: 'Unknown',
	actionRequired: 'Unknown',
} as const;

/** what each outcome of each open operation leads to. */
const OUTCOMES: Readonly<Record<PaymentOperation, Readonly<Record<Kind, PaymentStatus>>>> = {
	authorize: {
		succeeded: 'Authorized',
		declined: 'Declined',
		refused: 'Declined',
		gone: 'Declined',
		unknown: 'Unknown',
		pending: 'Unknown',
		refusesUs: 'Unknown',
		notDone: 'Unknown',
		actionRequired: 'ActionRequired',
	},
	capture: {
		...{ succeeded: 'Captured', declined: 'Failed', refused: 'Failed', gone: 'Failed', unknown: 'Unknown' },
		...NEVER_DECIDES,
	},
	void: {
		...{ succeeded: 'Voided', declined: 'Unknown', refused: 'Unknown', gone: 'Voided', unknown: 'Unknown' },
		...NEVER_DECIDES,
	},
};

describe('the outcome of an open operation', () => {
	it.each(pairs)('%s, %s', (operation, kind) => {
		const expected = OUTCOMES[operation][kind];
		const fromFirst = settle(open(operation), operation, 1, outcome(kind), START + 1);
		const unknown = settle(open(operation), operation, 1, outcome('unknown'), START + 1);
		const fromUnknown = settle(unknown, operation, 1, outcome(kind), START + 2);
		for (const payment of [fromFirst, fromUnknown]) {
			expect(payment.status).toBe(expected);
			if (OPEN.has(expected)) {
				const isNext = kind === 'notDone' && operation !== 'authorize'; // goes on under the next key
				expect(payment.open).toMatchObject({
					operation,
					attempts: 1,
					...(isNext ? { keyNumber: 2 } : { keyUsedAt: START, keyNumber: 1 }),
				});
			} else expect(payment.open).toBeNull();
		}
	});

	it('of an older attempt counts too, for it was made under the same key', () => {
		for (const [operation, kind] of pairs) {
			const expected = OUTCOMES[operation][kind];
			if (OPEN.has(expected)) continue;
			expect(settle(twice(operation), operation, 1, outcome(kind), SECOND_AT + 1)).toMatchObject({
				status: expected,
				open: null,
			});
		}
	});

	it("keeps the provider's name of the authorisation through capture and void", () => {
		const authorized = settle(open('authorize'), 'authorize', 1, { kind: 'succeeded', reference: 'pi_7' }, START);
		expect(authorized.reference).toBe('pi_7');
		for (const operation of ['capture', 'void'] as const) {
			const begun = begin(authorized, operation, START, TERMS);
			expect(begun.reference).toBe('pi_7');
			expect(settle(begun, operation, 1, { kind: 'succeeded', reference: 'other' }, START).reference).toBe('pi_7');
		}
	});
});

describe('an outcome whose operation is not open', () => {
	it.each(PAYMENT_STATUSES.filter((status) => status !== 'Unknown'))('is dropped: %s, nothing open', (status) => {
		const payment = closed(status);
		for (const [operation, kind] of pairs) {
			expect(settle(payment, operation, 1, outcome(kind), START)).toBe(payment);
		}
	});

	it.each(PAYMENT_OPERATIONS)('is dropped: another one than the open %s', (operation) => {
		for (const payment of [open(operation), settle(open(operation), operation, 1, outcome('unknown'), START)]) {
			for (const [other, kind] of pairs) {
				if (other !== operation) expect(settle(payment, other, 1, outcome(kind), START)).toBe(payment);
			}
		}
	});
});

describe('an unknown outcome', () => {
	it.each(PAYMENT_OPERATIONS)('of an older attempt neither replaces nor shortens: %s', (operation) => {
		const late = settle(twice(operation), operation, 1, outcome('unknown'), SECOND_AT + 1);
		expect(late).toEqual(twice(operation));
		const waiting = settle(twice(operation), operation, 2, outcome('unknown'), SECOND_AT + 1);
		expect(settle(waiting, operation, 1, outcome('unknown'), SECOND_AT + 1)).toBe(waiting);
	});

	it('of a void that is refused counts by the same rule', () => {
		for (const kind of ['refused', 'declined'] as const) {
			expect(settle(twice('void'), 'void', 1, outcome(kind), SECOND_AT + 1)).toEqual(twice('void'));
			expect(settle(twice('void'), 'void', 2, outcome(kind), SECOND_AT + 1).status).toBe('Unknown');
		}
	});

	it('puts the next attempt off, twice as long each time, up to a minute', () => {
		let now = START;
		let payment = open('void');
		const waits: number[] = [];
		for (let attempt = 1; attempt <= 9; attempt++) {
			payment = settle(payment, 'void', attempt, outcome('refused'), now);
			const next = payment.open?.attemptUntil ?? Number.NaN;
			waits.push(next - now);
			expect(mayRepeat(payment, next - 1)).toBe(false);
			expect(mayRepeat(payment, next)).toBe(true);
			payment = repeat(payment, next, TERMS);
			now = next;
		}
		expect(waits).toEqual([1, 2, 4, 8, 16, 32, 60, 60, 60].map((seconds) => seconds * SECOND));
	});
});

describe('beginning an operation', () => {
	it('stores when it may be repeated, and with which key', () => {
		expect(open('authorize').open).toEqual({
			operation: 'authorize',
			keyUsedAt: START,
			attemptUntil: START + TIMEOUT,
			attempts: 1,
			keyNumber: 1,
			rememberedAt: null,
			requestVersion: 1,
		});
	});

	it.each(PAYMENT_OPERATIONS)('is refused while %s is open', (operation) => {
		for (const payment of [open(operation), settle(open(operation), operation, 1, outcome('unknown'), START)]) {
			for (const other of PAYMENT_OPERATIONS) {
				expect(mayBegin(payment, other)).toBe(false);
				expect(() => begin(payment, other, START, TERMS)).toThrow(IllegalTransition);
			}
		}
	});

	it.each(PAYMENT_STATUSES)('is refused but from the state it starts in: %s', (status) => {
		for (const operation of PAYMENT_OPERATIONS) {
			const allowed =
				status === (operation === 'authorize' ? 'Requested' : 'Authorized') ||
				(status === 'ActionRequired' && operation === 'void');
			expect(mayBegin(closed(status), operation)).toBe(allowed);
			if (!allowed) expect(() => begin(closed(status), operation, START, TERMS)).toThrow(IllegalTransition);
		}
	});
});

describe('repeating', () => {
	it('waits until the answer is overdue, and moves on under the same key', () => {
		const payment = open('capture');
		expect(mayRepeat(payment, SECOND_AT - 1)).toBe(false);
		expect(() => repeat(payment, SECOND_AT - 1, TERMS)).toThrow(IllegalTransition);
		expect(mayRepeat(payment, SECOND_AT)).toBe(true);
		const again = repeat(payment, SECOND_AT, TERMS);
		expect(again.open).toEqual({
			operation: 'capture',
			keyUsedAt: START,
			attemptUntil: SECOND_AT + TIMEOUT,
			attempts: 2,
			keyNumber: 1,
			rememberedAt: null,
			requestVersion: 1,
		});
		expect(() => repeat(again, SECOND_AT, TERMS)).toThrow(IllegalTransition);
	});

	it('needs something open', () => {
		for (const status of PAYMENT_STATUSES) {
			expect(mayRepeat(closed(status), START + HOUR)).toBe(false);
			expect(() => repeat(closed(status), START + HOUR, TERMS)).toThrow(IllegalTransition);
		}
	});

	it('does not renew the key: it ages 23 h after its first use', () => {
		expect(KEY_LIFETIME).toBe(23 * HOUR);
		const first = open('authorize').open;
		const again = repeat(open('authorize'), START + 22 * HOUR, { ...TERMS, timeout: MINUTE }).open;
		for (const operation of [first, again]) {
			if (operation === null) throw new Error('nothing is open');
			expect(keyHasAged(operation, START)).toBe(false);
			expect(keyHasAged(operation, START + 23 * HOUR - 1)).toBe(false);
			expect(keyHasAged(operation, START + 23 * HOUR)).toBe(true);
		}
	});
});

describe('a void without a call', () => {
	it('is for a payment of which nothing was ever asked', () => {
		expect(voidUnasked(newPayment())).toEqual({ ...newPayment(), status: 'Voided' });
	});

	it('is refused for every other', () => {
		for (const status of PAYMENT_STATUSES.filter((other) => other !== 'Requested')) {
			expect(() => voidUnasked(closed(status))).toThrow(IllegalTransition);
		}
		for (const operation of PAYMENT_OPERATIONS) expect(() => voidUnasked(open(operation))).toThrow(IllegalTransition);
	});
});
