/** What the documentation says about the routes of webhook endpoints. */

import type { Schema } from '../../../mixins/validation/index.ts';
import { DELIVERIES_QUERY, ENDPOINT_ID_PARAMS, ENDPOINTS_QUERY, EVENT_ID } from '../../webhooks/params.ts';
import type { WebhookAction } from '../http/routes.ts';
import { ENDPOINT_BODIES, ENDPOINT_CHANGES, ENDPOINTS } from './endpoint-examples.ts';
import type { Operation } from './operation.ts';

const TAG = 'Webhook endpoints';
const ON_ENDPOINT = ['Webhooks.NotFound', 'Auth.ScopeMissing', 'Validation.Failed'] as const;
const byId = (operationId: string) => ({ operationId, parameters: { id: '$response.body#/id' } });
const CURSOR = '$response.body#/nextCursor';

const inPath = (name: string, { description, ...schema }: Schema) => ({
	name,
	in: 'path',
	required: true,
	description,
	schema,
});

export const ENDPOINT_PARAMETERS = {
	EndpointId: inPath('id', ENDPOINT_ID_PARAMS.properties.id),
	EventId: inPath('eventId', EVENT_ID),
};

export const ENDPOINT_OPERATIONS: Readonly<Record<WebhookAction, Operation>> = {
	'webhooks.create': {
		id: 'createEndpoint',
		tag: TAG,
		summary: 'Have a shop told of events',
		description:
			'From now on each event of these types is sent to the URL, as a CloudEvent in JSON (`application/cloudevents+json`), signed as Standard Webhooks says. The `secret` is shown in this answer alone. Any answer 2xx within 10 s says that the shop has the event; it may come twice and in any order, under the same `webhook-id`. What fails is tried again after 5 s, 5 min, 30 min, 2 h, 5 h, 10 h, 14 h, 20 h and 24 h. An answer 410, or five days without one success, disables the endpoint.',
		body: { schema: 'EndpointRequest', examples: ENDPOINT_BODIES },
		successes: [
			{
				status: 201,
				description: 'The endpoint, with its secret.',
				headers: ['Location'],
				schema: 'EndpointWithSecret',
				example: ENDPOINTS.created,
				links: {
					read: byId('getEndpoint'),
					change: byId('changeEndpoint'),
					rotate: byId('rotateSecret'),
					deliveries: byId('listDeliveries'),
				},
			},
		],
		problems: ['Auth.ScopeMissing', 'Validation.Failed'],
	},
	'webhooks.list': {
		id: 'listEndpoints',
		tag: TAG,
		summary: 'List endpoints',
		description: 'Newest first, without their secrets.',
		query: ENDPOINTS_QUERY,
		successes: [
			{
				status: 200,
				description: 'A page of endpoints.',
				schema: 'EndpointPage',
				example: ENDPOINTS.page,
				links: { next: { operationId: 'listEndpoints', parameters: { cursor: CURSOR } } },
			},
		],
		problems: ['Auth.ScopeMissing', 'Validation.Failed'],
	},
	'webhooks.get': {
		id: 'getEndpoint',
		tag: TAG,
		summary: 'Read an endpoint',
		description: 'Without its secret.',
		parameters: ['EndpointId'],
		successes: [{ status: 200, description: 'The endpoint.', schema: 'Endpoint', example: ENDPOINTS.enabled }],
		problems: [...ON_ENDPOINT],
	},
	'webhooks.update': {
		id: 'changeEndpoint',
		tag: TAG,
		summary: 'Change, disable or enable an endpoint',
		description:
			'What is not in the body stays. Other types hold for events from now on. While it is disabled nothing is sent, and events of that time are not sent later; what was pending goes on once it is enabled.',
		parameters: ['EndpointId'],
		body: { schema: 'EndpointChange', examples: ENDPOINT_CHANGES, mediaTypes: ['application/merge-patch+json'] },
		successes: [{ status: 200, description: 'The endpoint.', schema: 'Endpoint', example: ENDPOINTS.disabled }],
		problems: [...ON_ENDPOINT],
	},
	'webhooks.delete': {
		id: 'deleteEndpoint',
		tag: TAG,
		summary: 'Delete an endpoint',
		description: 'Nothing more is sent to it, and its deliveries are gone.',
		parameters: ['EndpointId'],
		successes: [{ status: 204, description: 'It is deleted.' }],
		problems: [...ON_ENDPOINT],
	},
	'webhooks.rotateSecret': {
		id: 'rotateSecret',
		tag: TAG,
		summary: 'Give an endpoint a new secret',
		description: 'For 24 h the old secret signs beside the new one: `webhook-signature` has a signature of each.',
		parameters: ['EndpointId'],
		successes: [
			{
				status: 200,
				description: 'The endpoint, with its new secret.',
				schema: 'EndpointWithSecret',
				example: ENDPOINTS.created,
			},
		],
		problems: [...ON_ENDPOINT],
	},
	'webhooks.deliveries': {
		id: 'listDeliveries',
		tag: TAG,
		summary: 'List what was sent to an endpoint',
		description: 'Those of the newest events first.',
		parameters: ['EndpointId'],
		query: DELIVERIES_QUERY,
		successes: [
			{
				status: 200,
				description: 'A page of deliveries.',
				schema: 'DeliveryPage',
				example: ENDPOINTS.deliveries,
				links: { next: { operationId: 'listDeliveries', parameters: { id: '$request.path.id', cursor: CURSOR } } },
			},
		],
		problems: [...ON_ENDPOINT],
	},
	'webhooks.redeliver': {
		id: 'redeliver',
		tag: TAG,
		summary: 'Deliver an event to an endpoint again',
		description:
			'At once, under the id that it has. A delivery that had ended begins its attempts anew; one to a disabled endpoint waits until that is enabled.',
		parameters: ['EndpointId', 'EventId'],
		successes: [
			{ status: 202, description: 'The delivery.', schema: 'Delivery', example: ENDPOINTS.deliveries.data[0] },
		],
		problems: [...ON_ENDPOINT],
	},
};
