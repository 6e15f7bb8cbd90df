/** How an answer goes out, and how it does not. */
import type { ServerResponse } from 'node:http';
import type { Answer } from './key-memory.ts';

const DROP_EVERY = 50;

export function send(res: ServerResponse, requestId: string, { status, body, headers }: Answer): void {
	if (res.destroyed || res.headersSent) return;
	res.writeHead(status, head(requestId, body, headers)).end(body);
}

const head = (requestId: string, body: string, headers: Answer['headers']) => ({
	...{ 'content-type': 'application/json', 'content-length': Buffer.byteLength(body) },
	...{ 'request-id': requestId, ...headers },
});

/** Half of the answer, and the end of the connection. */
export function cut(res: ServerResponse, requestId: string, { status, body, headers }: Answer): void {
	if (res.destroyed) return;
	res.writeHead(status, head(requestId, body, headers));
	res.write(body.slice(0, body.length / 2), () => res.destroy());
}

/** Byte after byte, and never all of them: a time-out of silence never strikes. */
export function trickle(res: ServerResponse, requestId: string, { status, body, headers }: Answer): void {
	if (res.destroyed) return;
	res.writeHead(status, head(requestId, body, headers));
	let sent = 0;
	const dripping = setInterval(() => {
		if (res.destroyed || sent >= body.length - 1) clearInterval(dripping);
		else res.write(body.charAt(sent++));
	}, DROP_EVERY).unref();
	res.once('close', () => clearInterval(dripping));
}

/** As a proxy says it. */
export function badGateway(res: ServerResponse): void {
	res.writeHead(502, { 'content-type': 'text/html' }).end('<html><body><h1>502 Bad Gateway</h1></body></html>');
}
