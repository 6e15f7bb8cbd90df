/** Stripe's own mock: it remembers nothing, and knows which parameters the published API takes. */
import { type ChildProcess, spawn, spawnSync } from 'node:child_process';
import { once } from 'node:events';
import { createServer } from 'node:http';
import type { AddressInfo } from 'node:net';
import { createInterface } from 'node:readline';
import { text } from 'node:stream/consumers';

const LISTENS = /^Listening for HTTP at address: (\S+)$/;

/** Where it is: `STRIPE_MOCK`, or on the path; undefined where it is not. */
export const STRIPE_MOCK = [process.env.STRIPE_MOCK, 'stripe-mock'].find(
	(path) => path !== undefined && spawnSync(path, ['-version']).status === 0,
);

export class StripeMock {
	readonly url: string;
	readonly #child: ChildProcess;

	private constructor(child: ChildProcess, url: string) {
		this.#child = child;
		this.url = url;
	}

	static async start(path: string): Promise<StripeMock> {
		const child = spawn(path, ['-http-addr', '127.0.0.1:0', '-https-addr', '127.0.0.1:0'], {
			stdio: ['ignore', 'pipe', 'ignore'],
		});
		for await (const line of createInterface({ input: child.stdout })) {
			const address = LISTENS.exec(line)?.[1];
			if (address !== undefined) return new StripeMock(child, `http://${address}`);
		}
		throw new Error('stripe-mock ended before it listened');
	}

	async stop(): Promise<void> {
		this.#child.kill();
		if (this.#child.exitCode === null && this.#child.signalCode === null) await once(this.#child, 'exit');
	}
}

export interface Passed {
	readonly request: string;
	readonly status: number;
	readonly answer: string;
}

/** Passes requests on to `target`, and keeps what was asked and answered. */
export class Recorder implements AsyncDisposable {
	readonly passed: Passed[] = [];
	readonly #server;

	constructor(target: string) {
		this.#server = createServer(async (req, res) => {
			const { method = '', url = '', headers } = req;
			const body = await text(req);
			const { host: _, 'content-length': _length, connection: _connection, ...kept } = headers;
			const response = await fetch(`${target}${url}`, {
				...{ method, headers: kept as Record<string, string> },
				body: body === '' ? null : body,
			});
			const answer = await response.text();
			this.passed.push({
				request: `${method} ${decodeURIComponent(`${url} ${body}`)}`,
				status: response.status,
				answer,
			});
			res.writeHead(response.status, { 'content-type': 'application/json' }).end(answer);
		});
	}

	async open(): Promise<number> {
		await new Promise<void>((listening) => this.#server.listen(0, '127.0.0.1', listening));
		return (this.#server.address() as AddressInfo).port;
	}

	async [Symbol.asyncDispose](): Promise<void> {
		this.#server.closeAllConnections();
		await new Promise((closed) => this.#server.close(closed));
	}
}
