/** What the documentation says about each route, in addition to the schemas. */

import { MOST_PAUSES } from '../../../domain/window.ts';
import type { ProblemCode } from '../../../mixins/http/index.ts';
import type { Destination } from '../http/routes.ts';
import { BODIES, ORDERS } from './examples.ts';
import type { SCHEMAS } from './schemas.ts';

/** A header field or parameter of `components`. */
export type HeaderName =
	| 'Date'
	| 'ETag'
	| 'Idempotent-Replayed'
	| 'Location'
	| 'Preference-Applied'
	| 'Retry-After'
	| 'WWW-Authenticate'
	| 'X-Request-Id';
export type ParameterName = 'Id' | 'Slug' | 'Idempotency-Key' | 'If-None-Match' | 'Prefer';

export interface Success {
	readonly status: number;
	readonly description: string;
	readonly headers?: readonly HeaderName[];
	/** the answer's schema and example; none where there is no body */
	readonly schema?: keyof typeof SCHEMAS;
	readonly example?: unknown;
	/** operations that go on from here, with the value of the parameter that they take it as */
	readonly links?: Readonly<
		Record<string, { readonly operationId: string; readonly parameters: Readonly<Record<string, string>> }>
	>;
	/** other than JSON */
	readonly mediaType?: string;
}

export interface Operation {
	readonly id: string;
	readonly tag: 'Orders' | 'Health' | 'Metrics' | 'Documentation';
	/** needs no token */
	readonly isOpen?: boolean;
	readonly summary: string;
	readonly description: string;
	readonly parameters?: readonly ParameterName[];
	/** whose query it takes */
	readonly query?: 'listQuery' | 'historyQuery';
	/** named examples of the body; without them the operation takes none */
	readonly body?: Readonly<Record<string, unknown>>;
	readonly successes: readonly Success[];
	/** beside those that any request can meet */
	readonly problems: readonly ProblemCode[];
}

const CLOSED: readonly ProblemCode[] = ['Orders.NotFound', 'Orders.WindowClosed', 'Orders.InvalidState'];
const byId = (operationId: string) => ({ operationId, parameters: { id: '$response.body#/id' } });
const FROM_ORDER = {
	read: byId('getOrder'),
	history: byId('getOrderHistory'),
	cancel: byId('cancelOrder'),
	hold: byId('holdOrder'),
	resume: byId('resumeOrder'),
};
const NEXT_PAGE = { next: { operationId: 'listOrders', parameters: { cursor: '$response.body#/nextCursor' } } };
const NEXT_EVENTS = {
	next: {
		operationId: 'getOrderHistory',
		parameters: { id: '$request.path.id', cursor: '$response.body#/nextCursor' },
	},
};
const COUNT_DOWN =
	"Count down by the answer's `Date`, which is the database's clock as `pendingUntil` is, and not by a clock of your own.";

export const OPERATIONS: Readonly<Record<Exclude<Destination, 'reference/script'>, Operation>> = {
	'orders.create': {
		id: 'createOrder',
		tag: 'Orders',
		summary: 'Create an order',
		description:
			'Holds the money and starts the window in which the buyer may cancel or pause. With an `Idempotency-Key` the request may be sent any number of times: it makes one order, and every answer is the first one, byte for byte.',
		parameters: ['Idempotency-Key'],
		body: BODIES,
		successes: [
			{
				status: 201,
				description: 'The order.',
				headers: ['Date', 'Location', 'Idempotent-Replayed'],
				schema: 'Order',
				example: ORDERS.created,
				links: FROM_ORDER,
			},
		],
		problems: ['Validation.Failed', 'Idempotency.KeyReused', 'Idempotency.InProgress'],
	},
	'orders.list': {
		id: 'listOrders',
		tag: 'Orders',
		summary: 'List orders',
		description:
			'Newest first. Ask for the next page with the `nextCursor` of the one before, and the same `status`. Orders that come meanwhile stand before the first page and move no other.',
		query: 'listQuery',
		successes: [
			{
				status: 200,
				description: 'A page of orders.',
				headers: ['Date'],
				schema: 'OrderPage',
				example: ORDERS.page,
				links: NEXT_PAGE,
			},
		],
		problems: ['Validation.Failed'],
	},
	'orders.get': {
		id: 'getOrder',
		tag: 'Orders',
		summary: 'Read an order, or wait for it to change',
		description:
			'With `Prefer: wait=N` the answer comes as soon as the order is another than the one of `If-None-Match`, or without that header than it was on arrival; after N seconds at the latest. Without `Preference-Applied` in the answer nothing was waited for, because too many wait already: pause before the next request.',
		parameters: ['Id', 'If-None-Match', 'Prefer'],
		successes: [
			{
				status: 200,
				description: 'The order.',
				headers: ['Date', 'ETag', 'Preference-Applied'],
				schema: 'Order',
				example: ORDERS.pending,
			},
			{
				status: 304,
				description: 'The order is still one of those in `If-None-Match`.',
				headers: ['Date', 'ETag', 'Preference-Applied'],
			},
		],
		problems: ['Orders.NotFound', 'Validation.Failed'],
	},
	'orders.history': {
		id: 'getOrderHistory',
		tag: 'Orders',
		summary: 'Read what happened to an order',
		description:
			'Every event of the order, in order, for ever. Ask for the next page with the `nextCursor` of the one before.',
		parameters: ['Id'],
		query: 'historyQuery',
		successes: [
			{
				status: 200,
				description: 'A page of events.',
				headers: ['Date'],
				schema: 'History',
				example: ORDERS.history,
				links: NEXT_EVENTS,
			},
		],
		problems: ['Orders.NotFound', 'Validation.Failed'],
	},
	'orders.cancel': {
		id: 'cancelOrder',
		tag: 'Orders',
		summary: 'Cancel an order',
		description:
			'From the answer on the order is never captured and never shipped. May be repeated: an order that is being cancelled, or is, is answered as it is.',
		parameters: ['Id'],
		successes: [
			{ status: 202, description: 'The order.', headers: ['Date'], schema: 'Order', example: ORDERS.cancelled },
		],
		problems: [...CLOSED, 'Validation.Failed'],
	},
	'orders.hold': {
		id: 'holdOrder',
		tag: 'Orders',
		summary: 'Pause an order',
		description: `Interrupts the window until the order is resumed, cancelled, or past \`heldUntil\`. An order can be paused ${MOST_PAUSES} times. ${COUNT_DOWN}`,
		parameters: ['Id'],
		successes: [{ status: 200, description: 'The order.', headers: ['Date'], schema: 'Order', example: ORDERS.held }],
		problems: [...CLOSED, 'Validation.Failed'],
	},
	'orders.resume': {
		id: 'resumeOrder',
		tag: 'Orders',
		summary: 'Resume an order',
		description: `Goes on with the rest of the window, with at least a minute of it, or the whole window where that is shorter. ${COUNT_DOWN}`,
		parameters: ['Id'],
		successes: [
			{ status: 200, description: 'The order.', headers: ['Date'], schema: 'Order', example: ORDERS.resumed },
		],
		problems: [...CLOSED, 'Validation.Failed'],
	},
	'health/live': {
		id: 'live',
		tag: 'Health',
		isOpen: true,
		summary: 'Is the process there?',
		description: 'Answers for as long as the process runs.',
		successes: [{ status: 200, description: 'It is.', schema: 'Alive', example: { status: 'ok' } }],
		problems: [],
	},
	'health/ready': {
		id: 'ready',
		tag: 'Health',
		isOpen: true,
		summary: 'Can the process do its work?',
		description: 'Says what is not ready, and what is missing without harm.',
		successes: [
			{
				status: 200,
				description: 'It can.',
				schema: 'Readiness',
				example: { status: 'ok', failing: [], degraded: [] },
			},
			{
				status: 503,
				description: 'It cannot.',
				headers: ['Retry-After'],
				schema: 'Readiness',
				example: {
					status: 'unavailable',
					failing: [{ name: 'database', reason: 'the database does not answer' }],
					degraded: [],
				},
			},
		],
		problems: [],
	},
	metrics: {
		id: 'metrics',
		tag: 'Metrics',
		summary: 'Figures of this process',
		description: 'For Prometheus. With tokens it is for whoever has the scope `orders:admin`.',
		successes: [{ status: 200, description: 'The figures.', schema: 'Text', mediaType: 'text/plain' }],
		problems: ['Auth.ScopeMissing'],
	},
	root: {
		id: 'root',
		tag: 'Documentation',
		isOpen: true,
		summary: 'The page to begin with',
		description: 'Leads to `/scalar/v1`.',
		successes: [{ status: 303, description: 'It is there.', headers: ['Location'] }],
		problems: [],
	},
	problem: {
		id: 'problem',
		tag: 'Documentation',
		isOpen: true,
		summary: 'What a problem means, as a page',
		description: 'The `type` of a problem leads here.',
		parameters: ['Slug', 'If-None-Match'],
		successes: [
			{ status: 200, description: 'The page.', headers: ['ETag'], schema: 'Text', mediaType: 'text/html' },
			{ status: 304, description: 'Not modified.', headers: ['ETag'] },
		],
		problems: ['Route.NotFound'],
	},
	openapi: {
		id: 'openApi',
		tag: 'Documentation',
		isOpen: true,
		summary: 'This document',
		description: 'OpenAPI 3.1.',
		parameters: ['If-None-Match'],
		successes: [
			{ status: 200, description: 'The document.', headers: ['ETag'], schema: 'Document' },
			{ status: 304, description: 'Not modified.', headers: ['ETag'] },
		],
		problems: [],
	},
	reference: {
		id: 'reference',
		tag: 'Documentation',
		isOpen: true,
		summary: 'This document as a page',
		description: 'Shown by Scalar, whose script is at `/scalar/v1/standalone.js`: everything is served from here.',
		parameters: ['If-None-Match'],
		successes: [
			{ status: 200, description: 'The page.', headers: ['ETag'], schema: 'Text', mediaType: 'text/html' },
			{ status: 304, description: 'Not modified.', headers: ['ETag'] },
		],
		problems: [],
	},
};
