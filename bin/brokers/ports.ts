import { createServer, type Server } from 'node:net';

/** Everything here listens on this machine alone. */
export const HOST = '127.0.0.1';

/** Ports that nobody listens on now, all different. */
export async function freePorts(count: number): Promise<number[]> {
	const servers = await Promise.all(Array.from({ length: count }, () => listen(0)));
	return Promise.all(
		servers.map((server) => {
			const address = server.address();
			const port = typeof address === 'object' && address !== null ? address.port : 0;
			return new Promise<number>((closed) => server.close(() => closed(port)));
		}),
	);
}

export async function freePort(): Promise<number> {
	const [port = 0] = await freePorts(1);
	return port;
}

/** Whether nobody listens on a port. */
export async function isFree(port: number): Promise<boolean> {
	const server = await listen(port).catch(() => undefined);
	if (server === undefined) return false;
	await new Promise((closed) => server.close(closed));
	return true;
}

function listen(port: number): Promise<Server> {
	return new Promise((listening, refused) => {
		const server = createServer();
		server.once('error', refused);
		server.listen(port, HOST, () => listening(server));
	});
}
