/** The shape of what the actions of webhooks answer, as `/openapi.json` shows it. */
import { EVENT_TYPES } from '../../domain/events.ts';
import { DELIVERY_STATUSES } from '../../domain/webhook.ts';
import type { Schema } from '../../mixins/validation/index.ts';
import type { DeliveryDto, EndpointDto } from './endpoint-dto.ts';

const ENDPOINT_PROPERTIES: Readonly<Record<keyof EndpointDto, Schema>> = {
	id: { type: 'string', format: 'uuid', description: 'UUID v7.' },
	url: { type: 'string', description: 'Where events are sent to.' },
	types: {
		type: ['array', 'null'],
		description: 'Which events; `null` for all.',
		items: { type: 'string', enum: EVENT_TYPES },
	},
	description: { type: ['string', 'null'] },
	status: {
		type: 'string',
		description: '`disabled` by an admin, by an answer 410, or after five days without one success.',
		enum: ['enabled', 'disabled'],
	},
	createdAt: { type: 'string', format: 'date-time', description: 'When it was made. RFC 3339 in UTC.' },
};

export const ENDPOINT_SCHEMA: Schema = {
	type: 'object',
	description: 'An address at a shop that is told of events.',
	properties: ENDPOINT_PROPERTIES,
	required: Object.keys(ENDPOINT_PROPERTIES),
};

export const SECRET_SCHEMA: Schema = {
	...ENDPOINT_SCHEMA,
	description: 'An endpoint with its new secret, which is shown in this answer alone.',
	properties: {
		...ENDPOINT_PROPERTIES,
		secret: {
			type: 'string',
			description: 'Signs what is sent, as Standard Webhooks says: https://www.standardwebhooks.com.',
			pattern: '^whsec_[A-Za-z0-9+/]+=*$',
		},
	},
	required: [...Object.keys(ENDPOINT_PROPERTIES), 'secret'],
};

const DELIVERY_PROPERTIES: Readonly<Record<keyof DeliveryDto, Schema>> = {
	eventId: {
		type: 'string',
		format: 'uuid',
		description: "The event's id, which is `webhook-id` and `id` of what is sent.",
	},
	type: { type: 'string', enum: EVENT_TYPES },
	status: {
		type: 'string',
		description: '`failed` after the last of ten attempts. Ended deliveries are kept for as long as `RETENTION`.',
		enum: DELIVERY_STATUSES,
	},
	attempts: { type: 'integer', minimum: 0, description: 'How many attempts have ended.' },
	nextAttemptAt: {
		type: ['string', 'null'],
		format: 'date-time',
		description: 'When the next attempt is due; `null` once it has ended, and while the endpoint is disabled.',
	},
	responseStatus: { type: ['integer', 'null'], description: 'The HTTP status of the last answer.' },
	error: { type: ['string', 'null'], description: 'Why the last attempt failed.' },
};

export const DELIVERY_SCHEMA: Schema = {
	type: 'object',
	description: 'An event on its way to an endpoint.',
	properties: DELIVERY_PROPERTIES,
	required: Object.keys(DELIVERY_PROPERTIES),
};
