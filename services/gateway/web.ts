/**
 * moleculer-web, which makes the contexts and calls the actions. Left to itself it is open (every action reachable,
 * requests with OPTIONS carried out, `If-None-Match: *` answered 304 after the action has run, errors sent as they are),
 * so that everything a client can see is written here and beside.
 */
import type { ServerResponse } from 'node:http';
import ApiGateway from 'moleculer-web';
import { NO_POLICY } from '../../mixins/cluster/index.ts';
import { type ProblemCode, ProblemError, send, sendProblem } from '../../mixins/http/index.ts';
import type { Refusal } from '../../mixins/observability/index.ts';
import { defineMixin, type Mixin } from '../../mixins/service.ts';
import { encodeResult } from './http/answer.ts';
import { toProblem } from './http/errors.ts';
import { matchRoute } from './http/routes.ts';
import { dateOf, representationOf } from './representation.ts';
import type { ApiGatewayParts, Request, RootCallOptions } from './types.ts';

/** The problems that a client gets for the number of requests, as the metrics call them. */
const REFUSALS: Readonly<Partial<Record<ProblemCode, Refusal>>> = {
	'RateLimit.Exceeded': 'rate_limit',
	'Service.Overloaded': 'overload',
};

/** The time limit of a read, in ms, in addition to the time that it waits for a change. */
const READ_TIMEOUT = 10_000;

export interface WithWeb {
	httpHandler(req: Request, res: ServerResponse): Promise<void>;
	errorHandler(req: Request, res: ServerResponse, err: unknown): void;
}

const SETTINGS = {
	server: false,
	logRequest: null,
	logRequestParams: null,
	logResponse: null,
	logRouteRegistration: null,
	/** Request ids from clients are ignored; the trace's id is the request's id. */
	rootCallOptions(options: RootCallOptions, { method, $trace, $wait }: Request) {
		options.requestID = $trace.id;
		options.meta = { traceparent: $trace.parent };
		// Moleculer hands what is left of it on to the action.
		if (method === 'GET' || method === 'HEAD') options.timeout = ($wait ?? 0) * 1_000 + READ_TIMEOUT;
		// `drain` waits for requests in progress. Moleculer's own tracking would wait before that, and costs a search for
		// each request.
		options.tracking = false;
	},
};

/** Calls actions for requests that are let in, and writes their answers. */
export const web = (): Mixin<WithWeb> =>
	defineMixin<WithWeb, object, ApiGatewayParts>({
		mixins: [ApiGateway],
		settings: SETTINGS,
		actions: { rest: { tracing: false, ...NO_POLICY }, listAliases: false, addRoute: false, removeRoute: false },
		methods: {
			parseQueryString(req: Request): object {
				return { url: req.$target.path, query: {} };
			},

			resolveAlias(path: string, method: string): object | false {
				const { destination, id, eventId } = matchRoute(method, path);
				const alias = this.aliases.find(({ action }) => action === destination);
				return alias ? { alias, params: { id, eventId } } : false;
			},

			sendResponse(req: Request, res: ServerResponse, data: unknown): void {
				req.$leave?.();
				const action = req.$alias?.action ?? 'orders.get';
				const asked = { known: req.$params.known as string[] | undefined, prefix: req.$prefix };
				const { status, headers } = representationOf(action, data, req.$ctx?.meta ?? {}, asked);
				send(res, status, headers, status === 304 || status === 204 ? null : encodeResult(action, data));
			},

			errorHandler(req: Request, res: ServerResponse, err: unknown): void {
				req.$leave?.();
				const problem = toProblem(err, req.method === 'GET' || req.method === 'HEAD');
				const refusal = REFUSALS[problem.code];
				if (refusal !== undefined) this.platform.metrics.requestRefused(refusal);
				// Nothing of the request itself: a path can hold line breaks.
				const what = `${req.$alias?.action ?? 'Request'} (${req.$trace.id})`;
				if (problem.status === 500) this.logger.error(`${what} failed:`, err);
				else if (problem.status === 503 && !(err instanceof ProblemError)) {
					this.logger.warn(`${what} unavailable:`, String(err));
				}
				const headers = { ...problem.headers, ...dateOf(req.$ctx?.meta ?? {}) };
				sendProblem(res, { ...problem, headers }, req.$trace.id, req.$prefix);
			},

			sendError(req: Request, res: ServerResponse, err: unknown): void {
				this.errorHandler(req, res, err);
			},
		},
		created() {
			// No alias is generated here, so there is nothing to regenerate and to announce when services come and go.
			this.regenerateAllAutoAliases = () => undefined;
		},
	});
