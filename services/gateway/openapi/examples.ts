/** What the documentation shows; the tests hold each against its schema. */

import { PROBLEMS, type ProblemCode, problemType } from '../../../mixins/http/index.ts';
import type { OrderDto } from '../../orders/order-dto.ts';
import type { RefundDto } from '../../orders/refund-dto.ts';

type Example = Omit<OrderDto, 'amount' | 'refundedAmount'> & {
	readonly amount: number;
	readonly refundedAmount: number;
};

const ORDER: Example = {
	id: '01a204ea-7a9f-7000-8000-055d243c1f4d',
	orderNumber: 'ORD-01M82EMYMZE0080005BMJ3R7TD',
	productName: 'A pound of tea',
	amount: 19.9,
	currency: 'USD',
	status: 'Pending',
	paymentStatus: 'Authorized',
	paymentAction: null,
	captureBefore: '2026-02-07T20:20:05.407Z',
	refundedAmount: 0,
	createdAt: '2026-01-31T20:20:05.407Z',
	pendingUntil: '2026-01-31T20:30:05.407Z',
	heldUntil: null,
	confirmedAt: null,
	cancelledAt: null,
	shippedAt: null,
	failedAt: null,
	failureReason: null,
};

const REFUND: Omit<RefundDto, 'amount'> & { readonly amount: number } = {
	id: '01a20610-2b1f-7000-8000-0a4d1c9d2e10',
	orderId: ORDER.id,
	amount: 5,
	currency: 'USD',
	status: 'Requested',
	reason: 'arrived broken',
	createdAt: '2026-02-01T01:21:00.127Z',
	settledAt: null,
	failureReason: null,
};

export const REFUNDS = {
	requested: REFUND,
	list: { data: [{ ...REFUND, status: 'Succeeded', settledAt: '2026-02-01T01:21:00.652Z' }] },
} as const;

export const ORDERS = {
	created: { ...ORDER, paymentStatus: 'Requested', captureBefore: null },
	pending: ORDER,
	held: { ...ORDER, status: 'OnHold', heldUntil: '2026-02-01T20:22:41.090Z' },
	resumed: { ...ORDER, pendingUntil: '2026-01-31T20:38:10.001Z' },
	cancelled: { ...ORDER, status: 'CancelRequested' },
	amended: { ...ORDER, amount: 12.5 },
	page: { data: [ORDER], nextCursor: 'MDFhMjA0ZWEtN2E5Zi03MDAwLTgwMDAtMDU1ZDI0M2MxZjRk' },
	history: {
		data: [
			{
				id: '01a204ea-7a9f-7000-8000-055e7c1d9a01',
				type: 'OrderPending',
				occurredAt: '2026-01-31T20:20:05.407Z',
				sequence: 1,
				data: {
					version: 1,
					productName: 'A pound of tea',
					amountMinor: '1990',
					currency: 'USD',
					pendingUntil: '2026-01-31T20:30:05.407Z',
				},
			},
		],
		nextCursor: null,
		attempts: [],
		paymentPage: null,
	},
} as const;

export const BODIES = {
	simple: { summary: 'As little as possible', value: { productName: 'A pound of tea', amount: 19.9 } },
	quick: {
		summary: 'Ships after five seconds',
		value: { productName: 'A pound of tea', amount: 19.9, currency: 'EUR', cancellationWindow: '5s' },
	},
	declined: {
		summary: 'A card that the bank declines',
		value: { productName: 'A pound of tea', amount: 19.9, paymentMethod: 'card_declined' },
	},
} as const;

export const AMENDMENTS = { lower: { summary: 'Costs less', value: { amount: 12.5 } } } as const;
export const ANSWERS = {
	yes: { summary: 'The buyer confirms the payment', value: { outcome: 'succeeded' } },
	no: { summary: 'The buyer refuses it', value: { outcome: 'failed' } },
} as const;
export const EVENTS = {
	authorised: {
		summary: 'The buyer has acted, and the money is held',
		value: {
			id: 'evt_1Rabc',
			object: 'event',
			type: 'payment_intent.amount_capturable_updated',
			livemode: false,
			data: { object: { id: 'pi_3Rabc', object: 'payment_intent', metadata: { order_id: ORDER.id } } },
		},
	},
} as const;

export const REFUND_BODIES = {
	part: { summary: 'A part of it', value: { amount: 5, reason: 'arrived broken' } },
	all: { summary: 'All that is left', value: {} },
} as const;

export const READINESS = {
	ready: { status: 'ok', failing: [], degraded: [] },
	unready: {
		status: 'unavailable',
		failing: [{ name: 'database', reason: 'the database does not answer' }],
		degraded: [],
	},
} as const;

const ERRORS = [{ pointer: '#/amount', detail: 'Has more decimals than the currency.' }];

export function problemExample(code: ProblemCode): Readonly<Record<string, unknown>> {
	const { status, title, meaning } = PROBLEMS[code];
	return {
		type: problemType(code),
		title,
		status,
		detail: code === 'Validation.Failed' ? 'One value is invalid.' : meaning,
		code,
		...(code === 'Validation.Failed' ? { errors: ERRORS } : {}),
		traceId: '4bf92f3577b34da6a3ce929d0e0e4736',
	};
}
