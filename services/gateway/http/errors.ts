/**
 * Turns an error of an action or of the framework into a problem for the client. Only errors with a code of the table
 * keep their text; all others are replaced by a fixed sentence.
 */

import {
	type Fault,
	internal,
	invalid,
	isProblemCode,
	PROBLEMS,
	type Problem,
	ProblemError,
	pointerTo,
	problem,
	unavailable,
} from '../../../mixins/http/index.ts';
import { challenge } from '../admission/authenticate.ts';

/** Moleculer's errors that mean "not now" (its errors.js). */
const NOT_NOW = new Set(['BAD_GATEWAY', 'QUEUE_FULL', 'REQUEST_SKIPPED', 'SERVICE_NOT_AVAILABLE', 'SERVICE_NOT_FOUND']);

/** Moleculer's errors of a call whose answer never came; it may have been carried out by then, but never is later. */
const UNANSWERED = new Set(['REQUEST_REJECTED', 'REQUEST_TIMEOUT']);
const UNKNOWN = 'There was no answer in time, and it is not known whether the request was carried out.';

/** `fromQuery`: the parameters of the call that failed came from the query, not from a body. */
export function toProblem(err: unknown, fromQuery: boolean): Problem {
	if (err instanceof ProblemError) return err.problem;
	if (!isRecord(err) || !('type' in err)) return internal();
	const { code, message, data } = err;
	const type = String(err.type);
	if (type === 'VALIDATION_ERROR' && Array.isArray(data)) return invalid(faultsOf(data, fromQuery));
	if (UNANSWERED.has(type)) return unavailable(UNKNOWN);
	if (code === 503 || NOT_NOW.has(type)) return unavailable();
	if (!isProblemCode(type) || PROBLEMS[type].status !== code) return internal();
	const errors = isRecord(data) && Array.isArray(data.errors) ? faultsOf(data.errors, fromQuery) : [];
	return problem(type, typeof message === 'string' ? message : '', {
		...(errors.length > 0 ? { errors } : {}),
		...(code === 401 ? { headers: challenge() } : {}), // RFC 9110, section 15.5.2
	});
}

/** `[{field, message}]`: of the schema validator, or of a contract error. */
function faultsOf(errors: readonly unknown[], fromQuery: boolean): Fault[] {
	return errors.flatMap((error): Fault[] => {
		if (!isRecord(error) || typeof error.field !== 'string' || typeof error.message !== 'string') return [];
		const { field, message: detail } = error;
		return [fromQuery ? { parameter: field, detail } : { pointer: pointerTo(field), detail }];
	});
}

function isRecord(value: unknown): value is Record<string, unknown> {
	return typeof value === 'object' && value !== null;
}
