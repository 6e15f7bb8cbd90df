/** What the gateway is made of, and what it hangs on a request. */
import type { IncomingMessage, ServerResponse } from 'node:http';
import type { AddressInfo } from 'node:net';
import type { Context, Service } from 'moleculer';
import type { Trace } from '../../mixins/http/index.ts';
import type { Metrics, Readiness } from '../../mixins/observability/index.ts';
import type { Meta } from '../orders/caller.ts';
import type { Admission } from './admission/admission.ts';
import type { LoadLimiter, LoadLimits } from './admission/load-limiter.ts';
import type { OrderAction, Target } from './http/routes.ts';
import type { GatewayServer, Limits } from './http/server.ts';
import type { OpenWaits } from './long-polls.ts';
import type { DocumentOptions } from './openapi/document.ts';

export interface GatewayDeps {
	readonly host: string;
	/** With 0 the system chooses one; `boundAddress` of the gateway's service tells which. */
	readonly port: number;
	/** It does not listen before it is told to, by `listen`. */
	readonly opensLater?: boolean;
	/** Who is let in. */
	readonly admission: Admission;
	readonly metrics: Metrics;
	/** Whether the process is ready, and what is missing; it always resolves, in a few seconds at most. */
	health(): Promise<Readiness>;
	/** What the documentation says of this installation. */
	readonly documents?: DocumentOptions;
	/** Other than `LIMITS`; for tests. */
	readonly limits?: Partial<Limits>;
	/** Other than `LOAD_LIMITS`; for tests. */
	readonly load?: LoadLimits;
}

export interface Alias {
	readonly action: OrderAction;
}

/** What moleculer-web and this service hang on a request. */
export interface Request extends IncomingMessage {
	$trace: Trace;
	$target: Target;
	/** the path below which the client sees the gateway; empty where nobody says so */
	$prefix: string;
	/** seconds that this request is ready to wait */
	$wait: number | undefined;
	$params: unknown;
	$ctx?: Context<unknown, Meta>;
	$alias?: Alias;
	/** gives back the place that it has among the requests at work */
	$leave?: () => void;
}

export interface RootCallOptions {
	requestID?: string;
	meta?: Meta;
	tracking?: boolean;
	timeout?: number;
}

/** What `this` is in the gateway's methods, beside what moleculer-web has. */
export interface Gateway extends Service {
	server: GatewayServer;
	waits: OpenWaits;
	load: LoadLimiter;
	/** The broker has been seen running: from then on "not started" means "stopping". */
	up: boolean;
	aliases: Alias[];
	regenerateAllAutoAliases: () => void;
	httpHandler(req: IncomingMessage, res: ServerResponse): Promise<void>;
	dispatch(req: Request, res: ServerResponse): Promise<void>;
	answerMetrics(req: Request, res: ServerResponse): Promise<void>;
	listen(): Promise<void>;
	drain(): Promise<void>;
	phase(): 'starting' | 'running' | 'stopping';
	errorHandler(req: Request, res: ServerResponse, err: unknown): void;
	encodeResponse(req: Request, res: ServerResponse, data: unknown): string;
	address(): AddressInfo;
}
