import { resolve } from 'node:path';
import { inspect } from 'node:util';
import { describe, expect, it } from '@jest/globals';
import fc from 'fast-check';
import { isLoopback } from '../../../mixins/settings/reading.ts';
import {
	parseSettings,
	SERVICE_NAMES,
	type ServiceName,
	type Settings,
	SettingsError,
} from '../../../mixins/settings/settings.ts';

type Env = Readonly<Record<string, string>>;

const URL_TEXT = 'postgres://app:s3cret@db.example:5432/orders?sslmode=require';
const ADDRESS = { host: 'db.example', port: 5432, user: 'app', password: 's3cret', database: 'orders', tls: {} };
const BROKER_TEXT = 'amqps://app:s3cret@mq.example/orders';
const FILES: Readonly<Record<string, string>> = {
	'/run/url': URL_TEXT,
	'/run/url-newline': `${URL_TEXT}\n`,
	'/run/url-crlf': `${URL_TEXT}\r\n`,
	'/run/broker': `${BROKER_TEXT}\n`,
	'/run/not-a-url': 'hunter2\n',
	'/run/empty': '\n',
};

function readFile(path: string): string {
	const content = FILES[path];
	if (content === undefined) throw Object.assign(new Error(`no such file: ${path}`), { code: 'ENOENT' });
	return content;
}

const parse = (env: Env): Settings => parseSettings(env, readFile);

function failure(env: Env, read = readFile): SettingsError {
	try {
		parseSettings(env, read);
	} catch (error) {
		if (error instanceof SettingsError) return error;
		throw error;
	}
	throw new Error(`accepted: ${inspect(env)}`);
}

const SECOND = 1000;
const HOUR = 3600 * SECOND;
const DAY = 24 * HOUR;

const DEFAULTS: Settings = {
	services: ['gateway', 'orders', 'outbox-relay', 'settlement', 'shipping', 'webhooks'],
	database: { kind: 'embedded', dataDir: resolve('.data') },
	dataDir: resolve('.data'),
	migrate: true,
	broker: undefined,
	cancellationWindow: 600 * SECOND,
	holdLimit: 24 * HOUR,
	http: { host: '127.0.0.1', port: 5300 },
	metricsPort: undefined,
	shutdownDelay: 0,
	access: { auth: { kind: 'off', host: '127.0.0.1' }, rateLimit: undefined, trustProxy: [] },
	webhookAllowPrivate: true,
	defaultCurrency: 'USD',
	retention: 7 * DAY,
	logLevel: 'info',
	logFormat: 'text',
	tracing: undefined,
	paymentProvider: 'sandbox',
	stripe: { apiKey: undefined, isLive: undefined, apiBase: undefined, webhookSecrets: [], callsPerSecond: 20 },
	providerTimeout: 5 * SECOND,
	sandboxLatency: 0,
};

/** Every variable of the contract, and this project's own. */
const VARIABLES = [
	...['SERVICES', 'DATABASE_URL', 'DATABASE_URL_FILE', 'DATA_DIR', 'MIGRATE', 'BROKER_URL', 'BROKER_URL_FILE'],
	...['CANCELLATION_WINDOW', 'HOLD_LIMIT', 'HOST', 'PORT', 'PAYMENT_PROVIDER', 'STRIPE_API_KEY', 'STRIPE_API_KEY_FILE'],
	...['WEBHOOK_ALLOW_PRIVATE', 'STRIPE_WEBHOOK_SECRET', 'STRIPE_WEBHOOK_SECRET_FILE', 'STRIPE_CALLS_PER_SECOND'],
	...['STRIPE_API_BASE', 'AUTH', 'AUTH_JWKS_URL', 'AUTH_JWT_SECRET', 'AUTH_JWT_SECRET_FILE', 'AUTH_ISSUER'],
	...['AUTH_AUDIENCE', 'RATE_LIMIT', 'TRUST_PROXY', 'DEFAULT_CURRENCY', 'METRICS_PORT', 'RETENTION', 'LOG_LEVEL'],
	...['PROVIDER_TIMEOUT', 'SANDBOX_LATENCY', 'SHUTDOWN_DELAY', 'AUTH_ALGORITHMS', 'AUTH_CLOCK_TOLERANCE'],
	...['LOG_FORMAT', 'OTEL_EXPORTER_OTLP_ENDPOINT', 'OTEL_EXPORTER_OTLP_HEADERS', 'OTEL_EXPORTER_OTLP_PROTOCOL'],
	...['OTEL_TRACES_SAMPLER', 'OTEL_TRACES_SAMPLER_ARG', 'OTEL_SERVICE_NAME', 'OTEL_RESOURCE_ATTRIBUTES'],
	...['OTEL_BSP_MAX_QUEUE_SIZE', 'OTEL_BSP_MAX_EXPORT_BATCH_SIZE', 'OTEL_BSP_SCHEDULE_DELAY', 'OTEL_SDK_DISABLED'],
];

describe('defaults', () => {
	it('apply where nothing is set', () => expect(parse({})).toEqual(DEFAULTS));

	it.each(VARIABLES)('apply where %s is empty', (name) => expect(parse({ [name]: '' })).toEqual(DEFAULTS));

	it('are the same for a variable that is there but undefined', () => {
		expect(parseSettings(Object.fromEntries(VARIABLES.map((name) => [name, undefined])))).toEqual(DEFAULTS);
	});

	it('ignore what is not ours', () => expect(parse({ PATH: '/bin', STRIPE_CLI: 'x', port: '1' })).toEqual(DEFAULTS));
});

describe('good values', () => {
	const open = { AUTH: 'off', RATE_LIMIT: 'off' };
	const http = (host: string, port = 5300): Partial<Settings> => ({
		http: { host, port },
		access: { ...DEFAULTS.access, auth: { kind: 'off', host } },
	});
	const embedded = (dir: string): Partial<Settings> => ({ dataDir: dir, database: { kind: 'embedded', dataDir: dir } });
	const database: Partial<Settings> = { database: { kind: 'url', address: ADDRESS } };
	const broker: Partial<Settings> = { broker: { kind: 'amqp', url: BROKER_TEXT, tls: true } };
	const both = { DATABASE_URL: URL_TEXT, BROKER_URL: BROKER_TEXT };
	const part = (...services: ServiceName[]): Partial<Settings> => ({
		services,
		migrate: false,
		...database,
		...broker,
		// The broker is on another machine, and who reaches the gateway is not known here.
		webhookAllowPrivate: services.includes('gateway'),
	});

	it.each<[Env, Partial<Settings>]>([
		[{ SERVICES: 'orders', ...both }, part('orders')],
		[{ SERVICES: 'shipping, gateway', ...both }, part('shipping', 'gateway')],
		[{ SERVICES: [...SERVICE_NAMES].reverse().join() }, { services: [...SERVICE_NAMES].reverse(), migrate: true }],
		[
			{ SERVICES: 'orders', MIGRATE: 'on', ...both },
			{ ...part('orders'), migrate: true },
		],
		[{ SERVICES: 'orders', DATABASE_URL_FILE: '/run/url', BROKER_URL_FILE: '/run/broker' }, part('orders')],
		[{ BROKER_URL: BROKER_TEXT }, broker],
		[{ BROKER_URL_FILE: '/run/broker' }, broker],
		[
			{ BROKER_URL: 'redis://cache' },
			{ broker: { kind: 'redis', url: 'redis://cache', tls: false, host: 'cache', port: 6379 } },
		],
		[
			{ BROKER_URL: 'kafka://a,b:1' },
			{ broker: { kind: 'kafka', url: 'kafka://a,b:1', tls: false, hosts: ['a:9092', 'b:1'] } },
		],
		[{ METRICS_PORT: '0' }, { metricsPort: 0 }],
		[{ METRICS_PORT: '9100' }, { metricsPort: 9100 }],
		[{ MIGRATE: 'on' }, { migrate: true }],
		[{ MIGRATE: 'off' }, { migrate: false }],
		[{ DATABASE_URL: URL_TEXT }, database],
		[{ DATABASE_URL_FILE: '/run/url' }, database],
		[{ DATABASE_URL_FILE: '/run/url-newline' }, database],
		[{ DATABASE_URL_FILE: '/run/url-crlf' }, database],
		[{ DATABASE_URL_FILE: '/run/url', DATABASE_URL: '' }, database],
		[{ DATA_DIR: 'var/db' }, embedded(resolve('var/db'))],
		[{ DATA_DIR: '/srv/../srv/db/' }, embedded('/srv/db')],
		[
			{ DATA_DIR: '/srv/db', DATABASE_URL: URL_TEXT },
			{ dataDir: '/srv/db', ...database },
		],
		[{ CANCELLATION_WINDOW: '1s' }, { cancellationWindow: SECOND }],
		[{ CANCELLATION_WINDOW: '90s' }, { cancellationWindow: 90 * SECOND }],
		[{ CANCELLATION_WINDOW: '7d' }, { cancellationWindow: 7 * DAY }],
		[{ HOLD_LIMIT: '1000ms' }, { holdLimit: SECOND }],
		[{ HOLD_LIMIT: '168h' }, { holdLimit: 7 * DAY }],
		[{ RETENTION: '1s' }, { retention: SECOND }],
		[{ RETENTION: '3650d' }, { retention: 3650 * DAY }],
		[{ PROVIDER_TIMEOUT: '100ms' }, { providerTimeout: 100 }],
		[{ PROVIDER_TIMEOUT: '1m' }, { providerTimeout: 60 * SECOND }],
		[{ SANDBOX_LATENCY: '0s' }, { sandboxLatency: 0 }],
		[{ SANDBOX_LATENCY: '60s' }, { sandboxLatency: 60 * SECOND }],
		[{ SHUTDOWN_DELAY: '60s' }, { shutdownDelay: 60 * SECOND }],
		[{ PORT: '0' }, http('127.0.0.1', 0)],
		[{ PORT: '65535' }, http('127.0.0.1', 65_535)],
		[{ HOST: '127.255.0.9' }, http('127.255.0.9')],
		[{ HOST: '::1' }, http('::1')],
		[{ HOST: '0:0:0:0:0:0:0:1' }, http('0:0:0:0:0:0:0:1')],
		[{ HOST: 'localhost' }, http('localhost')],
		[{ HOST: 'LocalHost' }, http('LocalHost')],
		[{ HOST: '0.0.0.0', ...open }, http('0.0.0.0')],
		[{ HOST: '::', ...open }, http('::')],
		[{ HOST: 'fe80::1%eth0', ...open }, http('fe80::1%eth0')],
		[{ HOST: 'api-1.example.com', ...open }, http('api-1.example.com')],
		[open, {}],
		[{ DEFAULT_CURRENCY: 'JPY' }, { defaultCurrency: 'JPY' }],
		[{ LOG_LEVEL: 'fatal' }, { logLevel: 'fatal' }],
		[{ LOG_LEVEL: 'error' }, { logLevel: 'error' }],
		[{ LOG_LEVEL: 'warn' }, { logLevel: 'warn' }],
		[{ LOG_LEVEL: 'info' }, { logLevel: 'info' }],
		[{ LOG_LEVEL: 'debug' }, { logLevel: 'debug' }],
		[{ LOG_LEVEL: 'trace' }, { logLevel: 'trace' }],
		[{ PAYMENT_PROVIDER: 'sandbox' }, { paymentProvider: 'sandbox' }],
		[{ WEBHOOK_ALLOW_PRIVATE: 'off' }, { webhookAllowPrivate: false }],
		[
			{ SERVICES: 'webhooks', ...both, WEBHOOK_ALLOW_PRIVATE: 'on' },
			{ ...part('webhooks'), webhookAllowPrivate: true },
		],
	])('%j', (env, expected) => {
		// Whoever listens for others does not let them lead it into its own network, unless told to.
		const isOpen = 'HOST' in env && !isLoopback(env.HOST ?? '');
		expect(parse(env)).toEqual({ ...DEFAULTS, ...(isOpen ? { webhookAllowPrivate: false } : {}), ...expected });
	});

	it('are deeply frozen', () => {
		const deeplyFrozen = (value: unknown): boolean =>
			typeof value !== 'object' ||
			value === null ||
			(Object.isFrozen(value) && Object.values(value).every((inner) => deeplyFrozen(inner)));
		const kafka = { BROKER_URL: 'kafkas://app:s3cret@a,b' };
		const door = { AUTH: 'jwt', AUTH_JWT_SECRET: 'k'.repeat(32), RATE_LIMIT: '1/s', TRUST_PROXY: '::1,10.0.0.0/8' };
		for (const env of [{}, { DATABASE_URL: URL_TEXT }, kafka, { ...both, SERVICES: 'orders' }, door]) {
			expect(deeplyFrozen(parse(env))).toBe(true);
		}
	});

	it('come from real files too', () => {
		const { url } = import.meta;
		expect(() => parseSettings({ DATABASE_URL_FILE: '/nonexistent/url' })).toThrow(/ENOENT/);
		expect(() => parseSettings({ DATABASE_URL_FILE: new URL('.', url).pathname })).toThrow(/EISDIR/);
		expect(() => parseSettings({ DATABASE_URL_FILE: new URL(url).pathname })).toThrow(/\(hidden\)/);
	});
});

describe('bad values: one line that names the variable, the value and what is accepted', () => {
	const services = /a comma list, each at most once, of gateway, orders, outbox-relay, settlement, shipping, webhooks$/;
	const week = /1s to 7d, in whole milliseconds/;
	const url = /accepted: .*postgres:\/\/… or postgresql:\/\/…$/;
	const host = /an IP address or a host name, without a port$/;

	it.each<[string, readonly string[], RegExp]>([
		[
			'SERVICES',
			['order', 'Orders', ',', ' ', 'orders,', 'orders,,gateway', 'orders,orders', 'orders;gateway'],
			services,
		],
		['MIGRATE', ['ON', 'true', '1', ' on'], /accepted: on, off$/],
		['CANCELLATION_WINDOW', ['0s', '999ms', '7.1d', '604800001ms', '600', '10min', '10 m', '-1s', '1.0005s'], week],
		['HOLD_LIMIT', ['0s', '999ms', '169h', 'forever', '1d12h'], week],
		['RETENTION', ['0d', '999ms', '3651d', '7w'], /1s to 3650d/],
		['PROVIDER_TIMEOUT', ['99ms', '0s', '60001ms', '5'], /100ms to 1m/],
		['SANDBOX_LATENCY', ['0', '-1ms', '61s', '1,5s'], /0ms to 1m/],
		['SHUTDOWN_DELAY', ['5', '-1s', '61s'], /0ms to 1m/],
		[
			'HOST',
			['http://localhost', 'localhost:80', '[::1]', '*', 'a b', '127.1', '1.2.3.4.5', '256.0.0.1', 'a..b'],
			host,
		],
		[
			'PORT',
			['-1', '65536', '99999999', '80.0', '1e3', '0x50', '080', ' 80', 'http'],
			/from 0 \(any free port\) to 65535$/,
		],
		['METRICS_PORT', ['-1', '65536', '9100/tcp', 'off'], /from 0 \(any free port\) to 65535$/],
		['DEFAULT_CURRENCY', ['usd', 'US', 'EURO', 'XXX', 'XAU', 'ZZZ', '840', ' USD'], /ISO 4217 code/],
		['LOG_LEVEL', ['INFO', 'silent', 'warning'], /accepted: fatal, error, warn, info, debug, trace$/],
		['PAYMENT_PROVIDER', ['paypal', 'Stripe'], /accepted: sandbox, stripe$/],
		['AUTH', ['none', 'OFF', 'JWT', 'on'], /accepted: off, jwt$/],
		[
			'RATE_LIMIT',
			['none', '0', '100', '100/h', '-1/s', '0/s', '1.5/s', '1000001/s', '10000000/m', '1e3/s', '100/s '],
			/accepted: off, or 1 to 1000000 requests, written like 100\/s or 3000\/m$/,
		],
		[
			'TRUST_PROXY',
			[
				...['all', 'localhost', '10.0.0.0/33', '10.0.0.0/', '10.0.0.0/08', '10.0.0/8', 'fd00::/129', ',', '10.0.0.1,'],
				...['fe80::1%eth0', '::ffff:10.0.0.0/104', '10.0.0.0/255.0.0.0', '10.0.0.1 10.0.0.2'],
			],
			/a comma list of addresses and CIDR ranges/,
		],
		['AUTH_CLOCK_TOLERANCE', ['-1s', '301s', '5', 'none'], /0ms to 5m/],
		[
			'AUTH_JWKS_URL',
			[
				...[
					'id.example/keys',
					'ftp://id/keys',
					'http://id.example/keys',
					'https://',
					'https://id/k#x',
					'https://i d/k',
				],
				'http://192.168.0.7/keys',
			],
			/a URL https:\/\/… without user and password, http:\/\/… only to this machine$/,
		],
		[
			'AUTH_ALGORITHMS',
			['none', 'RS256,none', 'rs256', 'RS256,RS256', ',', 'A256GCM', 'ES256K'],
			/of RS256, .*, HS512$/,
		],
	])('%s', (name, values, accepted) => {
		for (const value of values) {
			const { message } = failure({ [name]: value });
			expect(message).toMatch(accepted);
			expect(message.startsWith(`${name}=${JSON.stringify(value)} is not understood; accepted: `)).toBe(true);
		}
	});

	it.each(['postgres', 'postgres:', 'postgres://', 'mysql://h/d', 'h/d', 'postgres://h:port/d', 'postgres://h/d\n'])(
		'DATABASE_URL %j',
		(value) => {
			const { message } = failure({ DATABASE_URL: value });
			expect(message).toMatch(url);
			expect(message.startsWith('DATABASE_URL=(hidden) is not understood')).toBe(true);
		},
	);

	it.each(['amqp', 'mysql://h', 'nats://h', 'amqp://u:s3cret@h:port', 'redis://h/first'])('BROKER_URL %j', (value) => {
		const { message } = failure({ BROKER_URL: value });
		expect(message).toBe(
			'BROKER_URL=(hidden) is not understood; accepted: a URL amqp://… or amqps://…, redis://… or rediss://…, ' +
				'kafka://host:9092[,host:9092] or kafkas://user:password@…',
		);
	});

	it.each<[Env, string]>([
		[{ SERVICES: 'orders' }, 'BROKER_URL and DATABASE_URL'],
		[{ SERVICES: 'orders', DATABASE_URL: URL_TEXT }, 'BROKER_URL'],
		[{ SERVICES: 'orders', BROKER_URL: BROKER_TEXT }, 'DATABASE_URL'],
	])('a part of the services alone: %j', (env, missing) =>
		expect(failure(env).message).toBe(
			`SERVICES="orders" is a part of the services, which needs ${missing} too; ` +
				'accepted: BROKER_URL and DATABASE_URL set, or SERVICES unset to run all in one process',
		),
	);

	it.each<[Env, string]>([
		[
			{ BROKER_URL_FILE: '/run/url' },
			'BROKER_URL_FILE="/run/url" with content (hidden) is not understood; accepted: a file with a URL amqp://… or ' +
				'amqps://…, redis://… or rediss://…, kafka://host:9092[,host:9092] or kafkas://user:password@…',
		],
		[
			{ BROKER_URL_FILE: '/run/broker', BROKER_URL: BROKER_TEXT },
			'BROKER_URL=(hidden) and BROKER_URL_FILE="/run/broker" are both set; accepted: one of them',
		],
		[
			{ DATABASE_URL_FILE: '/run/none' },
			'DATABASE_URL_FILE="/run/none" cannot be read (ENOENT); accepted: the path of a readable file',
		],
		[
			{ DATABASE_URL_FILE: '/run/not-a-url' },
			'DATABASE_URL_FILE="/run/not-a-url" with content (hidden) is not understood; ' +
				'accepted: a file with a URL postgres://… or postgresql://…',
		],
		[
			{ DATABASE_URL_FILE: '/run/empty' },
			'DATABASE_URL_FILE="/run/empty" with content (hidden) is not understood; ' +
				'accepted: a file with a URL postgres://… or postgresql://…',
		],
		[
			{ DATABASE_URL_FILE: '/run/url', DATABASE_URL: URL_TEXT },
			'DATABASE_URL=(hidden) and DATABASE_URL_FILE="/run/url" are both set; accepted: one of them',
		],
		[
			{ DATABASE_URL_FILE: URL_TEXT },
			'DATABASE_URL_FILE="postgres://(hidden)@db.example:5432/orders?sslmode=require" cannot be read (ENOENT); ' +
				'accepted: the path of a readable file',
		],
	])('%j', (env, message) => expect(failure(env).message).toBe(message));

	it('shows a value shortened and on one line', () => {
		expect(failure({ PORT: 'a\r\n\u2028\u0085"' }).message).toContain('PORT="a\\r\\n\\u2028\\u0085\\""');
		expect(failure({ PORT: 'x'.repeat(5000) }).message.length).toBeLessThan(250);
	});
});

describe('properties', () => {
	/** Long and odd enough never to stand in a message by chance. */
	const secret = fc.stringMatching(/^[A-Za-z0-9%#?&~/@:-]{16,40}$/);
	const secretVariable = fc.constantFrom(
		...['DATABASE_URL', 'BROKER_URL', 'STRIPE_API_KEY', 'STRIPE_WEBHOOK_SECRET', 'AUTH_JWT_SECRET'],
	);
	const wrapped = fc.constantFrom('%', 'postgres://u:%@h:x/d', 'postgres://%', 'mysql://u:%@h/d', '%\n%', 'amqp://%@h');
	const others = fc.dictionary(
		fc.constantFrom(...VARIABLES),
		fc.constantFrom('', 'off', 'nonsense', '0.0.0.0', '/run/url'),
	);

	it('no secret ever appears in an error', () => {
		let errors = 0;
		fc.assert(
			fc.property(secret, secretVariable, wrapped, fc.constantFrom('env', 'file', 'thrown'), others, (...drawn) => {
				const [text, name, wrap, where, rest] = drawn;
				const value = wrap.replaceAll('%', () => text);
				const env = where === 'env' ? { ...rest, [name]: value } : { ...rest, [`${name}_FILE`]: '/run/secret' };
				try {
					parseSettings(env, () => {
						if (where === 'thrown') throw Object.assign(new Error(value), { code: value, cause: value });
						return value;
					});
				} catch (error) {
					errors += 1;
					expect(error).toBeInstanceOf(SettingsError);
					expect(inspect(error, { depth: Number.POSITIVE_INFINITY, showHidden: true })).not.toContain(text);
				}
			}),
			{ numRuns: 2000 },
		);
		expect(errors).toBeGreaterThan(1000);
	});

	it('any text in any variable gives settings or one line that names a variable', () => {
		const text = fc.oneof(fc.string({ unit: 'binary' }), fc.constantFrom('off', 'on', 'jwt', '::', '\n', '1s', '0'));
		fc.assert(
			fc.property(fc.dictionary(fc.constantFrom(...VARIABLES), text, { maxKeys: 4 }), (env) => {
				try {
					expect(Object.isFrozen(parse(env))).toBe(true);
				} catch (error) {
					if (!(error instanceof SettingsError)) throw error;
					expect(error.message).toMatch(/^[A-Z_]+=[^\p{Cc}\p{Zl}\p{Zp}]+$/u);
					expect(VARIABLES).toContain(error.message.split('=')[0]);
				}
			}),
			{ numRuns: 2000 },
		);
	});
});
