import { randomInt } from 'node:crypto';
import { connect, createServer } from 'node:net';

/** Everything here listens on this machine alone. */
export const HOST = '127.0.0.1';

/**
 * Below those that the system gives to outgoing connections: a client that looks for a broker which is away all the
 * time could get the broker's port as its own end, keep it, and even be connected to itself.
 */
const [LOWEST, HIGHEST] = [10_000, 32_000];

/** A port that nobody listens on now. */
export async function freePort(): Promise<number> {
	for (;;) {
		const port = randomInt(LOWEST, HIGHEST);
		if (await isFree(port)) return port;
	}
}

/** Whether nobody listens on a port. It listens there itself for a moment: never ask while somebody is about to. */
export function isFree(port: number): Promise<boolean> {
	return new Promise((answer) => {
		const server = createServer();
		server.once('error', () => answer(false));
		server.listen(port, HOST, () => server.close(() => answer(true)));
	});
}

/** Whether somebody listens on a port. */
export function isListening(port: number): Promise<boolean> {
	return new Promise((answer) => {
		const socket = connect(port, HOST);
		socket.once('error', () => answer(false));
		socket.once('connect', () => {
			socket.destroy();
			answer(true);
		});
	});
}
