/** The shape of what the actions of orders answer, as `/openapi.json` shows it. */
import type { Attempt } from '../../domain/attempts.ts';
import { EVENT_TYPES } from '../../domain/events.ts';
import { ORDER_STATUSES } from '../../domain/order-record.ts';
import { PAYMENT_STATUSES } from '../../domain/payment.ts';
import { PAYMENT_OPERATIONS } from '../../domain/provider.ts';
import { REFUND_STATUSES } from '../../domain/refund.ts';
import type { Schema } from '../../mixins/validation/index.ts';
import type { OrderDto } from './order-dto.ts';
import { SMALLEST_AMOUNT } from './params.ts';
import type { RefundDto } from './refund-dto.ts';

const time = (description: string): Schema => ({
	type: 'string',
	format: 'date-time',
	description: `${description} RFC 3339 in UTC.`,
});
const later = (description: string): Schema => ({ ...time(description), type: ['string', 'null'] });

/** What has not happened is null. */
const ORDER_PROPERTIES: Readonly<Record<keyof OrderDto, Schema>> = {
	id: { type: 'string', format: 'uuid', description: 'UUID v7.' },
	orderNumber: {
		type: 'string',
		description: 'The id as people read it out.',
		pattern: '^ORD-[0-9A-HJKMNP-TV-Z]{26}$',
	},
	productName: { type: 'string' },
	amount: { type: 'number', format: 'double', description: 'Major units, exactly.', minimum: SMALLEST_AMOUNT },
	currency: {
		type: 'string',
		description: 'ISO 4217; of an old order also one that is payable no more.',
		pattern: '^[A-Z]{3}$',
	},
	status: { type: 'string', enum: ORDER_STATUSES },
	paymentStatus: {
		type: 'string',
		description: '`Unknown` while the outcome of a call to the payment provider is not known.',
		enum: PAYMENT_STATUSES,
	},
	paymentAction: {
		type: ['object', 'null'],
		description:
			'What the buyer has to do before the bank decides (3-D Secure), while `paymentStatus` is `ActionRequired`. Only the owner of the order sees it.',
		properties: {
			type: { type: 'string', enum: ['redirect', 'client_secret'] },
			url: { type: ['string', 'null'], description: "Where the buyer's browser goes; for `redirect`." },
			clientSecret: {
				type: ['string', 'null'],
				description: "What the provider's script in the buyer's browser needs; for `client_secret`.",
			},
		},
		required: ['type', 'url', 'clientSecret'],
	},
	captureBefore: later('When the payment provider lets the held money go by itself.'),
	refundedAmount: { type: 'number', format: 'double', description: 'What was given back, in major units.', minimum: 0 },
	createdAt: time('When it was created.'),
	pendingUntil: time('The end of the window; while on hold, the interrupted one.'),
	heldUntil: later('While on hold, the hold limit: after it there is neither pause nor resume.'),
	confirmedAt: later('When the window ended without a cancel.'),
	cancelledAt: later('When the hold of the money was released, or had never come to be.'),
	shippedAt: later('When the parcel was handed over.'),
	failedAt: later('When the payment failed.'),
	failureReason: { type: ['string', 'null'], description: 'Why the payment failed.' },
};

export const ORDER_SCHEMA: Schema = {
	type: 'object',
	description: 'A purchase whose payment is protected. What has not happened is `null`.',
	properties: ORDER_PROPERTIES,
	required: Object.keys(ORDER_PROPERTIES),
};

const REFUND_PROPERTIES: Readonly<Record<keyof RefundDto, Schema>> = {
	id: { type: 'string', format: 'uuid', description: 'UUID v7.' },
	orderId: { type: 'string', format: 'uuid', description: 'The order whose money is given back.' },
	amount: ORDER_PROPERTIES.amount,
	currency: ORDER_PROPERTIES.currency,
	status: {
		type: 'string',
		description:
			'`Unknown` while the outcome of a call to the payment provider is not known. One that has succeeded may still fail, where the provider takes it back.',
		enum: REFUND_STATUSES,
	},
	reason: { type: ['string', 'null'], description: 'In the words of whoever asked for it.' },
	createdAt: time('When it was asked for.'),
	settledAt: later('When it succeeded or failed.'),
	failureReason: { type: ['string', 'null'], description: 'Why it failed.' },
};

export const REFUND_SCHEMA: Schema = {
	type: 'object',
	description: 'Money of an order that is given back after it was captured.',
	properties: REFUND_PROPERTIES,
	required: Object.keys(REFUND_PROPERTIES),
};

const EVENT_PROPERTIES: Readonly<Record<string, Schema>> = {
	id: { type: 'string', format: 'uuid', description: 'UUID v7, fixed when the event was raised.' },
	type: { type: 'string', enum: EVENT_TYPES },
	occurredAt: time('When it happened.'),
	sequence: { type: 'integer', minimum: 1, description: '1, 2, 3 … within the order.' },
	data: {
		type: 'object',
		description:
			'The event itself, with its `version`. The end of a payment operation and of a refund has `attempts` (schema `Attempt`).',
	},
};

export const EVENT_SCHEMA: Schema = {
	type: 'object',
	description: 'Something that happened to an order.',
	properties: EVENT_PROPERTIES,
	required: Object.keys(EVENT_PROPERTIES),
};

const orNull = (description: string): Schema => ({ type: ['string', 'null'], description });

const ATTEMPT_PROPERTIES: Readonly<Record<keyof Attempt, Schema>> = {
	operation: { type: 'string', enum: [...PAYMENT_OPERATIONS, 'refund'] },
	attempt: { type: 'integer', minimum: 1, description: '1 for the first call of the operation.' },
	key: { type: 'string', description: 'The idempotency key.' },
	outcome: { type: 'string', description: 'What became of it, such as `succeeded`, `declined` or `unknown`.' },
	by: {
		type: 'string',
		enum: ['call', 'find'],
		description: 'What showed the outcome: the call, or asking what became of an earlier one.',
	},
	reference: orNull("The provider's name for the payment or the refund."),
	requestId: orNull("The provider's name for the request."),
	code: orNull("The provider's word for what happened."),
	beganAt: time('When the call was intended.'),
	endedAt: time('When its outcome was stored.'),
};

export const ATTEMPT_SCHEMA: Schema = {
	type: 'object',
	description: 'One call to the payment provider.',
	properties: ATTEMPT_PROPERTIES,
	required: Object.keys(ATTEMPT_PROPERTIES),
};
