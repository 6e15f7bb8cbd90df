/**
 * Problem details (RFC 9457): what every error looks like on the wire.
 *
 * `code` is the contract's stable name of the problem; `type` is the same as a URI reference, `title` the same in words.
 * `errors` names each invalid field by a JSON pointer into the body (RFC 6901, section 6) or by its query parameter.
 */
import { STATUS_CODES } from 'node:http';

/** One invalid place in a request: in the body (`pointer`) or in the query (`parameter`). */
export type Fault =
	| { readonly pointer: string; readonly detail: string }
	| { readonly parameter: string; readonly detail: string };

export interface Problem {
	readonly status: number;
	readonly code: string;
	readonly detail: string;
	readonly errors?: readonly Fault[];
	/** Header fields that belong to the answer, such as `Allow` or `Retry-After`. */
	readonly headers?: Readonly<Record<string, string>>;
}

/** Thrown inside the gateway; its problem is the answer. */
export class ProblemError extends Error {
	readonly problem: Problem;

	constructor(problem: Problem) {
		super(problem.detail);
		this.name = 'ProblemError';
		this.problem = problem;
	}
}

export const PROBLEM_TYPE = 'application/problem+json';

const TITLES: Readonly<Record<string, string>> = {
	'Auth.CallerMissing': 'Caller missing',
	'Auth.ScopeMissing': 'Scope missing',
	'Auth.TokenExpired': 'Token expired',
	'Auth.TokenInvalid': 'Token not accepted',
	'Auth.TokenMissing': 'Token missing',
	'Idempotency.InProgress': 'A request with this key is still running',
	'Idempotency.KeyReused': 'Idempotency key used for another request',
	'Orders.InvalidState': 'Not possible in this state of the order',
	'Orders.NotFound': 'Order not found',
	'Orders.WindowClosed': 'The window has closed',
	'RateLimit.Exceeded': 'Too many requests',
	'Request.ExpectationFailed': 'Expectation failed',
	'Request.HeadersTooLarge': 'Header fields too large',
	'Request.Malformed': 'Malformed request',
	'Request.Timeout': 'Request timed out',
	'Request.TooLarge': 'Body too large',
	'Request.UnsupportedMediaType': 'Unsupported media type',
	'Route.MethodNotAllowed': 'Method not allowed',
	'Route.NotFound': 'Route not found',
	'Server.Error': 'Internal error',
	'Service.Overloaded': 'Service overloaded',
	'Service.Unavailable': 'Service unavailable',
	'Validation.Failed': 'Invalid request',
};

/** `Orders.WindowClosed` → `/problems/orders.window-closed`. */
export function problemType(code: string): string {
	return `/problems/${code.replace(/([a-z0-9])([A-Z])/g, '$1-$2').toLowerCase()}`;
}

/** The members in RFC 9457's order, then ours. */
export function encodeProblem({ status, code, detail, errors }: Problem): string {
	const title = TITLES[code] ?? STATUS_CODES[status] ?? 'Error';
	return JSON.stringify({ type: problemType(code), title, status, detail, code, errors });
}

/** A whole HTTP/1.1 answer for a socket on which Node could not read a request; it always ends the connection. */
export function rawAnswer(problem: Problem): string {
	const body = encodeProblem(problem);
	const extra = Object.entries(problem.headers ?? {}).map(([name, value]) => `${name}: ${value}\r\n`);
	return (
		`HTTP/1.1 ${problem.status} ${STATUS_CODES[problem.status] ?? ''}\r\nDate: ${new Date().toUTCString()}\r\n` +
		`Content-Type: ${PROBLEM_TYPE}\r\nContent-Length: ${Buffer.byteLength(body)}\r\n${extra.join('')}Connection: close\r\n\r\n${body}`
	);
}

/** 400: the request cannot be read as what it claims to be. */
export function malformed(detail: string): Problem {
	return { status: 400, code: 'Request.Malformed', detail };
}

export function routeNotFound(): Problem {
	return { status: 404, code: 'Route.NotFound', detail: 'There is nothing at this path.' };
}

/** 405 with the `Allow` that RFC 9110, section 15.5.6 asks for. */
export function methodNotAllowed(allow: string): Problem {
	const detail = `This path knows only ${allow}.`;
	return { status: 405, code: 'Route.MethodNotAllowed', detail, headers: { Allow: allow } };
}

export function tooLarge(limit: number): Problem {
	return { status: 413, code: 'Request.TooLarge', detail: `A body has at most ${limit} bytes.` };
}

/** 415; the header says what would do (RFC 9110, section 15.5.16). */
export function unsupported(detail: string, header: 'Accept' | 'Accept-Encoding'): Problem {
	const headers = { [header]: header === 'Accept' ? 'application/json' : 'identity' };
	return { status: 415, code: 'Request.UnsupportedMediaType', detail, headers };
}

export function invalid(errors: readonly Fault[]): Problem {
	const detail = errors.length === 1 ? 'One value is invalid.' : `${errors.length} values are invalid.`;
	return { status: 422, code: 'Validation.Failed', detail, errors };
}

export function unavailable(detail = 'The service cannot answer at the moment. Try again.'): Problem {
	return { status: 503, code: 'Service.Unavailable', detail, headers: { 'Retry-After': '1' } };
}

/** More comes in than can be answered in time; nothing was done. */
export function overloaded(): Problem {
	const detail = 'The service has too much to do at the moment. Try again.';
	return { status: 503, code: 'Service.Overloaded', detail, headers: { 'Retry-After': '1' } };
}

/** A fixed sentence: what went wrong inside is for the log alone. */
export function internal(): Problem {
	return { status: 500, code: 'Server.Error', detail: 'Something went wrong on our side.' };
}

/** `a/b` → `#/a~1b`: a JSON pointer to a top-level member, as a URI fragment (RFC 6901, sections 3 and 6). */
export function pointerTo(field: string): string {
	return `#/${encodeURIComponent(field.toWellFormed().replaceAll('~', '~0').replaceAll('/', '~1'))}`;
}
