/** What the actions of webhooks take, as JSON Schema; see `services/orders/params.ts`. */
import { EVENT_TYPES } from '../../domain/events.ts';
import { DELIVERY_STATUSES, type DeliveryStatus } from '../../domain/webhook.ts';
import type { ObjectSchema } from '../../mixins/validation/index.ts';
import { LIST_PARAMS } from '../orders/params.ts';

const URL_FIELD = {
	type: 'string',
	description:
		'Where events are sent to: `https://…` without user, password and fragment, and not at a private address, unless the installation has `WEBHOOK_ALLOW_PRIVATE`.',
	minLength: 1,
	maxLength: 2048,
	pattern: '^[!-~]*$',
	examples: ['https://shop.example/hooks/payment'],
} as const;

const TYPES = {
	type: ['array', 'null'],
	description: 'Which events; `null` for all.',
	items: { type: 'string', enum: EVENT_TYPES },
	maxItems: EVENT_TYPES.length,
	examples: [['OrderShipped', 'PaymentFailed']],
} as const;

const DESCRIPTION = {
	type: ['string', 'null'],
	description: 'For people; at most 255 characters.',
	maxLength: 255,
	pattern: '^[^\\x00-\\x1f\\x7f-\\x9f]*$',
	format: 'plain-text',
	examples: ['The warehouse'],
} as const;

/** The body of `POST /webhook-endpoints`. */
export const ENDPOINT_BODY = {
	type: 'object',
	properties: { url: URL_FIELD, types: TYPES, description: DESCRIPTION },
	required: ['url'],
	additionalProperties: false,
} as const satisfies ObjectSchema;

export interface EndpointParams {
	url: string;
	types?: string[] | null;
	description?: string | null;
}

/** The body of `PATCH /webhook-endpoints/{id}`: what is not in it stays. */
export const ENDPOINT_CHANGE = {
	type: 'object',
	properties: {
		...ENDPOINT_BODY.properties,
		status: {
			type: 'string',
			description:
				'A disabled endpoint is told of nothing. Enabled again, it gets what was pending, and what happens from then on.',
			enum: ['enabled', 'disabled'],
			examples: ['enabled'],
		},
	},
	additionalProperties: false,
} as const satisfies ObjectSchema;

export interface ChangeParams extends Partial<EndpointParams> {
	id: string;
	status?: 'enabled' | 'disabled';
}

const ENDPOINT_ID = {
	type: 'string',
	format: 'uuid',
	description: "The endpoint's id, a UUID v7.",
	examples: ['01a204ea-8b10-7000-8000-0c2f1a7e5d11'],
} as const;

export const ENDPOINT_ID_PARAMS = {
	type: 'object',
	properties: { id: ENDPOINT_ID },
	required: ['id'],
	additionalProperties: false,
} as const satisfies ObjectSchema;

export const CHANGE_PARAMS = {
	...ENDPOINT_CHANGE,
	properties: { ...ENDPOINT_CHANGE.properties, id: ENDPOINT_ID },
	required: ['id'],
} as const satisfies ObjectSchema;

const { cursor, limit } = LIST_PARAMS.properties;

export interface PageParams {
	limit: number;
	cursor?: string;
}

export const ENDPOINTS_QUERY = {
	type: 'object',
	properties: { limit: { ...limit, description: 'The most endpoints of one page.' }, cursor },
	additionalProperties: false,
} as const satisfies ObjectSchema;

export const DELIVERIES_QUERY = {
	type: 'object',
	properties: {
		status: {
			type: 'string',
			description: 'Only deliveries in this state.',
			enum: DELIVERY_STATUSES,
			examples: ['failed'],
		},
		limit: { ...limit, description: 'The most deliveries of one page.' },
		cursor,
	},
	additionalProperties: false,
} as const satisfies ObjectSchema;

export interface DeliveriesParams extends PageParams {
	id: string;
	status?: DeliveryStatus;
}

export const DELIVERIES_PARAMS = {
	...ENDPOINT_ID_PARAMS,
	properties: { ...ENDPOINT_ID_PARAMS.properties, ...DELIVERIES_QUERY.properties },
} as const satisfies ObjectSchema;

export const EVENT_ID = {
	type: 'string',
	format: 'uuid',
	description: "The event's id, a UUID v7.",
	examples: ['01a204ea-7a9f-7000-8000-055e7c1d9a01'],
} as const;

export interface DeliveryParams {
	id: string;
	eventId: string;
}

export const DELIVERY_PARAMS = {
	...ENDPOINT_ID_PARAMS,
	properties: { ...ENDPOINT_ID_PARAMS.properties, eventId: EVENT_ID },
	required: ['id', 'eventId'],
} as const satisfies ObjectSchema;
