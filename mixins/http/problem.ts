/**
 * Problem details (RFC 9457): what every error looks like on the wire.
 *
 * `code` is the contract's stable name of the problem; `type` is the same as a URI reference, `title` the same in words.
 * `errors` names each invalid field by a JSON pointer into the body (RFC 6901, section 6) or by its query parameter.
 * `traceId` is the request's trace, by which the operator finds it.
 */
import { STATUS_CODES } from 'node:http';
import { SECURITY_HEADERS } from './headers.ts';
import { PROBLEMS, type ProblemCode, problemType } from './problem-codes.ts';

/** One invalid place in a request: in the body (`pointer`) or in the query (`parameter`). */
export type Fault =
	| { readonly pointer: string; readonly detail: string }
	| { readonly parameter: string; readonly detail: string };

export interface Problem {
	readonly status: number;
	readonly code: ProblemCode;
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

/** The members in RFC 9457's order, then ours. `prefix`: the path below which the client sees the gateway. */
export function encodeProblem({ status, code, detail, errors }: Problem, traceId: string, prefix = ''): string {
	const { title } = PROBLEMS[code];
	return JSON.stringify({ type: `${prefix}${problemType(code)}`, title, status, detail, code, errors, traceId });
}

/** A whole HTTP/1.1 answer for a socket on which Node could not read a request; it always ends the connection. */
export function rawAnswer(problem: Problem, traceId: string): string {
	const body = encodeProblem(problem, traceId);
	const headers = Object.entries({
		Date: new Date().toUTCString(),
		'Content-Type': PROBLEM_TYPE,
		'Content-Length': Buffer.byteLength(body),
		'X-Request-Id': traceId,
		...SECURITY_HEADERS,
		...problem.headers,
		Connection: 'close',
	});
	const lines = headers.map(([name, value]) => `${name}: ${value}\r\n`).join('');
	return `HTTP/1.1 ${problem.status} ${STATUS_CODES[problem.status] ?? ''}\r\n${lines}\r\n${body}`;
}

/** A problem of the table; `detail` is for people. Who is to come again is told when (RFC 9110, section 10.2.3). */
export function problem(code: ProblemCode, detail: string, more: Pick<Problem, 'errors' | 'headers'> = {}): Problem {
	const { status } = PROBLEMS[code];
	const again = status === 429 || status === 503 ? { 'Retry-After': '1' } : {};
	return { status, code, detail, ...more, headers: { ...again, ...more.headers } };
}

/** 400: the request cannot be read as what it claims to be. */
export const malformed = (detail: string): Problem => problem('Request.Malformed', detail);

export const routeNotFound = (): Problem => problem('Route.NotFound', 'There is nothing at this path.');

/** 405 with the `Allow` that RFC 9110, section 15.5.6 asks for. */
export function methodNotAllowed(allow: string): Problem {
	return problem('Route.MethodNotAllowed', `This path knows only ${allow}.`, { headers: { Allow: allow } });
}

export const tooLarge = (limit: number): Problem => problem('Request.TooLarge', `A body has at most ${limit} bytes.`);

/** 415; the headers say what would do (RFC 9110, section 15.5.16). */
export function unsupported(detail: string, headers: Readonly<Record<string, string>>): Problem {
	return problem('Request.UnsupportedMediaType', detail, { headers });
}

export function invalid(errors: readonly Fault[]): Problem {
	const detail = errors.length === 1 ? 'One value is invalid.' : `${errors.length} values are invalid.`;
	return problem('Validation.Failed', detail, { errors });
}

export const unavailable = (detail = 'The service cannot answer at the moment. Try again.'): Problem =>
	problem('Service.Unavailable', detail);

/** More comes in than can be answered in time; nothing was done. */
export const overloaded = (): Problem =>
	problem('Service.Overloaded', 'The service has too much to do at the moment. Try again.');

/** A fixed sentence: what went wrong inside is for the log alone. */
export const internal = (): Problem => problem('Server.Error', 'Something went wrong on our side.');

/** `a/b` → `#/a~1b`: a JSON pointer to a top-level member, as a URI fragment (RFC 6901, sections 3 and 6). */
export function pointerTo(field: string): string {
	return `#/${encodeURIComponent(field.toWellFormed().replaceAll('~', '~0').replaceAll('/', '~1'))}`;
}
