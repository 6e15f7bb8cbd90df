/** Every code that a client can meet; `docs/errors.md` and `/openapi.json` are made from this table. */

export interface ProblemKind {
	/** HTTP status */
	readonly status: number;
	/** the code in words: the problem's `title` */
	readonly title: string;
	/** when it comes and what a client does about it, as the documentation says it */
	readonly meaning: string;
}

const kind = (status: number, title: string, meaning: string): ProblemKind => ({ status, title, meaning });

export const PROBLEMS = {
	'Auth.CallerMissing': kind(401, 'Caller unknown', 'The call does not say who makes it.'),
	'Auth.ScopeMissing': kind(403, 'Scope missing', 'The token is valid, but lacks a scope that this request needs.'),
	'Auth.TokenExpired': kind(401, 'Token expired', 'The token has expired. Get a new one.'),
	'Auth.TokenInvalid': kind(401, 'Token not accepted', 'The token is not one for this service; `detail` says why.'),
	'Auth.TokenMissing': kind(401, 'Token missing', 'The request needs `Authorization: Bearer` with a token.'),
	'Idempotency.InProgress': kind(
		409,
		'A request with this key is still running',
		'Another request with this `Idempotency-Key` is still running after 5 s. Send the same request again.',
	),
	'Idempotency.KeyReused': kind(
		422,
		'Idempotency key used for another request',
		'This `Idempotency-Key` belongs to a request with another body, or for another order. Use a new key.',
	),
	'Orders.InvalidState': kind(
		409,
		'Not possible in this state of the order',
		"The order's state does not allow this command, or the order has been paused 20 times. Read the order.",
	),
	'Orders.NotFound': kind(404, 'Order not found', 'There is no such order, or it belongs to somebody else.'),
	'Orders.WindowClosed': kind(
		409,
		'The window has closed',
		'The end of the window, or the hold limit, has passed. The order cannot be stopped any more.',
	),
	'RateLimit.Exceeded': kind(
		429,
		'Too many requests',
		'There were more requests with this token or from this address than allowed. Send the request again after `Retry-After` seconds.',
	),
	'Refunds.TooMuch': kind(
		409,
		'More than is left',
		'The refunds of an order that have not failed are never more than was captured, and this one would make them so. `GET /orders/{id}/refunds` lists them.',
	),
	'Request.CrossSite': kind(
		403,
		'Request from another site',
		"A browser sent a request that changes something from another site's page. No other origin is allowed.",
	),
	'Request.ExpectationFailed': kind(
		417,
		'Expectation failed',
		'The header `Expect` asks for something other than `100-continue`.',
	),
	'Request.HeadersTooLarge': kind(
		431,
		'Header fields too large',
		'The request line and the header fields are more than 16 KiB together.',
	),
	'Request.Malformed': kind(
		400,
		'Malformed request',
		'The request line, a header, the id in the path or the JSON of the body is malformed.',
	),
	'Request.Misdirected': kind(
		421,
		'Request for another host',
		'Without tokens the gateway accepts no host name that a stranger may own. `Host` has to be `localhost`, `127.0.0.1` or `[::1]`; on another `HOST` an address or a private name. This holds for proxies too.',
	),
	'Request.Timeout': kind(
		408,
		'Request timed out',
		'The request did not arrive in time: 10 s for its header, 15 s for all of it. Send it again.',
	),
	'Request.TooLarge': kind(
		413,
		'Body too large',
		'The body has more than 16 KiB, or a message from Stripe more than 256 KiB.',
	),
	'Request.UnsupportedMediaType': kind(
		415,
		'Unsupported media type',
		'The body is not `application/json` (of PATCH also `application/merge-patch+json`) in UTF-8 without compression; `detail` says which of them.',
	),
	'Route.MethodNotAllowed': kind(
		405,
		'Method not allowed',
		'The path does not support this method; `Allow` lists those that it supports.',
	),
	'Route.NotFound': kind(404, 'Route not found', 'There is nothing at this path.'),
	'Server.Error': kind(500, 'Internal error', 'An error in the service. Tell its operator the `traceId`.'),
	'Service.Overloaded': kind(
		503,
		'Service overloaded',
		'The service has more to do than it can answer in time; nothing was done. Send the request again after `Retry-After` seconds.',
	),
	'Service.Unavailable': kind(
		503,
		'Service unavailable',
		'The service cannot answer at the moment, or not in time. Send the request again after `Retry-After` seconds, a new order with the same `Idempotency-Key`.',
	),
	'Stream.TooOld': kind(
		410,
		'Too old to go on from',
		'More than 100,000 entries came after this `Last-Event-ID`, or it is from before the database was restored or copied. Open the stream without it, then read the list.',
	),
	'Validation.Failed': kind(
		422,
		'Invalid request',
		'A field of the body, a query value or the cursor is not valid; `errors` names each of them.',
	),
	'Webhooks.NotFound': kind(404, 'Endpoint not found', 'There is no such endpoint, or it has no such delivery.'),
	'Webhooks.SignatureInvalid': kind(
		400,
		'Signature not accepted',
		'The message is not signed by Stripe with a secret of `STRIPE_WEBHOOK_SECRET` within the last five minutes; `detail` says what is missing.',
	),
	'Webhooks.WrongMode': kind(
		400,
		'Message of the other mode',
		'Stripe sends test events to a system with a live key, or live events to one with a test key.',
	),
};

export type ProblemCode = keyof typeof PROBLEMS;

export const PROBLEM_CODES = Object.keys(PROBLEMS) as readonly ProblemCode[];

export const isProblemCode = (code: unknown): code is ProblemCode =>
	typeof code === 'string' && Object.hasOwn(PROBLEMS, code);

/** `Orders.WindowClosed` → `/problems/orders.window-closed`. */
export function problemType(code: string): string {
	return `/problems/${code.replace(/([a-z0-9])([A-Z])/g, '$1-$2').toLowerCase()}`;
}
