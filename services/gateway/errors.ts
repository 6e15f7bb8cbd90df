/**
 * From whatever an action or the framework threw to the problem that may leave: only errors with one of the contract's
 * codes speak for themselves, all others are replaced by a fixed sentence.
 */
import { challenge } from './authenticate.ts';
import { type Fault, internal, invalid, type Problem, ProblemError, pointerTo, unavailable } from './problem.ts';

/** The call that failed, as far as its faults need it to be named. */
export interface FailedCall {
	/** Parameters came from the query, not from a body. */
	readonly fromQuery: boolean;
	readonly params: unknown;
}

interface Thrown {
	readonly code: unknown;
	readonly type: unknown;
	readonly message: unknown;
	readonly data?: unknown;
}

/** Moleculer's own ways of saying "not now" (its errors.js). */
const NOT_NOW = new Set([
	'BAD_GATEWAY',
	'QUEUE_FULL',
	'REQUEST_REJECTED',
	'REQUEST_SKIPPED',
	'REQUEST_TIMEOUT',
	'SERVICE_NOT_AVAILABLE',
	'SERVICE_NOT_FOUND',
]);

/** What has to stand beside some statuses (RFC 9110, sections 10.2.3 and 15.5.2). */
const HEADERS: Readonly<Record<number, Readonly<Record<string, string>>>> = {
	401: challenge(),
	429: { 'Retry-After': '1' },
};

const CONTRACT_CODE = /^[A-Z][A-Za-z]+\.[A-Z][A-Za-z]+$/;

export function toProblem(err: unknown, call: FailedCall): Problem {
	if (err instanceof ProblemError) return err.problem;
	if (!isThrown(err)) return internal();
	const { code, type, message, data } = err;
	if (type === 'VALIDATION_ERROR' && Array.isArray(data))
		return invalid(data.flatMap((fault) => schemaFaults(fault, call)));
	if (code === 503 || (typeof type === 'string' && NOT_NOW.has(type))) return unavailable();
	if (typeof type !== 'string' || !CONTRACT_CODE.test(type)) return internal();
	if (typeof code !== 'number' || code < 400 || code > 499) return internal();
	const problem = {
		status: code,
		code: type,
		detail: typeof message === 'string' ? message : '',
		...(HEADERS[code] === undefined ? {} : { headers: HEADERS[code] }),
	};
	const faults = domainFaults(data, call);
	return faults.length > 0 ? { ...problem, errors: faults } : problem;
}

function isThrown(err: unknown): err is Thrown {
	return typeof err === 'object' && err !== null && 'code' in err && 'type' in err && 'message' in err;
}

function fault(field: string, detail: string, call: FailedCall): Fault {
	return call.fromQuery ? { parameter: field, detail } : { pointer: pointerTo(field), detail };
}

/** One of fastest-validator's errors; `$$strict` reports all unknown names in one of them, without a field. */
function schemaFaults(error: unknown, call: FailedCall): Fault[] {
	if (!isRecord(error)) return [];
	const { field, message, type, expected } = error;
	if (type === 'objectStrict' && typeof expected === 'string' && isRecord(call.params)) {
		const known = new Set(expected.split(', '));
		const unknown = Object.keys(call.params).filter((name) => !known.has(name));
		return unknown.map((name) => fault(name, 'Unknown field.', call));
	}
	if (typeof field !== 'string' || typeof message !== 'string') return [];
	return [fault(field, message, call)];
}

/** `data.errors` of a contract error: `[{field, message}]`. */
function domainFaults(data: unknown, call: FailedCall): Fault[] {
	if (!isRecord(data) || !Array.isArray(data.errors)) return [];
	return data.errors.flatMap((error: unknown) =>
		isRecord(error) && typeof error.field === 'string' && typeof error.message === 'string'
			? [fault(error.field, error.message, call)]
			: [],
	);
}

function isRecord(value: unknown): value is Record<string, unknown> {
	return typeof value === 'object' && value !== null;
}
