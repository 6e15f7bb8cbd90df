/** A shop's server that is told of events: one of each temper, by its path. */
import { once } from 'node:events';
import { createServer, type IncomingMessage, type Server, type ServerResponse } from 'node:http';
import type { AddressInfo } from 'node:net';

/** One request, as it came. */
export interface Heard {
	readonly path: string;
	readonly id: string;
	readonly headers: Readonly<Record<string, string>>;
	readonly body: string;
	/** by this machine's clock */
	readonly at: number;
	/** as it was answered; 0 while it is not */
	readonly status: number;
}

type Temper = (res: ServerResponse, id: string) => void;

const answer =
	(status: number, headers: Readonly<Record<string, string>> = {}): Temper =>
	(res) =>
		void res.writeHead(status, headers).end();

export class Receiver {
	readonly heard: Heard[] = [];
	/** ids whose first request of each path is answered 503 */
	failsFirst = (_id: string): boolean => false;
	/** how many requests of each path were under way at once, at most */
	readonly most = new Map<string, number>();
	readonly #underWay = new Map<string, number>();
	readonly #server: Server;
	readonly #tempers = new Map<string, Temper>([
		['good', answer(204)],
		['gone', answer(410)],
		['failing', answer(500)],
		['redirecting', answer(307, { location: '/good' })],
		['hanging', () => {}],
		['slow', (res) => void setTimeout(() => res.writeHead(200).end('late'), 1_500)],
		['streaming', (res) => stream(res.writeHead(200), 'x'.repeat(16_384), 1)],
		['trickling', (res) => stream(res.writeHead(200), '.', 100)],
		['huge', (res) => void res.writeHead(200, { 'x-huge': 'x'.repeat(64_000) }).end()],
		['rubbish', (res) => void res.socket?.end('hello\r\n\r\n')],
		['broken', (res) => void res.socket?.destroy()],
	]);

	private constructor(server: Server) {
		this.#server = server;
		server.on('request', (req, res) => this.#take(req, res));
	}

	static async open(port = 0): Promise<Receiver> {
		const server = createServer();
		server.listen(port, '127.0.0.1');
		await once(server, 'listening');
		return new Receiver(server);
	}

	get port(): number {
		return (this.#server.address() as AddressInfo).port;
	}

	url(temper: string): string {
		return `http://127.0.0.1:${this.port}/${temper}`;
	}

	/** What came to this path. */
	at(path: string): Heard[] {
		return this.heard.filter((one) => one.path === path);
	}

	/** From now on this path is answered so. */
	become(path: string, status: number): void {
		this.#tempers.set(path, answer(status));
	}

	async close(): Promise<void> {
		this.#server.closeAllConnections();
		this.#server.close();
		await once(this.#server, 'close');
	}

	#take(req: IncomingMessage, res: ServerResponse): void {
		const chunks: Buffer[] = [];
		const path = (req.url ?? '').slice(1);
		req.on('data', (chunk: Buffer) => chunks.push(chunk));
		req.on('end', () => {
			const headers = Object.fromEntries(Object.entries(req.headers).map(([name, value]) => [name, String(value)]));
			const id = headers['webhook-id'] ?? '';
			const isFirst = !this.heard.some((one) => one.path === path && one.id === id);
			const fails = isFirst && this.failsFirst(id);
			const [temper = ''] = path.split('/');
			const heard = { path, id, headers, body: Buffer.concat(chunks).toString(), at: Date.now(), status: 0 };
			this.heard.push(heard);
			const underWay = (this.#underWay.get(path) ?? 0) + 1;
			this.#underWay.set(path, underWay);
			this.most.set(path, Math.max(underWay, this.most.get(path) ?? 0));
			res.once('close', () => this.#underWay.set(path, (this.#underWay.get(path) ?? 1) - 1));
			res.once('finish', () => Object.assign(heard, { status: res.statusCode }));
			(fails ? answer(503) : (this.#tempers.get(temper) ?? answer(404)))(res, id);
		});
	}
}

/** Without an end. */
function stream(res: ServerResponse, chunk: string, every: number): void {
	const timer = setInterval(() => res.write(chunk), every);
	res.once('close', () => clearInterval(timer));
}
