/** The process's settings: read from the environment once, checked in full, frozen. See the table in the README. */
import { readFileSync } from 'node:fs';
import { isIP } from 'node:net';
import { resolve } from 'node:path';
import { DAY, LONGEST_WINDOW, MINUTE, SECOND, SHORTEST_WINDOW } from '../../domain/time.ts';
import { minorUnits } from '../validation/index.ts';
import { type Access, readAccess } from './access.ts';
import { BROKER_URL_FORMS, type BrokerUrl, parseBrokerUrl } from './broker-url.ts';
import { type DatabaseAddress, parseDatabaseUrl } from './database-address.ts';
import {
	type DurationRange,
	deepFreeze,
	type Environment,
	get,
	type ReadFile,
	readDuration,
	readOneOf,
	readSecret,
	refused,
	SettingsError,
	show,
} from './reading.ts';
import { readStripe, type StripeSettings } from './stripe.ts';
import { readTracing, type TracingSettings } from './tracing.ts';
import { readAllowPrivate } from './webhooks.ts';

export { formatDuration, parseDuration, SettingsError } from './reading.ts';

/** The services that a process can run, in the order in which they are started by default. */
export const SERVICE_NAMES = ['gateway', 'orders', 'outbox-relay', 'settlement', 'shipping', 'webhooks'] as const;
export type ServiceName = (typeof SERVICE_NAMES)[number];

/** From the fewest lines to the most. */
const LOG_LEVELS = ['fatal', 'error', 'warn', 'info', 'debug', 'trace'] as const;
type LogLevel = (typeof LOG_LEVELS)[number];

const LOG_FORMATS = ['text', 'json'] as const;

const PAYMENT_PROVIDERS = ['sandbox', 'stripe'] as const;

/** All that can be set from outside; deeply frozen. Every duration is a whole number of milliseconds. */
export interface Settings {
	/** `SERVICES`: what this process runs, each name once, in the order given. */
	readonly services: readonly ServiceName[];
	/** `DATABASE_URL`, or the embedded PostgreSQL in `dataDir`. */
	readonly database:
		| { readonly kind: 'embedded'; readonly dataDir: string }
		| { readonly kind: 'url'; readonly address: DatabaseAddress };
	/** `DATA_DIR` as an absolute path. */
	readonly dataDir: string;
	/** `MIGRATE`: apply migrations at start. */
	readonly migrate: boolean;
	/** `BROKER_URL`: what carries the events and links the processes; undefined for PostgreSQL, in one process. A secret. */
	readonly broker: BrokerUrl | undefined;
	/** `CANCELLATION_WINDOW` in ms: how long the buyer may cancel or pause an order that says nothing else. */
	readonly cancellationWindow: number;
	/** `HOLD_LIMIT` in ms, counted from an order's first pause. */
	readonly holdLimit: number;
	/** `HOST` and `PORT` of the gateway; port 0 takes any free one. */
	readonly http: { readonly host: string; readonly port: number };
	/** `METRICS_PORT`, on the same host: health and metrics of this process; port 0 takes any free one. */
	readonly metricsPort: number | undefined;
	/** `SHUTDOWN_DELAY` in ms: how long the process still serves after SIGTERM, while it is not ready. */
	readonly shutdownDelay: number;
	/** Who is let in, how often, and which proxies are trusted. */
	readonly access: Access;
	/** `WEBHOOK_ALLOW_PRIVATE`: endpoints may be at private addresses and without TLS. */
	readonly webhookAllowPrivate: boolean;
	/** `DEFAULT_CURRENCY`: ISO 4217 code of an order that names none. */
	readonly defaultCurrency: string;
	/** `RETENTION` in ms: how long sent outbox rows, idempotency keys and inbox rows are kept. */
	readonly retention: number;
	/** `LOG_LEVEL`. */
	readonly logLevel: LogLevel;
	/** `LOG_FORMAT`: lines for people, or one JSON object a line. */
	readonly logFormat: (typeof LOG_FORMATS)[number];
	/** `OTEL_…`: where traces go; undefined if nowhere. */
	readonly tracing: TracingSettings | undefined;
	/** `PAYMENT_PROVIDER`. */
	readonly paymentProvider: (typeof PAYMENT_PROVIDERS)[number];
	/** How Stripe is reached; of no meaning for another provider. */
	readonly stripe: StripeSettings;
	/** `PROVIDER_TIMEOUT` in ms: how long one call to the payment provider or the parcel service may take. */
	readonly providerTimeout: number;
	/** `SANDBOX_LATENCY` in ms: how long each call to the sandbox takes (for trials). */
	readonly sandboxLatency: number;
}

/** What `CANCELLATION_WINDOW`, and an order's own `cancellationWindow`, may be: 1 s to 7 d. */
export const CANCELLATION_WINDOW_RANGE: DurationRange = { min: SHORTEST_WINDOW, max: LONGEST_WINDOW };

const POSTGRES_URL = 'a URL postgres://… or postgresql://…';

/**
 * Reads and checks all settings; an empty variable counts as not set. Throws a `SettingsError` for the first one
 * that is not understood, or that lacks another one.
 * `readFile` gives the text of the file that a `…_FILE` variable names.
 */
export function parseSettings(env: Environment, readFile: ReadFile = (path) => readFileSync(path, 'utf8')): Settings {
	const services = readServices(env);
	const dataDir = resolve(get(env, 'DATA_DIR') ?? '.data');
	const databaseForm = { parse: (text: string) => parseDatabaseUrl(text, readFile), accepted: POSTGRES_URL };
	const address = readSecret(env, 'DATABASE_URL', databaseForm, readFile);
	const broker = readSecret(env, 'BROKER_URL', { parse: parseBrokerUrl, accepted: BROKER_URL_FORMS }, readFile);
	if (services.length < SERVICE_NAMES.length) requireForParts(services, { BROKER_URL: broker, DATABASE_URL: address });
	const paymentProvider = readOneOf(env, 'PAYMENT_PROVIDER', PAYMENT_PROVIDERS, 'sandbox');
	const stripe = readStripe(env, readFile);
	requireForProvider(paymentProvider, services, stripe.apiKey);
	const host = readHost(env);
	const isDoor = services.includes('gateway');
	const access = readAccess(env, { host, isDoor }, readFile);
	return deepFreeze<Settings>({
		services,
		database: address === undefined ? { kind: 'embedded', dataDir } : { kind: 'url', address },
		dataDir,
		migrate: readOneOf(env, 'MIGRATE', ['on', 'off'], services.length === SERVICE_NAMES.length ? 'on' : 'off') === 'on',
		broker,
		cancellationWindow: readDuration(env, 'CANCELLATION_WINDOW', '10m', CANCELLATION_WINDOW_RANGE),
		holdLimit: readDuration(env, 'HOLD_LIMIT', '24h', { min: SHORTEST_WINDOW, max: LONGEST_WINDOW }),
		http: { host, port: readPort(env, 'PORT') ?? 5300 },
		metricsPort: readPort(env, 'METRICS_PORT'),
		shutdownDelay: readDuration(env, 'SHUTDOWN_DELAY', '0s', { min: 0, max: MINUTE }),
		access,
		webhookAllowPrivate: readAllowPrivate(env, access, { host, isDoor, broker }),
		defaultCurrency: readCurrency(env),
		retention: readDuration(env, 'RETENTION', '7d', { min: SECOND, max: 3650 * DAY }),
		logLevel: readOneOf(env, 'LOG_LEVEL', LOG_LEVELS, 'info'),
		logFormat: readOneOf(env, 'LOG_FORMAT', LOG_FORMATS, 'text'),
		tracing: readTracing(env, readFile),
		paymentProvider,
		stripe,
		providerTimeout: readDuration(env, 'PROVIDER_TIMEOUT', '5s', { min: 100, max: MINUTE }),
		sandboxLatency: readDuration(env, 'SANDBOX_LATENCY', '0ms', { min: 0, max: MINUTE }),
	});
}

function readServices(env: Environment): readonly ServiceName[] {
	const value = get(env, 'SERVICES');
	if (value === undefined) return [...SERVICE_NAMES];
	const services: ServiceName[] = [];
	for (const part of value.split(',')) {
		const service = SERVICE_NAMES.find((name) => name === part.trim());
		if (service === undefined || services.includes(service)) {
			throw refused('SERVICES', show(value), `a comma list, each at most once, of ${SERVICE_NAMES.join(', ')}`);
		}
		services.push(service);
	}
	return services;
}

function readPort(env: Environment, name: string): number | undefined {
	const value = get(env, name);
	if (value === undefined) return undefined;
	const port = /^(?:0|[1-9]\d{0,4})$/.test(value) ? Number(value) : Number.NaN;
	if (!(port <= 65_535)) throw refused(name, show(value), 'a whole number from 0 (any free port) to 65535');
	return port;
}

function readCurrency(env: Environment): string {
	const value = get(env, 'DEFAULT_CURRENCY') ?? 'USD';
	if (minorUnits(value) === undefined) {
		throw refused('DEFAULT_CURRENCY', show(value), 'an ISO 4217 code in upper case, such as USD, EUR or JPY');
	}
	return value;
}

/** Who moves money has to be let in by the provider. */
function requireForProvider(
	paymentProvider: Settings['paymentProvider'],
	services: readonly ServiceName[],
	key: unknown,
): void {
	if (paymentProvider !== 'stripe' || key !== undefined || !services.includes('settlement')) return;
	throw new SettingsError(
		'PAYMENT_PROVIDER="stripe" lacks its key; accepted: with it STRIPE_API_KEY or STRIPE_API_KEY_FILE, such as sk_test_…',
	);
}

/** An IP address, or a host name that the URL standard reads as itself (so never `127.1`, `999.0.0.1`, `host:80`). */
function readHost(env: Environment): string {
	const value = get(env, 'HOST') ?? '127.0.0.1';
	const isName =
		/^\w[\w-]*(?:\.\w[\w-]*)*\.?$/.test(value) && URL.parse(`http://${value}`)?.hostname === value.toLowerCase();
	if (isIP(value) === 0 && !isName) throw refused('HOST', show(value), 'an IP address or a host name, without a port');
	return value;
}

/** Processes that share the work need one database and one broker. */
function requireForParts(services: readonly ServiceName[], needed: Readonly<Record<string, unknown>>): void {
	const missing = Object.keys(needed).filter((name) => needed[name] === undefined);
	if (missing.length === 0) return;
	throw new SettingsError(
		`SERVICES=${show(services.join())} is a part of the services, which needs ${missing.join(' and ')} too; ` +
			'accepted: BROKER_URL and DATABASE_URL set, or SERVICES unset to run all in one process',
	);
}
