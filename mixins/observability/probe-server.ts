/** A small HTTP server for the process's health and metrics; it needs no service. */
import { once } from 'node:events';
import { createServer, type IncomingMessage, type Server, type ServerResponse } from 'node:http';
import type { AddressInfo } from 'node:net';
import {
	type Answer,
	internal,
	listen,
	methodNotAllowed,
	routeNotFound,
	sendAnswer,
	sendProblem,
} from '../http/index.ts';
import { errorMessage, type Log, WaitLog } from '../runtime/index.ts';

/** Answers a GET. If it throws, the answer is 500, and only the log has the reason. */
export type ProbeRoute = () => Promise<Answer> | Answer;

const PATIENCE = 5_000;

export class ProbeServer {
	readonly #server: Server;
	readonly #routes: ReadonlyMap<string, ProbeRoute>;
	readonly #log: Log;
	readonly #failures: WaitLog;

	/** `routes`: an exact path each; `log` is told why one throws. */
	constructor(routes: ReadonlyMap<string, ProbeRoute>, log: Log) {
		this.#routes = routes;
		this.#log = log;
		this.#failures = new WaitLog(log);
		const limits = { headersTimeout: PATIENCE, requestTimeout: PATIENCE, connectionsCheckingInterval: 1_000 };
		this.#server = createServer(limits, (request, response) => void this.#answer(request, response));
	}

	/** Resolves with the URL to ask; rejects with a message of one line. Port 0 takes any free one. */
	async listen(host: string, port: number): Promise<string> {
		await listen(this.#server, { host, port }, 'METRICS_PORT cannot be listened on at');
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

	async #answer(request: IncomingMessage, response: ServerResponse): Promise<void> {
		request.resume(); // a body is not read
		const [path = ''] = (request.url ?? '').split('?');
		const route = this.#routes.get(path.replace(/\/$/, ''));
		if (route === undefined) return sendProblem(response, routeNotFound());
		if (request.method !== 'GET' && request.method !== 'HEAD')
			return sendProblem(response, methodNotAllowed('GET, HEAD'));
		try {
			sendAnswer(response, await route());
		} catch (error) {
			const line = `${path} failed: ${errorMessage(error)}`;
			if (this.#failures.isDue(line)) this.#log.error(line, error);
			sendProblem(response, internal());
		}
	}
}
