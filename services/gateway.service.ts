import type { IncomingMessage, ServerResponse } from 'node:http';
import type { Context, Service } from 'moleculer';
import { overloaded, ProblemError, sendAnswer, sendProblem, unavailable } from '../mixins/http/index.ts';
import { ALIVE, gatewayNotReady, readinessAnswer } from '../mixins/observability/index.ts';
import { defineService, type WithPlatform } from '../mixins/service.ts';
import { forbidden } from './gateway/admission/authenticate.ts';
import { refuseOtherSites } from './gateway/admission/origin.ts';
import { consoleApi } from './gateway/console-api.ts';
import { waitOf } from './gateway/http/conditions.ts';
import { type Place, paramsOf } from './gateway/http/params.ts';
import { ALIASES, isConsoleCall, isDocument, METHODS, matchRoute, PATHS, splitTarget } from './gateway/http/routes.ts';
import { news } from './gateway/news.ts';
import { sandboxPages } from './gateway/sandbox-pages.ts';
import { serving, type WithServer } from './gateway/serving.ts';
import { streaming } from './gateway/streaming.ts';
import type { Alias, Request } from './gateway/types.ts';
import { web } from './gateway/web.ts';
import { ADMIN_SCOPE, isAdmin, type Meta } from './orders/caller.ts';

type Gateway = Service & WithPlatform & WithServer;

const KNOWN: ReadonlySet<string> = new Set([...METHODS, 'HEAD']);

/** Limits the label to few values, whatever clients send. */
const methodOf = ({ method = '' }: IncomingMessage): string => (KNOWN.has(method) ? method : 'other');

/** Whoever asks so every few seconds would fill the traces. */
const isProbe = ({ url = '' }: IncomingMessage): boolean => /^\/(?:health|metrics)\b/.test(url);

/**
 * A part of the places is reserved for requests about existing orders: a cancel that is refused now may come too late.
 */
const LATER: ReadonlySet<string> = new Set(['orders.create', 'orders.list', 'webhooks/stripe']);
const SHARE = (destination: string): number => (LATER.has(destination) ? 0.9 : 1);

/** The actions that clients can reach, with their paths from the table of routes. */
const ORDERS = {
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
	/** Sets the caller, reads the parameters, and takes a place in the load limit. */
	async onBeforeCall(
		this: Gateway,
		ctx: Context<unknown, Meta>,
		_route: unknown,
		req: Request,
		res: ServerResponse,
		alias: Alias,
	): Promise<void> {
		// Rate limits are in the database. If it is slow, the requests that wait for it count as work too.
		ctx.meta.caller = await this.load.while(() => this.admission.admit(req));
		if (alias.action !== 'orders.create') ctx.meta.gatewayUrl = this.admission.urlOf(req);
		const { params: place } = req.$params as unknown as { params: Place };
		const params = await paramsOf(alias.action, req, place, req.$target.query);
		req.$params = params;
		// A request takes its place only after its body was read, so slow uploads occupy no place.
		if (this.load.isFull(SHARE(alias.action))) throw new ProblemError(overloaded());
		// A long-polling request does not count as work, and its duration is not measured as latency.
		// For the same reason its span ends here.
		if (req.$wait) req.$trace.answered(PATHS[alias.action], 0);
		if (!req.$wait) req.$leave = this.load.enter();
		else if (this.phase() === 'stopping') params.wait = 0;
		else ctx.meta.waitTicket = this.waits.begin(res);
	},
};

/** HTTP ⇄ actions: the order routes of the contract, the documents, and this process's health and metrics. */
export default defineService({
	name: 'gateway',
	mixins: [news(), sandboxPages(), consoleApi(), streaming(), serving(), web()],
	settings: { routes: [ORDERS] },
	methods: {
		/** Every request comes here: it is refused, answered here, or passed on to moleculer-web. */
		async dispatch(req: Request, res: ServerResponse): Promise<void> {
			const { metrics, tracing } = this.platform;
			const begin = performance.now();
			let route = 'none';
			req.$trace = tracing.request(methodOf(req), req.headers.traceparent, isProbe(req));
			req.$prefix = this.admission.prefixOf(req);
			res.setHeader('X-Request-Id', req.$trace.id);
			try {
				req.$target = splitTarget(req.url ?? '');
				const { destination, id } = matchRoute(req.method ?? '', req.$target.path);
				route = PATHS[destination];
				if (destination === 'health/live') return sendAnswer(res, ALIVE);
				const phase = this.phase();
				if (destination === 'health/ready') {
					const ready = phase === 'running' ? await this.platform.health.readiness() : gatewayNotReady(phase);
					return sendAnswer(res, readinessAnswer(ready));
				}
				// Its signature says whose it is, whatever name or page it comes by.
				const isNews = destination === 'webhooks/stripe';
				if (!isNews) this.admission.checkHost(req, destination);
				if (destination === 'metrics') return await this.answerMetrics(req, res);
				if (phase === 'stopping') throw new ProblemError(unavailable('The service is stopping.'));
				if (this.load.isFull(SHARE(destination))) {
					metrics.requestRefused('overload');
					return sendProblem(res, overloaded(), req.$trace.id, req.$prefix);
				}
				if (isNews) return await this.takeNews(req, res);
				if (isDocument(destination)) {
					await this.load.while(() => this.admission.admitUnknown(req));
					return await this.documents.answer(destination, id, req, res);
				}
				if (destination === 'sandbox/page' || destination === 'sandbox/answer') {
					return await this.answerSandbox(id, req, res);
				}
				refuseOtherSites(req);
				if (destination === 'stream') return await this.answerStream(req, res);
				if (isConsoleCall(destination)) return await this.answerConsole(destination, req, res);
				if (destination === 'orders.get') req.$wait = waitOf(req.headers.prefer);
				if (req.$wait) route += ' (waiting)';
				await this.httpHandler(req, res);
			} catch (err) {
				this.errorHandler(req, res, err);
			} finally {
				const status = res.headersSent ? res.statusCode : 0;
				metrics.requestAnswered(methodOf(req), route, status, performance.now() - begin);
				req.$trace.answered(route, status);
			}
		},

		/** Needs the scope `orders:admin`. */
		async answerMetrics(req: Request, res: ServerResponse): Promise<void> {
			if (!isAdmin(await this.admission.admit(req))) throw new ProblemError(forbidden(ADMIN_SCOPE));
			sendAnswer(res, await this.platform.metrics.expose());
		},
	},
});
