import type { DeliveryDto, EndpointDto } from '../../webhooks/endpoint-dto.ts';

const ENDPOINT: EndpointDto = {
	id: '01a204ea-8b10-7000-8000-0c2f1a7e5d11',
	url: 'https://shop.example/hooks/payment',
	types: ['OrderShipped', 'PaymentFailed'],
	description: 'The warehouse',
	status: 'enabled',
	createdAt: '2026-01-31T20:20:09.616Z',
};

const DELIVERY: DeliveryDto = {
	eventId: '01a204ea-7a9f-7000-8000-055e7c1d9a01',
	type: 'OrderShipped',
	status: 'pending',
	attempts: 1,
	nextAttemptAt: '2026-01-31T20:30:11.208Z',
	responseStatus: 500,
	error: 'it answered 500',
};

export const ENDPOINTS = {
	// Says nothing in base64 but that it is an example.
	created: { ...ENDPOINT, secret: 'whsec_dGhpcyBpcyBhbiBleGFtcGxlLCBub3QgYSBzZWNyZXQ=' },
	enabled: ENDPOINT,
	disabled: { ...ENDPOINT, status: 'disabled' },
	page: { data: [ENDPOINT], nextCursor: null },
	deliveries: { data: [DELIVERY], nextCursor: null },
} as const;

export const ENDPOINT_BODIES = {
	all: { summary: 'All events', value: { url: ENDPOINT.url } },
	some: {
		summary: 'Some of them',
		value: { url: ENDPOINT.url, types: ENDPOINT.types, description: ENDPOINT.description },
	},
} as const;

export const ENDPOINT_CHANGES = {
	enable: { summary: 'Enable it again', value: { status: 'enabled' } },
	types: { summary: 'All events from now on', value: { types: null } },
} as const;
