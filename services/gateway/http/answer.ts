/** Writes answers: exact JSON for what actions return, problem details for errors. */
import type { OutgoingHttpHeaders, ServerResponse } from 'node:http';
import { SECURITY_HEADERS } from '../../../mixins/http/headers.ts';
import { encodeProblem, PROBLEM_TYPE, type Problem } from '../../../mixins/http/problem.ts';
import { traceOf } from '../../../mixins/http/trace.ts';
import type { OrderAction } from './routes.ts';

/** TypeScript's library does not know `JSON.rawJSON` (ECMAScript 2026) yet; Node 24 does. */
const { rawJSON } = JSON as typeof JSON & { rawJSON(text: string): unknown };

/** The status of a success, unless the action says otherwise with `$statusCode`. */
export const SUCCESS: Readonly<Record<OrderAction, number>> = {
	'orders.create': 201,
	'orders.list': 200,
	'orders.get': 200,
	'orders.history': 200,
	'orders.cancel': 202,
	'orders.hold': 200,
	'orders.resume': 200,
};

/** An action's result as JSON text: the amounts of orders are numbers with exactly the digits of their strings. */
export function encodeResult(action: string, result: unknown): string {
	if (action === 'orders.history') return JSON.stringify(result);
	if (action !== 'orders.list') return JSON.stringify(exact(result));
	const page = result as { readonly data: readonly unknown[] };
	return JSON.stringify({ ...page, data: page.data.map(exact) });
}

function exact(order: unknown): unknown {
	const dto = order as { readonly amount: string };
	return { ...dto, amount: rawJSON(dto.amount) };
}

/**
 * Ends a response, once. A body for HEAD is measured and not sent (RFC 9110, section 9.3.2); 304 has none at all. What
 * `headers` say overrides the security headers.
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

export function sendProblem(
	res: ServerResponse,
	problem: Problem,
	traceId = traceOf(res.req.headers.traceparent).id,
	prefix = '',
): void {
	const headers = { 'X-Request-Id': traceId, ...problem.headers, 'Content-Type': PROBLEM_TYPE };
	send(res, problem.status, headers, encodeProblem(problem, traceId, prefix));
}
