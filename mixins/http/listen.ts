import { once } from 'node:events';
import type { Server } from 'node:http';
import type { ListenOptions } from 'node:net';

/** Where a server listens, as a URL without a path. */
export const urlOf = (host: string, port: number): string =>
	`http://${host.includes(':') ? `[${host}]` : host}:${port}`;

/** Resolves once the server listens; rejects with one line that begins with `failure`. */
export async function listen(server: Server, options: ListenOptions, failure: string): Promise<void> {
	try {
		const listening = once(server, 'listening');
		server.listen(options);
		await listening;
	} catch (error) {
		const { code, message } = error as NodeJS.ErrnoException;
		const why = code === 'EADDRINUSE' ? 'the port is in use' : (code ?? message);
		const refusal = new Error(`${failure} ${options.host}:${options.port}: ${why}`);
		// A wrong setting, not a bug: it is logged in one line, without a stack.
		refusal.stack = refusal.message;
		throw refusal;
	}
}
