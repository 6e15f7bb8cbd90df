/** Ends responses: with the security headers, and with problem details for errors. */
import type { OutgoingHttpHeaders, ServerResponse } from 'node:http';
import { SECURITY_HEADERS } from './headers.ts';
import { encodeProblem, PROBLEM_TYPE, type Problem } from './problem.ts';
import { traceOf } from './trace.ts';

/** The answers of routes without an action: health, metrics. */
export interface Answer {
	readonly status: number;
	readonly type: string;
	readonly body: string;
}

/**
 * Ends a response, once. For HEAD only the body's length is sent (RFC 9110, section 9.3.2); 304 has none. `headers`
 * override the security headers.
 */
export function send(
	res: ServerResponse,
	status: number,
	headers: OutgoingHttpHeaders,
	body: string | Uint8Array | null,
): void {
	if (res.headersSent || res.destroyed) return;
	const length = body === null ? {} : { 'Content-Length': Buffer.byteLength(body) };
	res.writeHead(status, { ...SECURITY_HEADERS, ...headers, ...length });
	if (body === null || res.req.method === 'HEAD') res.end();
	else res.end(body);
}

export function sendAnswer(res: ServerResponse, { status, type, body }: Answer): void {
	send(res, status, { 'Content-Type': type, ...(status === 503 ? { 'Retry-After': '1' } : {}) }, body);
}

export function sendProblem(
	res: ServerResponse,
	problem: Problem,
	traceId = traceOf(res.req.headers.traceparent).id,
	prefix = '',
): void {
	const headers = { 'X-Request-Id': traceId, ...problem.headers, 'Content-Type': PROBLEM_TYPE };
	send(res, problem.status, headers, encodeProblem(problem, traceId, prefix));
}
