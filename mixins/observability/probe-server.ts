/** A small HTTP server of the process itself, for its health and its metrics: nobody's requests, no services needed. */
import { randomBytes } from 'node:crypto';
import { once } from 'node:events';
import { createServer, type IncomingMessage, type Server, type ServerResponse } from 'node:http';
import type { AddressInfo } from 'node:net';
import { errorMessage } from '../runtime/errors.ts';
import type { Log } from '../runtime/loop.ts';

export interface ProbeAnswer {
	readonly status: number;
	readonly type: string;
	readonly body: string;
}

/** Answers a GET; a throw is answered 500, its reason is for the log alone. */
export type ProbeRoute = () => Promise<ProbeAnswer> | ProbeAnswer;

const PATIENCE = 5_000;

export class ProbeServer {
	readonly #server: Server;

	/** what was told last of each path whose route throws */
	readonly #told = new Map<string, string>();

	/** `routes`: an exact path each; `log` is told why one throws. */
	constructor(routes: ReadonlyMap<string, ProbeRoute>, log?: Log) {
		const limits = { headersTimeout: PATIENCE, requestTimeout: PATIENCE, connectionsCheckingInterval: 1_000 };
		const failed = (path: string, error: unknown): void => {
			const reason = errorMessage(error);
			if (this.#told.get(path) !== reason) log?.error(`${path} failed: ${reason}`, error);
			this.#told.set(path, reason);
		};
		this.#server = createServer(limits, (request, response) => void answer({ routes, failed }, request, response));
	}

	/** Resolves with the URL to ask; rejects with a message of one line. Port 0 takes any free one. */
	async listen(host: string, port: number): Promise<string> {
		try {
			this.#server.listen(port, host);
			await once(this.#server, 'listening');
		} catch (error) {
			const { code = String(error) } = error as NodeJS.ErrnoException;
			const why = code === 'EADDRINUSE' ? 'the port is in use' : code;
			throw new Error(`METRICS_PORT cannot be listened on at ${host}:${port}: ${why}`);
		}
		const { address, port: bound, family } = this.#server.address() as AddressInfo;
		return `http://${family === 'IPv6' ? `[${address}]` : address}:${bound}`;
	}

	async close(): Promise<void> {
		if (!this.#server.listening) return;
		const closed = once(this.#server, 'close');
		this.#server.close();
		this.#server.closeAllConnections();
		await closed;
	}
}

interface Routing {
	readonly routes: ReadonlyMap<string, ProbeRoute>;
	/** called with the error of a route that threw */
	readonly failed: (path: string, error: unknown) => void;
}

async function answer(routing: Routing, request: IncomingMessage, response: ServerResponse): Promise<void> {
	request.resume(); // whatever came along is not read
	const traceId = randomBytes(16).toString('hex');
	const { status, type, body } = await answerTo(routing, request, traceId);
	const headers = { 'Content-Type': type, 'Content-Length': Buffer.byteLength(body), 'Cache-Control': 'no-store' };
	const more = status === 405 ? { Allow: 'GET, HEAD' } : status === 503 ? { 'Retry-After': '1' } : {};
	response.writeHead(status, { ...headers, ...more });
	response.end(request.method === 'HEAD' ? undefined : body);
}

async function answerTo({ routes, failed }: Routing, request: IncomingMessage, traceId: string): Promise<ProbeAnswer> {
	const [path = ''] = (request.url ?? '').split('?');
	const route = routes.get(path.replace(/\/$/, ''));
	if (route === undefined) return problem(NOT_FOUND, traceId);
	if (request.method !== 'GET' && request.method !== 'HEAD') return problem(NOT_ALLOWED, traceId);
	try {
		return await route();
	} catch (error) {
		failed(path, error);
		return problem(FAILED, traceId);
	}
}

/** Word for word those of the gateway, whose table is a floor above. */
const NOT_FOUND = {
	type: '/problems/route.not-found',
	title: 'Route not found',
	status: 404,
	detail: 'There is nothing at this path.',
	code: 'Route.NotFound',
};
const NOT_ALLOWED = {
	type: '/problems/route.method-not-allowed',
	title: 'Method not allowed',
	status: 405,
	detail: 'This path knows only GET, HEAD.',
	code: 'Route.MethodNotAllowed',
};
const FAILED = {
	type: '/problems/server.error',
	title: 'Internal error',
	status: 500,
	detail: 'Something went wrong on our side.',
	code: 'Server.Error',
};

function problem(kind: { readonly status: number }, traceId: string): ProbeAnswer {
	const body = JSON.stringify({ ...kind, traceId });
	return { status: kind.status, type: 'application/problem+json', body };
}
