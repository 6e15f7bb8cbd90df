/**
 * Node's HTTP server: listening, limits, malformed requests, and a stop that answers every request. moleculer-web's own
 * server is not used, because it ends the process when the port is in use.
 */
import { createServer, type IncomingMessage, type Server, type ServerResponse } from 'node:http';
import type { AddressInfo } from 'node:net';
import type { Duplex } from 'node:stream';
import {
	listen,
	malformed,
	overloaded,
	type Problem,
	problem,
	rawAnswer,
	sendProblem,
	traceOf,
} from '../../../mixins/http/index.ts';
import { endedWithin } from '../../../mixins/runtime/index.ts';
import { hasBody } from './body.ts';
import { framingFault } from './framing.ts';

export interface Limits {
	/** For the header of a request, in ms; a connection that sends nothing ends after the same time. */
	readonly headersTimeout: number;
	/** For a whole request with its body. */
	readonly requestTimeout: number;
	/** For an idle connection; longer than the usual 60 s of a proxy, so that the proxy closes first. */
	readonly keepAliveTimeout: number;
	/** For a connection on which neither side sends anything; longer than any answer takes. */
	readonly silenceTimeout: number;
	/** For requests under way when the stop begins. */
	readonly stopTimeout: number;
	/** The most connections at once. For a new one, the gateway closes the one that has waited longest for its client. */
	readonly connections: number;
	/** The most requests of one connection that wait for their turn. What comes after them is not answered. */
	readonly pipelined: number;
}

export const LIMITS: Limits = {
	headersTimeout: 10_000,
	requestTimeout: 15_000,
	keepAliveTimeout: 65_000,
	silenceTimeout: 60_000,
	stopTimeout: 7_000,
	connections: 15_000,
	pipelined: 100,
};

/**
 * The queue of connections to be accepted. Node's default of 511 overflows when many come at once, and the others get
 * no answer for seconds.
 */
const BACKLOG = 4_096;
/** How long a refused connection may take to read its answer. */
const LINGER = 1_000;

export type Handler = (req: IncomingMessage, res: ServerResponse) => void;

export class GatewayServer {
	readonly #server: Server;
	readonly #limits: Limits;
	readonly #sockets = new Set<Duplex & { readonly bytesRead: number }>();
	/**
	 * Connections that wait for their client: for a request, for its rest, or for an answer to be read. The one that has
	 * waited longest comes first.
	 */
	readonly #waiting = new Set<Duplex>();
	/** The latest response of each connection. */
	readonly #latest = new WeakMap<Duplex, ServerResponse>();
	/** How many requests of a connection wait for their turn, where any do. */
	readonly #pipelined = new WeakMap<Duplex, number>();
	readonly #refused = new WeakSet<Duplex>();
	#leaving = false;
	#drained: Promise<void> | undefined;

	constructor(handler: Handler, limits: Limits) {
		this.#limits = limits;
		const { headersTimeout, requestTimeout, keepAliveTimeout } = limits;
		const options = { headersTimeout, requestTimeout, keepAliveTimeout, connectionsCheckingInterval: 500 };
		// Node would answer a missing Host with an empty 400; the handler does it with a problem.
		this.#server = createServer({ ...options, requireHostHeader: false }, (req, res) => {
			if (this.#refused.has(req.socket)) return;
			this.#inTurn(req.socket, res, () => {
				if (this.#leaving) this.#endWith(req.socket);
				this.#follow(req, res);
				const fault = framingFault(req);
				if (fault === undefined) return handler(req, res);
				res.shouldKeepAlive = false;
				sendProblem(res, malformed(fault));
			});
		});
		this.#server.setTimeout(limits.silenceTimeout);
		this.#server.on('connection', (socket) => {
			if (this.#sockets.size >= limits.connections && !this.#makeRoom()) this.#refuse(socket, overloaded());
			this.#sockets.add(socket);
			this.#waiting.add(socket);
			socket.once('close', () => {
				this.#sockets.delete(socket);
				this.#waiting.delete(socket);
			});
		});
		this.#server.on('clientError', (err: NodeJS.ErrnoException, socket) => this.#unreadable(err.code, socket));
		this.#server.on('connect', (_req, socket) => this.#refuse(socket, malformed('This is not a proxy.')));
		this.#server.on('checkExpectation', (_req, res) => sendProblem(res, UNEXPECTED));
	}

	/** Rejects with a message of one line. */
	listen(host: string, port: number): Promise<void> {
		return listen(this.#server, { port, host, backlog: BACKLOG }, 'The gateway cannot listen on');
	}

	/** Where it listens, for `port: 0` above all. */
	address(): AddressInfo {
		const address = this.#server.address();
		if (address === null || typeof address === 'string') throw new Error('The gateway does not listen.');
		return address;
	}

	get listening(): boolean {
		return this.#server.listening;
	}

	/** How many are open now. */
	get connections(): number {
		return this.#sockets.size;
	}

	get draining(): boolean {
		return this.#drained !== undefined;
	}

	/** It still serves, but ends each connection after its answers, so that clients and balancers go elsewhere. */
	leave(): void {
		this.#leaving = true;
		for (const socket of this.#sockets) this.#endWith(socket);
	}

	/** Ends a connection after the last answer that it waits for. */
	#endWith(socket: Duplex): void {
		const latest = this.#latest.get(socket);
		if (latest !== undefined && !latest.headersSent) latest.shouldKeepAlive = false;
	}

	/** Accepts no more, lets the requests under way end, and closes what is left when their time is up. */
	drain(): Promise<void> {
		this.#drained ??= this.#drain();
		return this.#drained;
	}

	async #drain(): Promise<void> {
		this.leave();
		if (!this.#server.listening) return;
		// Closes idle connections as well; but for Node a connection that never sent anything is not idle.
		const closed = new Promise<void>((resolve) => this.#server.close(() => resolve()));
		for (const socket of this.#sockets) if (socket.bytesRead === 0) socket.destroy();
		if (!(await endedWithin(closed, this.#limits.stopTimeout))) this.#server.closeAllConnections();
		await closed;
	}

	/**
	 * Requests of one connection are worked on one after the other (RFC 9112, section 9.3.2, allows it). Node would begin
	 * with all that come in one packet, a thousand and more, and keep their answers until the client reads them. Waiting
	 * requests take memory too, so a connection that sends too many ends after the answers to those it may send.
	 */
	#inTurn(socket: Duplex, res: ServerResponse, begin: () => void): void {
		const before = this.#latest.get(socket);
		this.#latest.set(socket, res);
		if (before === undefined) {
			begin();
			return;
		}
		// After an answer that ends the connection, no further request is begun: its answer could not be sent.
		const next = (): void => {
			if (before.shouldKeepAlive && !socket.destroyed) begin();
			else res.shouldKeepAlive = false;
		};
		if (before.closed) {
			next();
			return;
		}
		const waiting = (this.#pipelined.get(socket) ?? 0) + 1;
		this.#pipelined.set(socket, waiting);
		if (waiting >= this.#limits.pipelined) {
			this.#refused.add(socket);
			res.shouldKeepAlive = false;
			// Later, since Node goes on reading at the end of each request in the packet.
			setImmediate(() => socket.pause());
		}
		before.once('close', () => {
			this.#pipelined.set(socket, (this.#pipelined.get(socket) ?? 1) - 1);
			next();
		});
	}

	/** A connection counts as busy from the arrival of its request until its answer was handed to the kernel. */
	#follow(req: IncomingMessage, res: ServerResponse): void {
		const { socket } = req;
		const begins = (): void => {
			if (!res.writableEnded) this.#waiting.delete(socket);
		};
		if (hasBody(req)) req.once('end', begins);
		else begins();
		res.once('prefinish', () => {
			this.#waiting.delete(socket);
			if (!socket.destroyed) this.#waiting.add(socket);
		});
	}

	#makeRoom(): boolean {
		for (const socket of this.#waiting) {
			this.#waiting.delete(socket);
			socket.destroy();
			return true;
		}
		return false;
	}

	/** Node gave up on what a connection sent. */
	#unreadable(code: string | undefined, socket: Duplex): void {
		if (this.#refused.has(socket)) return;
		const latest = this.#latest.get(socket);
		const answered = latest?.headersSent && !latest.req.complete;
		// It ends with the answer that it has already.
		if (latest?.headersSent && latest.req.complete && !latest.shouldKeepAlive) return;
		if (code === 'ECONNRESET' || !socket.writable || answered) {
			socket.destroy();
		} else if (latest && !latest.headersSent && latest.req.complete) {
			// Pipelined behind a request still at work: that one gets its answer, and the connection ends with it.
			latest.shouldKeepAlive = false;
		} else {
			this.#refuse(socket, UNREADABLE[code ?? ''] ?? malformed('This is not a valid HTTP request.'));
		}
	}

	#refuse(socket: Duplex, refusal: Problem): void {
		this.#refused.add(socket);
		socket.end(rawAnswer(refusal, traceOf(undefined).id));
		// Not at once: a reset would overtake the answer.
		const timer = setTimeout(() => socket.destroy(), LINGER);
		socket.once('close', () => clearTimeout(timer));
	}
}

const UNEXPECTED = problem('Request.ExpectationFailed', 'The only expectation that is understood is 100-continue.');

/** By what Node says of a request that it could not read. */
const UNREADABLE: Readonly<Record<string, Problem>> = {
	HPE_HEADER_OVERFLOW: problem('Request.HeadersTooLarge', 'The header fields are too large.'),
	HPE_CHUNK_EXTENSIONS_OVERFLOW: problem('Request.TooLarge', 'The chunk extensions are too large.'),
	ERR_HTTP_REQUEST_TIMEOUT: problem('Request.Timeout', 'The request did not arrive in time.'),
};
