/**
 * HTTP ⇄ actions: the order routes of the contract, and this process's health.
 *
 * moleculer-web resolves and calls the actions. Left to itself it is open (every action reachable, requests with OPTIONS
 * carried out, `If-None-Match: *` answered 304 after the action has run, errors sent as they are), so that everything a
 * client can see is written here and in `gateway/`.
 */
import type { IncomingMessage, ServerResponse } from 'node:http';
import type { AddressInfo } from 'node:net';
import type { Context, ServiceBroker, ServiceSchema } from 'moleculer';
import ApiGateway from 'moleculer-web';
import { NO_POLICY } from '../mixins/cluster/index.ts';
import {
	overloaded,
	type ProblemCode,
	ProblemError,
	send,
	sendAnswer,
	sendProblem,
	traceOf,
	unavailable,
} from '../mixins/http/index.ts';
import { ALIVE, gatewayNotReady, type Refusal, readinessAnswer } from '../mixins/observability/index.ts';
import type { Admission } from './gateway/admission/admission.ts';
import { forbidden } from './gateway/admission/authenticate.ts';
import { LoadLimiter } from './gateway/admission/load-limiter.ts';
import { refuseOtherSites } from './gateway/admission/origin.ts';
import { encodeResult, SUCCESS } from './gateway/http/answer.ts';
import { waitOf } from './gateway/http/conditions.ts';
import { toProblem } from './gateway/http/errors.ts';
import { paramsOf } from './gateway/http/params.ts';
import { ALIASES, isDocument, matchRoute, PATHS, splitTarget } from './gateway/http/routes.ts';
import { GatewayServer, LIMITS } from './gateway/http/server.ts';
import { OpenWaits } from './gateway/long-polls.ts';
import { Documents } from './gateway/openapi/documents.ts';
import type { Alias, Gateway, GatewayDeps, Request, RootCallOptions } from './gateway/types.ts';
import { ADMIN_SCOPE, isAdmin, type Meta } from './orders/caller.ts';
import { WAITS_OVER } from './orders/long-poll.ts';

/** The gateway that this broker runs. */
export function gatewayOf(broker: ServiceBroker): Gateway | undefined {
	return broker.getLocalService('gateway') as Gateway | undefined;
}

/** Where the gateway of this broker listens. */
export function boundAddress(broker: ServiceBroker): AddressInfo {
	return (broker.getLocalService('gateway') as Gateway).address();
}

/** The problems that a client gets for the number of requests, as the metrics call them. */
const REFUSALS: Readonly<Partial<Record<ProblemCode, Refusal>>> = {
	'RateLimit.Exceeded': 'rate_limit',
	'Service.Overloaded': 'overload',
};

const METHODS: ReadonlySet<string> = new Set(['GET', 'HEAD', 'POST']);

/** A label has few values, whatever clients send. */
const methodOf = ({ method = '' }: IncomingMessage): string => (METHODS.has(method) ? method : 'other');

/** Work on orders that exist has places of its own: a cancel that is refused now may come too late. */
const SHARE = (action: string): number => (action === 'orders.create' || action === 'orders.list' ? 0.9 : 1);

const routeOf = (admission: Admission) => ({
	path: '/',
	mappingPolicy: 'restrict',
	aliases: ALIASES,
	whitelist: Object.values(ALIASES),
	autoAliases: false,
	mergeParams: false,
	bodyParsers: false,
	authentication: false,
	authorization: false,
	etag: false,
	logging: false,
	async onBeforeCall(
		this: Gateway,
		ctx: Context<unknown, Meta>,
		_route: unknown,
		req: Request,
		res: ServerResponse,
		alias: Alias,
	) {
		// Limits are kept in the database: where it is slow, those who wait for it are bounded too.
		ctx.meta.caller = await this.load.while(() => admission.admit(req));
		const { id } = (req.$params as { params: { id: string } }).params;
		const params = await paramsOf(alias.action, req, id, req.$target.query);
		req.$params = params;
		// Only now: a client that sends its body slowly keeps nobody's place.
		if (this.load.isFull(SHARE(alias.action))) throw new ProblemError(overloaded());
		// Nobody works for a request that waits, and it is not late.
		if (!req.$wait) req.$leave = this.load.enter();
		else if (this.phase() === 'stopping') params.wait = 0;
		else ctx.meta.waitTicket = this.waits.begin(res);
	},
});

/** A call that reads has this long, beside the time that it is to wait for a change; ms. */
const READ_TIMEOUT = 10_000;

export function gatewayService(deps: GatewayDeps): ServiceSchema {
	const documents = new Documents(deps.documents ?? { auth: false });
	const schema: ServiceSchema<object, object, object, Gateway> = {
		name: 'gateway',
		mixins: [ApiGateway],
		settings: {
			server: false,
			routes: [routeOf(deps.admission)],
			logRequest: null,
			logRequestParams: null,
			logResponse: null,
			logRouteRegistration: null,
			/** Request ids from outside are not taken over: the trace's id is the request's. */
			rootCallOptions(options: RootCallOptions, { method, $trace, $wait }: Request) {
				options.requestID = $trace.id;
				options.meta = { traceparent: $trace.parent };
				// Moleculer hands what is left of it on to the action.
				if (method !== 'POST') options.timeout = ($wait ?? 0) * 1_000 + READ_TIMEOUT;
				// `drain` waits for requests under way; the broker's own wait would come before it, and costs a search each.
				options.tracking = false;
			},
		},
		actions: { rest: { tracing: false, ...NO_POLICY }, listAliases: false, addRoute: false, removeRoute: false },
		events: {
			'$broker.started'(this: Gateway) {
				this.up = true;
			},
		},
		methods: {
			address(this: Gateway) {
				return this.server.address();
			},

			phase(this: Gateway) {
				if (this.broker.stopping || this.server.draining) return 'stopping';
				if (this.broker.started) this.up = true;
				else if (this.up) return 'stopping';
				return this.up ? 'running' : 'starting';
			},

			/** Rejects, with a message of one line, if it cannot. */
			async listen(this: Gateway) {
				if (!this.server.draining) await this.server.listen(deps.host, deps.port);
			},

			/** Who waits has an answer now, and everybody else's request ends as well. */
			drain(this: Gateway) {
				const drained = this.server.drain();
				this.waits.endAll();
				return drained;
			},

			/** The way of every request: refused, answered here, or handed to moleculer-web. */
			async dispatch(this: Gateway, req: Request, res: ServerResponse) {
				const begin = performance.now();
				let route = 'none';
				req.$trace = traceOf(req.headers.traceparent);
				req.$prefix = deps.admission.prefixOf(req);
				res.setHeader('X-Request-Id', req.$trace.id);
				try {
					req.$target = splitTarget(req.url ?? '');
					const { destination, id } = matchRoute(req.method ?? '', req.$target.path);
					route = PATHS[destination];
					if (destination === 'health/live') return sendAnswer(res, ALIVE);
					const phase = this.phase();
					if (destination === 'health/ready') {
						const readiness = phase === 'running' ? await deps.health() : gatewayNotReady(phase);
						return sendAnswer(res, readinessAnswer(readiness));
					}
					deps.admission.checkHost(req, destination);
					if (destination === 'metrics') return await this.answerMetrics(req, res);
					if (phase === 'stopping') throw new ProblemError(unavailable('The service is stopping.'));
					if (this.load.isFull(SHARE(destination))) {
						deps.metrics.requestRefused('overload');
						return sendProblem(res, overloaded(), req.$trace.id, req.$prefix);
					}
					if (isDocument(destination)) {
						await this.load.while(() => deps.admission.admitUnknown(req));
						return await documents.answer(destination, id, req, res);
					}
					refuseOtherSites(req);
					if (destination === 'orders.get') req.$wait = waitOf(req.headers.prefer);
					if (req.$wait) route += ' (waiting)';
					await this.httpHandler(req, res);
				} catch (err) {
					this.errorHandler(req, res, err);
				} finally {
					const status = res.headersSent ? res.statusCode : 0;
					deps.metrics.requestAnswered(methodOf(req), route, status, performance.now() - begin);
				}
			},

			/** For whoever may see everything. */
			async answerMetrics(this: Gateway, req: Request, res: ServerResponse) {
				if (!isAdmin(await deps.admission.admit(req))) throw new ProblemError(forbidden(ADMIN_SCOPE));
				sendAnswer(res, await deps.metrics.expose());
			},

			parseQueryString(req: Request) {
				return { url: req.$target.path, query: {} };
			},

			resolveAlias(this: Gateway, path: string, method: string) {
				const { destination, id } = matchRoute(method, path);
				const alias = this.aliases.find(({ action }) => action === destination);
				return alias ? { alias, params: { id } } : false;
			},

			encodeResponse(req: Request, _res: ServerResponse, data: unknown) {
				return encodeResult(req.$alias?.action ?? '', data);
			},

			sendResponse(this: Gateway, req: Request, res: ServerResponse, data: unknown) {
				req.$leave?.();
				const { $statusCode, $location, $responseHeaders } = req.$ctx?.meta ?? {};
				const status = $statusCode ?? (req.$alias && SUCCESS[req.$alias.action]) ?? 200;
				const headers = {
					...(status === 304 ? {} : { 'Content-Type': 'application/json' }),
					...($location ? { Location: `${req.$prefix}${$location}` } : {}),
					...($responseHeaders?.ETag ? { 'Cache-Control': 'private, no-cache' } : {}),
				};
				const body = status === 304 ? null : this.encodeResponse(req, res, data);
				send(res, status, { ...headers, ...$responseHeaders }, body);
			},

			errorHandler(this: Gateway, req: Request, res: ServerResponse, err: unknown) {
				req.$leave?.();
				const problem = toProblem(err, req.method === 'GET' || req.method === 'HEAD');
				const refusal = REFUSALS[problem.code];
				if (refusal !== undefined) deps.metrics.requestRefused(refusal);
				// Nothing of the request itself: a path can hold line breaks.
				const what = `${req.$alias?.action ?? 'Request'} (${req.$trace.id})`;
				if (problem.status === 500) this.logger.error(`${what} failed:`, err);
				else if (problem.status === 503 && !(err instanceof ProblemError)) {
					this.logger.warn(`${what} unavailable:`, String(err));
				}
				const { Date: now } = req.$ctx?.meta.$responseHeaders ?? {};
				const dated = now ? { ...problem, headers: { ...problem.headers, Date: now } } : problem;
				sendProblem(res, dated, req.$trace.id, req.$prefix);
			},

			sendError(this: Gateway, req: Request, res: ServerResponse, err: unknown) {
				this.errorHandler(req, res, err);
			},
		},

		created() {
			this.up = false;
			this.waits = new OpenWaits(this.broker.instanceID, (tickets) => {
				this.broker.broadcast(WAITS_OVER, { tickets });
			});
			this.load = new LoadLimiter(deps.load);
			deps.metrics.read(
				{
					http_connections: 'Connections to the gateway that are open.',
					http_requests_at_work: 'Requests that an action works on.',
					http_requests_at_work_limit: 'How many may be; it follows how late answers are.',
				},
				() => ({
					http_connections: this.server.connections,
					http_requests_at_work: this.load.atWork,
					http_requests_at_work_limit: this.load.limit,
				}),
			);
			const answer = (req: IncomingMessage, res: ServerResponse): void => {
				// Whatever fails even while a failure is told ends this connection, and not the process.
				this.dispatch(req as Request, res).catch((error) => {
					this.logger.error('a request could not be answered:', error);
					res.destroy();
				});
			};
			this.server = new GatewayServer(answer, { ...LIMITS, ...deps.limits });
			// No alias is generated here, so there is nothing to regenerate and to announce when services come and go.
			this.regenerateAllAutoAliases = () => undefined;
			// The broker stops its services side by side: requests under way need the others until they have their answer.
			this.broker.middlewares.add({ name: 'GatewayDrain', stopping: () => this.drain() });
		},

		async started() {
			deps.admission.start();
			this.load.start();
			if (!deps.opensLater) await this.listen();
		},

		async stopped() {
			await this.drain();
			this.load.stop();
			await deps.admission.stop();
		},
	};
	return schema as unknown as ServiceSchema;
}
