/** The component schemas: what answers look like. */

import { PROBLEMS } from '../../../mixins/http/index.ts';
import type { Schema } from '../../../mixins/validation/index.ts';
import { ATTEMPT_SCHEMA, EVENT_SCHEMA, ORDER_SCHEMA, REFUND_SCHEMA } from '../../orders/order-schema.ts';
import { AMEND_BODY, CREATE_BODY, REFUND_BODY } from '../../orders/params.ts';
import { SANDBOX_ANSWER } from '../../settlement/sandbox-params.ts';
import { DELIVERY_SCHEMA, ENDPOINT_SCHEMA, SECRET_SCHEMA } from '../../webhooks/endpoint-schema.ts';
import { ENDPOINT_BODY, ENDPOINT_CHANGE } from '../../webhooks/params.ts';
import { REPLAY_BODY, RESOLVE_BODY, RESUME_BODY } from '../console-params.ts';
import { NOW_SCHEMA, STREAM_SCHEMA } from './stream.ts';

export const ref = (name: keyof typeof SCHEMAS): Schema => ({ $ref: `#/components/schemas/${name}` });

const listOf = (item: Schema): Schema => ({ type: 'array', items: item });

const pageOf = (item: string, more: Readonly<Record<string, Schema>> = {}): Schema => ({
	type: 'object',
	properties: {
		data: listOf({ $ref: `#/components/schemas/${item}` }),
		nextCursor: { type: ['string', 'null'], description: '`cursor` of the next page; null on the last one.' },
		...more,
	},
	required: ['data', 'nextCursor', ...Object.keys(more)],
});

const COMPLAINTS = listOf({
	type: 'object',
	properties: { name: { type: 'string' }, reason: { type: 'string' } },
	required: ['name', 'reason'],
});

const CODES = Object.entries(PROBLEMS)
	.map(([code, { status, meaning }]) => `- \`${code}\` (${status}): ${meaning}`)
	.join('\n');

const PROBLEM: Schema = {
	type: 'object',
	description: `Problem details (RFC 9457). The codes:\n\n${CODES}`,
	properties: {
		type: { type: 'string', format: 'uri-reference', description: 'The code as a URI reference.' },
		title: { type: 'string', description: 'The code in words.' },
		status: { type: 'integer', description: 'The HTTP status.' },
		detail: { type: 'string', description: 'What is wrong with this request, for people.' },
		code: { type: 'string', description: 'The stable name of the problem, for programs.', enum: Object.keys(PROBLEMS) },
		errors: {
			...listOf({
				type: 'object',
				properties: {
					pointer: { type: 'string', description: 'A JSON pointer into the body (RFC 6901), as a URI fragment.' },
					parameter: { type: 'string', description: 'The name of a query parameter.' },
					detail: { type: 'string', description: 'What is wrong there.' },
				},
				required: ['detail'],
			}),
			description: 'Each invalid place, by `pointer` or `parameter`.',
		},
		traceId: {
			type: 'string',
			pattern: '^[0-9a-f]{32}$',
			description: 'The trace of the request (W3C Trace Context).',
		},
	},
	required: ['type', 'title', 'status', 'detail', 'code', 'traceId'],
};

/** The bodies of requests. */
export const REQUESTS = {
	OrderRequest: CREATE_BODY,
	AmendRequest: AMEND_BODY,
	SandboxAnswer: SANDBOX_ANSWER,
	StripeEvent: {
		type: 'object',
		description: 'As Stripe sends it: https://docs.stripe.com/api/events/object. More than this is not read.',
		properties: {
			id: { type: 'string', pattern: '^evt_[0-9A-Za-z_]+$' },
			type: { type: 'string' },
			livemode: { type: 'boolean' },
			data: {
				type: 'object',
				properties: { object: { type: 'object', additionalProperties: true } },
				required: ['object'],
				additionalProperties: true,
			},
		},
		required: ['id', 'type', 'livemode', 'data'],
		additionalProperties: true,
	},
	RefundRequest: REFUND_BODY,
	EndpointRequest: ENDPOINT_BODY,
	EndpointChange: ENDPOINT_CHANGE,
	ResolveRequest: RESOLVE_BODY,
	ReplayRequest: REPLAY_BODY,
	ResumeRequest: RESUME_BODY,
} satisfies Readonly<Record<string, Schema>>;
export type RequestName = keyof typeof REQUESTS;

export const SCHEMAS = {
	Order: ORDER_SCHEMA,
	OrderPage: pageOf('Order'),
	OrderStream: STREAM_SCHEMA,
	Now: NOW_SCHEMA,
	Event: EVENT_SCHEMA,
	Attempt: ATTEMPT_SCHEMA,
	History: pageOf('Event', {
		attempts: {
			...listOf({ $ref: '#/components/schemas/Attempt' }),
			description:
				'What was tried for the payment operation, and for each refund, whose outcome is not known yet: of each the first 5 and the last 15. Of those that have ended it stands in `data.attempts` of their events.',
		},
		paymentPage: {
			type: ['string', 'null'],
			description: "The provider's page of the payment, for callers with the scope `orders:admin`; `null` for others.",
		},
	}),
	Refund: REFUND_SCHEMA,
	RefundList: {
		type: 'object',
		properties: { data: listOf({ $ref: '#/components/schemas/Refund' }) },
		required: ['data'],
	},
	Endpoint: ENDPOINT_SCHEMA,
	EndpointWithSecret: SECRET_SCHEMA,
	EndpointPage: pageOf('Endpoint'),
	Delivery: DELIVERY_SCHEMA,
	DeliveryPage: pageOf('Delivery'),
	Overview: {
		type: 'object',
		properties: {
			now: { type: 'string', format: 'date-time' },
			needsAPerson: { type: 'object', description: 'Payments, dead letters, holds and paused consumer groups.' },
			waiting: { type: 'object', description: 'Unfinished orders by what they wait for, and messages to be sent.' },
			lateness: listOf({ type: 'object' }),
			nodes: listOf({ type: 'object' }),
		},
		required: ['now', 'needsAPerson', 'waiting', 'lateness', 'nodes'],
	},
	Replayed: { type: 'object', properties: { replayed: { type: 'integer', minimum: 0 } }, required: ['replayed'] },
	Resumed: {
		type: 'object',
		properties: { group: { type: 'string' }, wasPaused: { type: 'boolean' } },
		required: ['group', 'wasPaused'],
	},
	Alive: { type: 'object', properties: { status: { type: 'string', const: 'ok' } }, required: ['status'] },
	Readiness: {
		type: 'object',
		properties: {
			status: { type: 'string', enum: ['ok', 'degraded', 'unavailable'] },
			failing: { ...COMPLAINTS, description: 'What is not ready.' },
			degraded: { ...COMPLAINTS, description: 'What is missing without making the process unready.' },
		},
		required: ['status', 'failing', 'degraded'],
	},
	Problem: PROBLEM,
	Document: { type: 'object', properties: { openapi: { type: 'string' } }, required: ['openapi'] },
	Text: { type: 'string' },
} satisfies Readonly<Record<string, Schema>>;
