/** A login that a `BROKER_URL` names. */
interface BrokerLogin {
	readonly username: string;
	readonly password: string;
}

/** How Kafka checks a login; `plain` sends the password, so that it is for connections with TLS. */
const SASL_MECHANISMS = ['plain', 'scram-sha-256', 'scram-sha-512'] as const;
type SaslMechanism = (typeof SASL_MECHANISMS)[number];

/**
 * `BROKER_URL`, understood. All of it is a secret, `url` and `login` above all: never log it.
 * `url` is the text as it was given.
 */
export type BrokerUrl =
	| { readonly kind: 'amqp'; readonly url: string; readonly tls: boolean }
	| {
			readonly kind: 'redis';
			readonly url: string;
			readonly tls: boolean;
			readonly host: string;
			readonly port: number;
			readonly username?: string;
			readonly password?: string;
			/** the number of the database; 0 where there is none */
			readonly db?: number;
	  }
	| {
			readonly kind: 'kafka';
			readonly url: string;
			readonly tls: boolean;
			/** `host:port` of the brokers to ask first */
			readonly hosts: readonly string[];
			readonly login?: BrokerLogin & { readonly mechanism: SaslMechanism };
	  };

/** The same of a Redis. */
export type RedisUrl = Extract<BrokerUrl, { kind: 'redis' }>;

/** What `parseBrokerUrl` takes, in words. */
export const BROKER_URL_FORMS =
	'a URL amqp://… or amqps://…, redis://… or rediss://…, kafka://host:9092[,host:9092] or kafkas://user:password@…';

const KAFKA_PORT = 9092;
const REDIS_PORT = 6379;

/**
 * Understands a `BROKER_URL`; `undefined` for all that one of the clients would read in another way, or only in part.
 * - `amqp`, `amqps`: RabbitMQ's URI specification without its query, `amqp://user:password@host:port/vhost`.
 * - `redis`, `rediss`: `redis://user:password@host:port/database`, the database a number.
 * - `kafka`, `kafkas`: a list of hosts, a login, and how it is checked: `?mechanism=scram-sha-512` (`plain` unless given).
 */
export function parseBrokerUrl(url: string): BrokerUrl | undefined {
	if (/[\s\p{Cc}]/u.test(url)) return undefined;
	const [, scheme, tls] = /^(amqp|redis|kafka)(s?):\/\//.exec(url) ?? [];
	if (scheme === 'kafka') return parseKafkaUrl(url, tls === 's');
	const parts = scheme === undefined ? null : URL.parse(url);
	if (parts === null || !isHost(parts.hostname) || parts.port === '0' || parts.search !== '' || parts.hash !== '')
		return undefined;
	const [username, password, path] = [parts.username, parts.password, parts.pathname.slice(1)].map(decode);
	if (username === undefined || password === undefined) return undefined;
	if (scheme === 'redis') {
		if (path === undefined || !/^(?:\d{1,5})?$/.test(path)) return undefined;
		return {
			kind: 'redis',
			url,
			tls: tls === 's',
			host: parts.hostname.replace(/^\[|\]$/g, ''),
			port: Number(parts.port || REDIS_PORT),
			...(username === '' ? {} : { username }),
			...(password === '' ? {} : { password }),
			...(path === '' ? {} : { db: Number(path) }),
		};
	}
	const isVirtualHost = path !== undefined && !parts.pathname.slice(1).includes('/');
	return isVirtualHost ? { kind: 'amqp', url, tls: tls === 's' } : undefined;
}

function parseKafkaUrl(url: string, tls: boolean): BrokerUrl | undefined {
	const form =
		/^kafkas?:\/\/(?:(?<user>[^:@/?#]+):(?<password>[^:@/?#]+)@)?(?<hosts>[^@/?#]+)\/?(?:\?mechanism=(?<mechanism>[a-z\d-]+))?$/;
	const { user, password, hosts = '', mechanism = 'plain' } = form.exec(url)?.groups ?? {};
	const servers = hosts.split(',').map(parseServer);
	const known = SASL_MECHANISMS.find((name) => name === mechanism);
	const username = decode(user ?? '');
	const secret = decode(password ?? '');
	if (!servers.every((server) => server !== undefined) || known === undefined) return undefined;
	if (username === undefined || secret === undefined || (user === undefined && url.includes('?'))) return undefined;
	if (user !== undefined && !tls) return undefined; // a password would go over the wire as it is
	const login = user === undefined ? {} : { login: { mechanism: known, username, password: secret } };
	return { kind: 'kafka', url, tls, hosts: servers, ...login };
}

/** `host` or `host:port`, an IPv6 address in brackets, as `host:port`. */
function parseServer(text: string): string | undefined {
	const parts = URL.parse(`kafka://${text}`);
	if (parts === null || !isHost(parts.hostname) || parts.port === '0' || text.endsWith(':')) return undefined;
	return `${parts.hostname}:${parts.port || KAFKA_PORT}`;
}

/** URLs of schemes that the URL standard does not know may have nearly any host. */
const isHost = (text: string): boolean => /^\[[\da-f:.]+\]$/i.test(text) || /^[\w-]+(?:\.[\w-]+)*\.?$/.test(text);

function decode(text: string): string | undefined {
	try {
		return decodeURIComponent(text);
	} catch {
		return undefined;
	}
}
