/** Every code that a client can meet; `docs/errors.md` and `/openapi.json` are made from this table. */

export interface ProblemKind {
	/** HTTP status */
	readonly status: number;
	/** the code in words: the problem's `title` */
	readonly title: string;
	/** when it comes and what a client does about it, as the documentation says it */
	readonly meaning: string;
}

export const PROBLEMS = {
	'Auth.CallerMissing': {
		status: 401,
		title: 'Caller unknown',
		meaning: 'The call does not say who makes it.',
	},
	'Auth.ScopeMissing': {
		status: 403,
		title: 'Scope missing',
		meaning: 'The token is valid, but lacks a scope that this request needs.',
	},
	'Auth.TokenExpired': {
		status: 401,
		title: 'Token expired',
		meaning: 'The token has expired. Get a new one.',
	},
	'Auth.TokenInvalid': {
		status: 401,
		title: 'Token not accepted',
		meaning: 'The token is not one for this service; `detail` says why.',
	},
	'Auth.TokenMissing': {
		status: 401,
		title: 'Token missing',
		meaning: 'The request needs `Authorization: Bearer` with a token.',
	},
	'Idempotency.InProgress': {
		status: 409,
		title: 'A request with this key is still running',
		meaning: 'Another request with this `Idempotency-Key` is still running after 5 s. Send the same request again.',
	},
	'Idempotency.KeyReused': {
		status: 422,
		title: 'Idempotency key used for another request',
		meaning: 'This `Idempotency-Key` belongs to a request with another body. Use a new key.',
	},
	'Orders.InvalidState': {
		status: 409,
		title: 'Not possible in this state of the order',
		meaning: "The order's state does not allow this command, or the order has been paused 20 times. Read the order.",
	},
	'Orders.NotFound': {
		status: 404,
		title: 'Order not found',
		meaning: 'There is no such order, or it belongs to somebody else.',
	},
	'Orders.WindowClosed': {
		status: 409,
		title: 'The window has closed',
		meaning: 'The end of the window, or the hold limit, has passed. The order cannot be stopped any more.',
	},
	'RateLimit.Exceeded': {
		status: 429,
		title: 'Too many requests',
		meaning:
			'There were more requests with this token or from this address than allowed. Send the request again after `Retry-After` seconds.',
	},
	'Request.CrossSite': {
		status: 403,
		title: 'Request from another site',
		meaning: "A browser sent a request that changes something from another site's page. No other origin is allowed.",
	},
	'Request.ExpectationFailed': {
		status: 417,
		title: 'Expectation failed',
		meaning: 'The header `Expect` asks for something other than `100-continue`.',
	},
	'Request.HeadersTooLarge': {
		status: 431,
		title: 'Header fields too large',
		meaning: 'The request line and the header fields are more than 16 KiB together.',
	},
	'Request.Malformed': {
		status: 400,
		title: 'Malformed request',
		meaning: 'The request line, a header, the id in the path or the JSON of the body is malformed.',
	},
	'Request.Misdirected': {
		status: 421,
		title: 'Request for another host',
		meaning:
			'Without tokens the gateway accepts no host name that a stranger may own. `Host` has to be `localhost`, `127.0.0.1` or `[::1]`; on another `HOST` an address or a private name. This holds for proxies too.',
	},
	'Request.Timeout': {
		status: 408,
		title: 'Request timed out',
		meaning: 'The request did not arrive in time: 10 s for its header, 15 s for all of it. Send it again.',
	},
	'Request.TooLarge': {
		status: 413,
		title: 'Body too large',
		meaning: 'The body has more than 16 KiB.',
	},
	'Request.UnsupportedMediaType': {
		status: 415,
		title: 'Unsupported media type',
		meaning: 'The body is not `application/json` in UTF-8 without compression; `detail` says which of them.',
	},
	'Route.MethodNotAllowed': {
		status: 405,
		title: 'Method not allowed',
		meaning: 'The path does not support this method; `Allow` lists those that it supports.',
	},
	'Route.NotFound': {
		status: 404,
		title: 'Route not found',
		meaning: 'There is nothing at this path.',
	},
	'Server.Error': {
		status: 500,
		title: 'Internal error',
		meaning: 'An error in the service. Tell its operator the `traceId`.',
	},
	'Service.Overloaded': {
		status: 503,
		title: 'Service overloaded',
		meaning:
			'The service has more to do than it can answer in time; nothing was done. Send the request again after `Retry-After` seconds.',
	},
	'Service.Unavailable': {
		status: 503,
		title: 'Service unavailable',
		meaning:
			'The service cannot answer at the moment, or not in time. Send the request again after `Retry-After` seconds, a new order with the same `Idempotency-Key`.',
	},
	'Validation.Failed': {
		status: 422,
		title: 'Invalid request',
		meaning: 'A field of the body, a query value or the cursor is not valid; `errors` names each of them.',
	},
} as const satisfies Readonly<Record<string, ProblemKind>>;

export type ProblemCode = keyof typeof PROBLEMS;

export const PROBLEM_CODES = Object.keys(PROBLEMS) as readonly ProblemCode[];

export const isProblemCode = (code: unknown): code is ProblemCode =>
	typeof code === 'string' && Object.hasOwn(PROBLEMS, code);

/** `Orders.WindowClosed` → `/problems/orders.window-closed`. */
export function problemType(code: string): string {
	return `/problems/${code.replace(/([a-z0-9])([A-Z])/g, '$1-$2').toLowerCase()}`;
}
