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

const NOT_UNDERSTOOD =
	'not a URL of a Redis: redis://[user:password@]host[:port][/database], rediss:// for TLS, and nothing more';

/** `redis://` or `rediss://` (TLS), `[user[:password]@]host[:port][/database]`. Throws without repeating a secret. */
export function accessOf(url: string): Access {
	const parsed = URL.canParse(url) ? new URL(url) : undefined;
	const database = /^\/?(\d*)$/.exec(parsed?.pathname ?? 'none')?.[1];
	const plain = parsed?.search === '' && parsed.hash === '' && parsed.hostname !== '';
	if (parsed === undefined || database === undefined || !plain || !['redis:', 'rediss:'].includes(parsed.protocol))
		throw new Error(NOT_UNDERSTOOD);
	return {
		host: parsed.hostname.replace(/^\[|\]$/g, ''),
		port: parsed.port === '' ? DEFAULT_PORT : Number(parsed.port),
		options: {
			...(parsed.username === '' ? {} : { username: decoded(parsed.username) }),
			...(parsed.password === '' ? {} : { password: decoded(parsed.password) }),
			...(database === '' ? {} : { db: Number(database) }),
			...(parsed.protocol === 'rediss:' ? { tls: {} } : {}),
		},
	};
}

function decoded(text: string): string {
	try {
		return decodeURIComponent(text);
	} catch {
		throw new Error(NOT_UNDERSTOOD);
	}
}
