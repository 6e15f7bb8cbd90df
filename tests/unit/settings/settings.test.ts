import { resolve } from 'node:path';
import { describe, expect, it } from '@jest/globals';
import { isLoopback } from '../../../mixins/settings/reading.ts';
import { parseSettings, SERVICE_NAMES, type ServiceName, type Settings } from '../../../mixins/settings/settings.ts';

import { ADDRESS, BROKER_TEXT, type Env, parse, URL_TEXT, VARIABLES } from '../../support/settings.ts';

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
