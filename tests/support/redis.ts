import { Redis } from 'ioredis';
import { LocalRedis } from '../../bin/brokers/redis.ts';
import { parseBrokerUrl, type RedisUrl } from '../../mixins/settings/broker-url.ts';
import { ownBroker } from './own-broker.ts';

/** A real Redis of a test's own. */
export interface TestRedis {
	readonly server: LocalRedis;
	readonly url: string;
	/** sends commands by a connection of their own; rejects if the server is away */
	ask<T>(commands: (client: Redis) => Promise<T>): Promise<T>;
	/** ends it and removes its data */
	stop(): Promise<void>;
}

/** `settings` are Redis's own; without any it is as durable as in production. It does not run before `server.up()`. */
export async function prepareRedis(settings: Readonly<Record<string, string>> = {}): Promise<TestRedis> {
	const server = await ownBroker((options) => new LocalRedis(options, settings));
	return {
		server,
		url: server.url,
		ask: (commands) => ask(server.url, commands),
		stop: () => server.dispose(),
	};
}

export async function startRedis(settings: Readonly<Record<string, string>> = {}): Promise<TestRedis> {
	const prepared = await prepareRedis(settings);
	await prepared.server.up();
	return prepared;
}

/** Asks a Redis something by a connection of its own; rejects if it is away. */
export async function ask<T>(url: string, commands: (client: Redis) => Promise<T>): Promise<T> {
	const client = new Redis(url, { lazyConnect: true, retryStrategy: () => null, enableOfflineQueue: false });
	client.on('error', () => {});
	try {
		await client.connect();
		return await commands(client);
	} finally {
		if (client.status !== 'end') client.disconnect();
	}
}

/** A Redis as `BROKER_URL` names it. */
export function redisUrl(text: string): RedisUrl {
	const url = parseBrokerUrl(text);
	if (url?.kind !== 'redis') throw new Error('not the URL of a Redis');
	return url;
}
