import { randomInt } from 'node:crypto';
import { once } from 'node:events';
import { createServer } from 'node:net';

/**
 * A port of 127.0.0.1 that nobody listens on now, below those that the system gives to outgoing connections: for
 * servers that a test takes down and brings back, while clients look for them all the time. One of those clients could
 * get a port of that range as its own end, and even be connected to itself.
 */
export async function quietPort(): Promise<number> {
	for (;;) {
		const server = createServer().listen(randomInt(10_000, 32_000), '127.0.0.1');
		const port = await Promise.race([
			once(server, 'listening').then(() => server.address()),
			once(server, 'error').then(() => null),
		]);
		if (port === null || typeof port === 'string') continue;
		server.close();
		await once(server, 'close');
		return port.port;
	}
}
