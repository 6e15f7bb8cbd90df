import { connect, type Socket } from 'node:net';

/** What came of the requests of one run. Latencies in ms, from the moment at which the request was to be sent. */
export interface Answers {
	readonly latencies: ReadonlyMap<number, readonly number[]>;
	/** requests whose connection broke */
	readonly lost: number;
	/** requests that found no free connection for the whole run, and were never sent */
	readonly unsent: number;
	/** the longest that a request waited for a free connection, in ms; its latency holds it too */
	readonly waited: number;
}

const TICK = 5;
const HELLO = 'GET /health/live HTTP/1.1\r\nHost: localhost\r\n\r\n';

/** One connection, one request at a time. */
class Line {
	readonly socket: Socket;
	#received = '';
	#answered: ((status: number) => void) | undefined;

	constructor(port: number, onBroken: () => void) {
		this.socket = connect(port, '127.0.0.1').setNoDelay().setEncoding('latin1');
		this.socket.on('error', () => {});
		this.socket.on('close', () => {
			if (this.#answered !== undefined) onBroken();
		});
		this.socket.on('data', (chunk: string) => {
			this.#received += chunk;
			const head = this.#received.indexOf('\r\n\r\n');
			if (head < 0) return;
			const length = Number(/\r\ncontent-length: (\d+)/i.exec(this.#received)?.[1] ?? 0);
			if (this.#received.length < head + 4 + length) return;
			const answered = this.#answered;
			this.#answered = undefined;
			const status = Number(this.#received.slice(9, 12));
			this.#received = '';
			answered?.(status);
		});
	}

	send(bytes: string, answered: (status: number) => void): void {
		this.#answered = answered;
		this.socket.write(bytes);
	}
}

/**
 * Sends `rate` requests a second, however the answers come: who waits for answers before the next request spares a slow
 * server and never sees it overloaded.
 */
export async function openLoop(
	port: number,
	bytes: string,
	{ rate, seconds, connections }: { readonly rate: number; readonly seconds: number; readonly connections: number },
): Promise<Answers> {
	const latencies = new Map<number, number[]>();
	const idle: Line[] = [];
	let lost = 0;
	let pending = 0;
	let waited = 0;
	let open = connections;
	const lines: Line[] = [];
	while (idle.length < connections) {
		// Node accepts one connection in each turn of its event loop: all at once would wait for seconds.
		if (lines.length < Math.min(connections, idle.length + 20)) {
			const line: Line = new Line(port, () => {
				lost += 1;
				pending -= 1;
				open -= 1;
			});
			lines.push(line);
			line.send(HELLO, () => idle.push(line));
		} else await pause();
	}
	const due: number[] = [];
	const begin = performance.now();
	for (let sent = 0; ; ) {
		const elapsed = performance.now() - begin;
		const isOver = elapsed >= seconds * 1_000;
		for (; !isOver && sent < (elapsed * rate) / 1_000; sent += 1) due.push(begin + (sent * 1_000) / rate);
		for (let line = idle.pop(); line !== undefined; line = idle.pop()) {
			const at = due.shift();
			if (at === undefined || isOver) {
				idle.push(line);
				break;
			}
			const busy = line;
			pending += 1;
			waited = Math.max(waited, performance.now() - at);
			busy.send(bytes, (status) => {
				pending -= 1;
				idle.push(busy);
				const times = latencies.get(status) ?? [];
				latencies.set(status, times);
				times.push(performance.now() - at);
			});
		}
		if (isOver && (pending === 0 || open === 0)) break;
		await pause();
	}
	for (const { socket } of lines) socket.destroy();
	return { latencies, lost, unsent: due.length, waited };
}

const pause = (): Promise<void> => new Promise((resolve) => setTimeout(resolve, TICK));
