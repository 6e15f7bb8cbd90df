/** What the documentation says about each route, in addition to the schemas. */

import { MOST_PAUSES } from '../../../domain/window.ts';
import { HISTORY_QUERY, LIST_PARAMS } from '../../orders/params.ts';
import type { Destination } from '../http/routes.ts';
import { CONSOLE_OPERATIONS } from './console-operations.ts';
import { ENDPOINT_OPERATIONS } from './endpoint-operations.ts';
import { AMENDMENTS, ANSWERS, BODIES, EVENTS, ORDERS, READINESS, REFUND_BODIES, REFUNDS } from './examples.ts';
import { type HeaderName, NOT_MODIFIED, type Operation, PAGE, type Success } from './operation.ts';
import { STREAM } from './stream.ts';

const byId = (operationId: string) => ({ operationId, parameters: { id: '$response.body#/id' } });
const CURSOR = '$response.body#/nextCursor';

/** Answers with an order contain the clock that its moments are measured by. */
const orderAnswer = (status: number, example: unknown, ...headers: HeaderName[]): Success => ({
	status,
	description: 'The order.',
	headers: ['Date', ...headers],
	schema: 'Order',
	example,
});

/** A command to an order that exists. */
const command = (id: string, summary: string, description: string, success: Success): Operation => ({
	id,
	tag: 'Orders',
	summary,
	description,
	parameters: ['Id'],
	successes: [success],
	problems: ['Orders.NotFound', 'Orders.WindowClosed', 'Orders.InvalidState', 'Validation.Failed'],
});

const COUNT_DOWN =
	"Count down by the answer's `Date`, which is the database's clock as `pendingUntil` is, and not by a clock of your own.";

export const OPERATIONS: Readonly<Record<Exclude<Destination, 'reference/script' | 'console/file'>, Operation>> = {
	'orders.create': {
		id: 'createOrder',
		tag: 'Orders',
		summary: 'Create an order',
		description:
			'Holds the money and starts the window in which the buyer may cancel or pause. With an `Idempotency-Key` the request may be sent any number of times: it makes one order, and every answer is the first one, byte for byte.',
		parameters: ['Idempotency-Key'],
		body: { schema: 'OrderRequest', examples: BODIES },
		successes: [
			{
				...orderAnswer(201, ORDERS.created, 'Location', 'Idempotent-Replayed'),
				links: {
					read: byId('getOrder'),
					history: byId('getOrderHistory'),
					cancel: byId('cancelOrder'),
					hold: byId('holdOrder'),
					resume: byId('resumeOrder'),
					amend: byId('amendOrder'),
				},
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
		query: LIST_PARAMS,
		successes: [
			{
				status: 200,
				description: 'A page of orders.',
				headers: ['Date'],
				schema: 'OrderPage',
				example: ORDERS.page,
				links: { next: { operationId: 'listOrders', parameters: { cursor: CURSOR } } },
			},
		],
		problems: ['Validation.Failed'],
	},
	stream: STREAM,
	'orders.get': {
		id: 'getOrder',
		tag: 'Orders',
		summary: 'Read an order, or wait for it to change',
		description:
			'With `Prefer: wait=N` the answer comes as soon as the order is another than the one of `If-None-Match`, or without that header than it was on arrival; after N seconds at the latest. Without `Preference-Applied` in the answer nothing was waited for, because too many wait already: pause before the next request.',
		parameters: ['Id', 'If-None-Match', 'Prefer'],
		successes: [
			orderAnswer(200, ORDERS.pending, 'ETag', 'Preference-Applied'),
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
		query: HISTORY_QUERY,
		successes: [
			{
				status: 200,
				description: 'A page of events.',
				headers: ['Date'],
				schema: 'History',
				example: ORDERS.history,
				links: { next: { operationId: 'getOrderHistory', parameters: { id: '$request.path.id', cursor: CURSOR } } },
			},
		],
		problems: ['Orders.NotFound', 'Validation.Failed'],
	},
	'orders.cancel': command(
		'cancelOrder',
		'Cancel an order',
		'From the answer on the order is never captured and never shipped. May be repeated: an order that is being cancelled, or is, is answered as it is.',
		orderAnswer(202, ORDERS.cancelled),
	),
	'orders.hold': command(
		'holdOrder',
		'Pause an order',
		`Interrupts the window until the order is resumed, cancelled, or past \`heldUntil\`. An order can be paused ${MOST_PAUSES} times. ${COUNT_DOWN}`,
		orderAnswer(200, ORDERS.held),
	),
	'orders.resume': command(
		'resumeOrder',
		'Resume an order',
		`Goes on with the rest of the window, with at least a minute of it, or the whole window where that is shorter. ${COUNT_DOWN}`,
		orderAnswer(200, ORDERS.resumed),
	),
	'orders.amend': {
		...command(
			'amendOrder',
			'Lower the amount of an order',
			'In the same time as a pause. The hold stays as it is; the capture takes the lower amount, and the rest is released. The present amount changes nothing; a higher one, or 0, is refused.',
			orderAnswer(200, ORDERS.amended),
		),
		body: { schema: 'AmendRequest', examples: AMENDMENTS, mediaTypes: ['application/merge-patch+json'] },
	},
	...ENDPOINT_OPERATIONS,
	'webhooks/stripe': {
		id: 'takeStripeEvent',
		tag: 'Webhooks',
		summary: 'Hear from Stripe',
		description:
			'For Stripe alone, with `PAYMENT_PROVIDER=stripe` and `STRIPE_WEBHOOK_SECRET`; otherwise 404. The body is an event as Stripe sends and signs it, at most 256 KiB. Nothing in it is believed: it only makes it sooner that Stripe is asked. An event may come late, twice, in any order, and for somebody else’s payment.',
		parameters: ['Stripe-Signature'],
		body: { schema: 'StripeEvent', examples: EVENTS },
		successes: [{ status: 204, description: 'It is stored, or means nothing to this system.' }],
		problems: ['Webhooks.SignatureInvalid', 'Webhooks.WrongMode', 'Route.NotFound'],
	},
	'sandbox/page': {
		id: 'sandboxPage',
		tag: 'Sandbox',
		summary: 'The page where the sandbox asks the buyer',
		description:
			'With `PAYMENT_PROVIDER=sandbox`; otherwise 404. It stands for the page of a bank, and the `paymentAction.url` of an order that is paid with `card_authentication` leads to it. After the end it says how it ended.',
		parameters: ['Page'],
		successes: [{ status: 200, description: 'The page.', schema: 'Text', mediaType: 'text/html' }],
		problems: ['Route.NotFound'],
	},
	'sandbox/answer': {
		id: 'answerSandbox',
		tag: 'Sandbox',
		summary: 'Answer as the buyer',
		description: 'What the form of the page sends. `succeeded`: the money is held. `failed`: the payment is declined.',
		parameters: ['Page'],
		body: { schema: 'SandboxAnswer', examples: ANSWERS, mediaTypes: ['application/x-www-form-urlencoded'] },
		successes: [{ status: 303, description: 'It counts; the page says so.', headers: ['Location'] }],
		problems: ['Route.NotFound', 'Orders.InvalidState', 'Validation.Failed'],
	},
	'orders.refund': {
		id: 'refundOrder',
		tag: 'Orders',
		summary: 'Give money back',
		description:
			'Of a shipped order, for whoever has the scope `orders:admin`: a part, or all that is left. What the provider makes of it shows in `GET /orders/{id}/refunds`, in the history, and in `paymentStatus` and `refundedAmount` of the order. With an `Idempotency-Key` the request may be sent any number of times: it makes one refund, and every answer is the first one.',
		parameters: ['Id', 'Idempotency-Key'],
		body: { schema: 'RefundRequest', examples: REFUND_BODIES, required: false },
		successes: [
			{
				status: 201,
				description: 'The refund.',
				headers: ['Date', 'Idempotent-Replayed'],
				schema: 'Refund',
				example: REFUNDS.requested,
			},
		],
		problems: [
			...(['Orders.NotFound', 'Orders.InvalidState', 'Refunds.TooMuch', 'Auth.ScopeMissing'] as const),
			...(['Validation.Failed', 'Idempotency.KeyReused', 'Idempotency.InProgress'] as const),
		],
	},
	'orders.refunds': {
		id: 'listRefunds',
		tag: 'Orders',
		summary: 'Read the refunds of an order',
		description: 'All of them, the oldest first.',
		parameters: ['Id'],
		successes: [
			{
				status: 200,
				description: 'The refunds.',
				headers: ['Date'],
				schema: 'RefundList',
				example: REFUNDS.list,
			},
		],
		problems: ['Orders.NotFound', 'Validation.Failed'],
	},
	'health/live': {
		id: 'live',
		tag: 'Health',
		summary: 'Is the process there?',
		description: 'Answers for as long as the process runs.',
		successes: [{ status: 200, description: 'It is.', schema: 'Alive', example: { status: 'ok' } }],
	},
	'health/ready': {
		id: 'ready',
		tag: 'Health',
		summary: 'Can the process do its work?',
		description: 'Says what is not ready, and what is missing without harm.',
		successes: [
			{ status: 200, description: 'It can.', schema: 'Readiness', example: READINESS.ready },
			{
				status: 503,
				description: 'It cannot.',
				headers: ['Retry-After'],
				schema: 'Readiness',
				example: READINESS.unready,
			},
		],
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
		summary: 'The page to begin with',
		description: 'Leads to `/console`.',
		successes: [{ status: 303, description: 'It is there.', headers: ['Location'] }],
	},
	...CONSOLE_OPERATIONS,
	problem: {
		id: 'problem',
		tag: 'Documentation',
		summary: 'What a problem means, as a page',
		description: 'The `type` of a problem leads here.',
		parameters: ['Slug', 'If-None-Match'],
		successes: [PAGE, NOT_MODIFIED],
		problems: ['Route.NotFound'],
	},
	openapi: {
		id: 'openApi',
		tag: 'Documentation',
		summary: 'This document',
		description: 'OpenAPI 3.1.',
		parameters: ['If-None-Match'],
		successes: [{ status: 200, description: 'The document.', headers: ['ETag'], schema: 'Document' }, NOT_MODIFIED],
	},
	reference: {
		id: 'reference',
		tag: 'Documentation',
		summary: 'This document as a page',
		description: 'Shown by Scalar, whose script is at `/scalar/v1/standalone.js`: everything is served from here.',
		parameters: ['If-None-Match'],
		successes: [PAGE, NOT_MODIFIED],
	},
};
