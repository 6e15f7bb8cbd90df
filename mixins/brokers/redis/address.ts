import type { RedisOptions } from 'ioredis';

export interface Address {
	readonly host: string;
	readonly port: number;
}

/** Where a Redis is, and how to get in. */
export interface Access extends Address {
	readonly options: Pick<RedisOptions, 'username' | 'password' | 'db' | 'tls'>;
}

const DEFAULT_PORT = 6379;

/** `redis://` or `rediss://` (TLS), `[user[:password]@]host[:port][/database]`. Throws without repeating a secret. */
export function accessOf(url: string): Access {
	const parsed = URL.canParse(url) ? new URL(url) : undefined;
	const database = /^\/?(\d*)$/.exec(parsed?.pathname ?? 'none')?.[1];
	if (
		parsed === undefined ||
		!['redis:', 'rediss:'].includes(parsed.protocol) ||
		parsed.hostname === '' ||
		database === undefined ||
		parsed.search !== '' ||
		parsed.hash !== ''
	)
		throw new Error('not a URL of a Redis: redis://[user:password@]host[:port][/database], rediss:// for TLS');
	const host = parsed.hostname.replace(/^\[|\]$/g, '');
	return {
		host,
		port: parsed.port === '' ? DEFAULT_PORT : Number(parsed.port),
		options: {
			...(parsed.username === '' ? {} : { username: decodeURIComponent(parsed.username) }),
			...(parsed.password === '' ? {} : { password: decodeURIComponent(parsed.password) }),
			...(database === '' ? {} : { db: Number(database) }),
			...(parsed.protocol === 'rediss:' ? { tls: {} } : {}),
		},
	};
}
