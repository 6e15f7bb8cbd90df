import { Redis } from 'ioredis';

/** Asks a Redis something by a connection of its own; rejects if it is away. */
export async function ask<T>(url: string, commands: (client: Redis) => Promise<T>): Promise<T> {
	const client = new Redis(url, { lazyConnect: true, retryStrategy: () => null, enableOfflineQueue: false });
	client.on('error', () => {});
	try {
		await client.connect();
		return await commands(client);
	} finally {
		client.disconnect();
	}
}
