/** The HTTP server of the gateway, and its state about requests in progress. */
import type { IncomingMessage, ServerResponse } from 'node:http';
import type { AddressInfo } from 'node:net';
import type { ServiceBroker } from 'moleculer';
import { urlOf } from '../../mixins/http/index.ts';
import type { Entrance } from '../../mixins/platform.ts';
import { defineMixin, type Mixin } from '../../mixins/service.ts';
import { formatDuration } from '../../mixins/settings/index.ts';
import { WAITS_OVER } from '../orders/long-poll.ts';
import { Admission } from './admission/admission.ts';
import { LoadLimiter, type LoadLimits } from './admission/load-limiter.ts';
import { GatewayServer, LIMITS, type Limits } from './http/server.ts';
import { OpenWaits } from './long-polls.ts';
import { Documents } from './openapi/documents.ts';
import { listenWhenReady } from './opening.ts';
import type { Streams } from './stream/streams.ts';
import type { Request } from './types.ts';

/** Settings of the service that tests change. */
interface GatewaySettings {
	readonly limits?: Partial<Limits>;
	readonly load?: LoadLimits;
}

export interface WithServer {
	server: GatewayServer;
	/** decides which requests are let in */
	admission: Admission;
	documents: Documents;
	waits: OpenWaits;
	load: LoadLimiter;
	entrance: Entrance;
	/** The broker has been seen running: from then on "not started" means "stopping". */
	up: boolean;
	address(): AddressInfo;
	phase(): 'starting' | 'running' | 'stopping';
	/** Rejects, with a message of one line, if it cannot. */
	listen(): Promise<void>;
	/** Ends streams, and long polls with an answer; then waits for the other requests. */
	drain(): Promise<void>;
}

const FIGURES = {
	http_connections: 'Connections to the gateway that are open.',
	http_requests_at_work: 'Requests that an action works on.',
	http_requests_at_work_limit: 'How many may be; it follows how late answers are.',
};

interface Dispatching {
	dispatch(req: IncomingMessage, res: ServerResponse): Promise<void>;
}

/** Listens once the process is ready, and lets the service's `dispatch` answer every request. */
export const serving = (): Mixin<WithServer, { dispatch(req: Request, res: ServerResponse): Promise<void> }> =>
	defineMixin<WithServer, Dispatching, { streams: Streams }>({
		events: {
			'$broker.started'() {
				this.up = true;
			},
		},
		methods: {
			address(): AddressInfo {
				return this.server.address();
			},
			phase(): 'starting' | 'running' | 'stopping' {
				if (this.broker.stopping || this.server.draining) return 'stopping';
				if (this.broker.started) this.up = true;
				else if (this.up) return 'stopping';
				return this.up ? 'running' : 'starting';
			},
			async listen(): Promise<void> {
				const { host, port } = this.platform.settings.http;
				if (!this.server.draining) await this.server.listen(host, port);
			},
			drain(): Promise<void> {
				const drained = this.server.drain();
				this.waits.endAll();
				this.streams.endAll();
				return drained;
			},
		},
		created() {
			const { broker, logger, platform, settings } = this;
			const { access, http } = platform.settings;
			const { limits, load } = settings as GatewaySettings;
			this.up = false;
			this.admission = new Admission(access, platform.database, logger);
			const { defaultCurrency, paymentProvider, cancellationWindow } = platform.settings;
			const auth = access.auth.kind === 'jwt';
			const window = formatDuration(cancellationWindow);
			this.documents = new Documents({ auth }, { auth, provider: paymentProvider, currency: defaultCurrency, window });
			this.waits = new OpenWaits(broker.instanceID, (tickets) => void broker.broadcast(WAITS_OVER, { tickets }));
			this.load = new LoadLimiter(load);
			const answer = (req: IncomingMessage, res: ServerResponse): void => {
				// If even the error's answer fails, only this connection ends, not the process.
				this.dispatch(req, res).catch((error) => {
					logger.error('a request could not be answered:', error);
					res.destroy();
				});
			};
			const server = new GatewayServer(answer, { ...LIMITS, ...limits });
			this.server = server;
			const look = () => platform.health.readiness();
			this.entrance = {
				open: (opened, signal) => listenWhenReady(this, { opened, look, log: logger, signal }),
				leave: () => server.leave(),
				get url() {
					return server.listening ? urlOf(http.host, server.address().port) : undefined;
				},
			};
			platform.entrances.add(this.entrance);
			platform.metrics.read(FIGURES, () => ({
				http_connections: this.server.connections,
				http_requests_at_work: this.load.atWork,
				http_requests_at_work_limit: this.load.limit,
			}));
			platform.health.register('tokens', () => this.admission.waitsFor);
			platform.health.register('orders', () =>
				serves(broker, 'orders.create') ? undefined : 'the orders service is not there',
			);
		},
		async started() {
			this.admission.start();
			this.load.start();
			// A gateway that is created later opens at once.
			if (this.broker.started) await this.listen();
		},
		async stopped() {
			await this.drain();
			this.load.stop();
			await this.admission.stop();
			this.platform.entrances.delete(this.entrance);
		},
	}) as Mixin<WithServer, { dispatch(req: Request, res: ServerResponse): Promise<void> }>;

const serves = (broker: ServiceBroker, action: string): boolean =>
	broker.registry.getActionEndpoints(action)?.hasAvailable() === true;
