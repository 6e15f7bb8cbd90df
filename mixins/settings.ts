/** The process's settings: read from the environment once, checked in full, frozen. See the table in the README. */
import { readFileSync } from 'node:fs';
import { BlockList, isIP } from 'node:net';
import { resolve } from 'node:path';
import { BROKER_URL_FORMS, type BrokerUrl, parseBrokerUrl } from './brokers/broker-url.ts';
import { minorUnits } from './currencies.ts';

/** The services that a process can run, in the order in which they are started by default. */
export const SERVICE_NAMES = ['gateway', 'orders', 'outbox-relay', 'settlement', 'shipping'] as const;
export type ServiceName = (typeof SERVICE_NAMES)[number];

/** From the fewest lines to the most. */
export const LOG_LEVELS = ['fatal', 'error', 'warn', 'info', 'debug', 'trace'] as const;
export type LogLevel = (typeof LOG_LEVELS)[number];

/** All that can be set from outside; deeply frozen. Every duration is a whole number of milliseconds. */
export interface Settings {
	/** `SERVICES`: what this process runs, each name once, in the order given. */
	readonly services: readonly ServiceName[];
	/** `DATABASE_URL`, or the embedded PostgreSQL in `dataDir`. The URL is a secret: never log it. */
	readonly database:
		| { readonly kind: 'embedded'; readonly dataDir: string }
		| { readonly kind: 'url'; readonly url: string };
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
	/** `DEFAULT_CURRENCY`: ISO 4217 code of an order that names none. */
	readonly defaultCurrency: string;
	/** `RETENTION` in ms: how long sent outbox rows, idempotency keys and inbox rows are kept. */
	readonly retention: number;
	/** `LOG_LEVEL`. */
	readonly logLevel: LogLevel;
	/** `PAYMENT_PROVIDER`. */
	readonly paymentProvider: 'sandbox';
	/** `PROVIDER_TIMEOUT` in ms: how long one call to the payment provider or the parcel service may take. */
	readonly providerTimeout: number;
	/** `SANDBOX_LATENCY` in ms: how long each call to the sandbox takes (for trials). */
	readonly sandboxLatency: number;
}

/** A setting that stops the start. The message is one line: name, value (never a secret's), what is accepted. */
export class SettingsError extends Error {
	override readonly name = 'SettingsError';
}

const UNIT_MS = { d: 86_400_000, h: 3_600_000, m: 60_000, s: 1000, ms: 1 } as const;

/**
 * Milliseconds of a duration such as `250ms`, `90s`, `10m`, `1.5h` or `7d`: one number, one unit, nothing else.
 * Exact: `undefined` for all other text and for what is not a whole number of milliseconds.
 */
export function parseDuration(text: string): number | undefined {
	const match = /^(?<whole>\d{1,16})(?:\.(?<decimals>\d{1,16}))?(?<unit>ms|[smhd])$/.exec(text);
	if (!match?.groups) return undefined;
	const { whole = '', decimals = '', unit } = match.groups;
	const scaled = BigInt(whole + decimals) * BigInt(UNIT_MS[unit as keyof typeof UNIT_MS]);
	const scale = 10n ** BigInt(decimals.length);
	const ms = Number(scaled / scale);
	return scaled % scale === 0n && Number.isSafeInteger(ms) ? ms : undefined;
}

/** The shortest text that `parseDuration` reads as `ms`, in the largest unit that fits: `10m`, `90s`, `7d`, `0ms`. */
export function formatDuration(ms: number): string {
	if (!Number.isSafeInteger(ms) || ms < 0) throw new RangeError(`not a whole number of milliseconds: ${ms}`);
	const [unit, size] = Object.entries(UNIT_MS).find(([, length]) => ms > 0 && ms % length === 0) ?? ['ms', 1];
	return `${ms / size}${unit}`;
}

interface DurationRange {
	/** The least that is accepted, ms. */
	readonly min: number;
	/** The most that is accepted, ms. */
	readonly max: number;
}

/** What `CANCELLATION_WINDOW`, and an order's own `cancellationWindow`, may be: 1 s to 7 d. */
export const CANCELLATION_WINDOW_RANGE: DurationRange = Object.freeze({ min: UNIT_MS.s, max: 7 * UNIT_MS.d });

const HIDDEN = '(hidden)';
const POSTGRES_URL = 'a URL postgres://… or postgresql://…';

/** What the contract names and later versions bring; here any value stops the start. `true`: a secret. */
const LATER: Readonly<Record<string, boolean>> = {
	STRIPE_API_KEY: true,
	STRIPE_API_KEY_FILE: false,
	STRIPE_API_BASE: false,
	AUTH_JWKS_URL: false,
	AUTH_JWT_SECRET: true,
	AUTH_JWT_SECRET_FILE: false,
	AUTH_ISSUER: false,
	AUTH_AUDIENCE: false,
	TRUST_PROXY: false,
};

const LOOPBACK = new BlockList();
LOOPBACK.addSubnet('127.0.0.0', 8, 'ipv4');
LOOPBACK.addAddress('::1', 'ipv6');

type Environment = Readonly<Record<string, string | undefined>>;

/**
 * Reads and checks all settings; an empty variable counts as not set. Throws a `SettingsError` for the first one
 * that is not understood, or that asks for what this version does not have.
 * `readFile` gives the text of the file that a `…_FILE` variable names.
 */
export function parseSettings(
	env: Environment,
	readFile: (path: string) => string = (path) => readFileSync(path, 'utf8'),
): Settings {
	for (const [name, secret] of Object.entries(LATER)) {
		const value = get(env, name);
		if (value !== undefined) throw unsupported(name, secret ? HIDDEN : show(value));
	}
	const services = readServices(env);
	const dataDir = resolve(get(env, 'DATA_DIR') ?? '.data');
	const url = readSecret(env, 'DATABASE_URL', { parse: parsePostgresUrl, accepted: POSTGRES_URL }, readFile);
	const broker = readSecret(env, 'BROKER_URL', { parse: parseBrokerUrl, accepted: BROKER_URL_FORMS }, readFile);
	if (services.length < SERVICE_NAMES.length) requireForParts(services, { BROKER_URL: broker, DATABASE_URL: url });
	const host = readHost(env);
	readOff(env, 'AUTH', { on: /^jwt$/, otherwise: 'jwt' }, host);
	readOff(env, 'RATE_LIMIT', { on: /^\d+\/[sm]$/, otherwise: '100/s' }, host);
	return Object.freeze<Settings>({
		services: Object.freeze(services),
		database: Object.freeze(url === undefined ? { kind: 'embedded', dataDir } : { kind: 'url', url }),
		dataDir,
		migrate: readOneOf(env, 'MIGRATE', ['on', 'off'], services.length === SERVICE_NAMES.length ? 'on' : 'off') === 'on',
		broker,
		cancellationWindow: readDuration(env, 'CANCELLATION_WINDOW', '10m', CANCELLATION_WINDOW_RANGE),
		holdLimit: readDuration(env, 'HOLD_LIMIT', '24h', { min: UNIT_MS.s, max: 7 * UNIT_MS.d }),
		http: Object.freeze({ host, port: readPort(env, 'PORT') ?? 5300 }),
		metricsPort: readPort(env, 'METRICS_PORT'),
		defaultCurrency: readCurrency(env),
		retention: readDuration(env, 'RETENTION', '7d', { min: UNIT_MS.s, max: 3650 * UNIT_MS.d }),
		logLevel: readOneOf(env, 'LOG_LEVEL', LOG_LEVELS, 'info'),
		paymentProvider: readPaymentProvider(env),
		providerTimeout: readDuration(env, 'PROVIDER_TIMEOUT', '5s', { min: 100, max: UNIT_MS.m }),
		sandboxLatency: readDuration(env, 'SANDBOX_LATENCY', '0ms', { min: 0, max: UNIT_MS.m }),
	});
}

function get(env: Environment, name: string): string | undefined {
	return env[name] || undefined;
}

/** A value as one short line: control characters and line breaks escaped, a URL's user and password left out. */
function show(value: string): string {
	const text = value.replace(/\/\/.*@/s, `//${HIDDEN}@`);
	const short = text.length > 100 ? `${text.slice(0, 100)}…` : text;
	return JSON.stringify(short).replace(
		/[\u007f-\u009f\u2028\u2029]/g,
		(character) => `\\u${character.charCodeAt(0).toString(16).padStart(4, '0')}`,
	);
}

function refused(name: string, shown: string, accepted: string): SettingsError {
	return new SettingsError(`${name}=${shown} is not understood; accepted: ${accepted}`);
}

function unsupported(name: string, shown: string, instead = 'leave it unset'): SettingsError {
	return new SettingsError(`${name}=${shown} is not supported by this version; ${instead}`);
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

function readOneOf<T extends string>(env: Environment, name: string, accepted: readonly T[], otherwise: T): T {
	const value = get(env, name) ?? otherwise;
	const known = accepted.find((candidate) => candidate === value);
	if (known === undefined) throw refused(name, show(value), accepted.join(', '));
	return known;
}

function readDuration(env: Environment, name: string, otherwise: string, { min, max }: DurationRange): number {
	const value = get(env, name) ?? otherwise;
	const ms = parseDuration(value);
	if (ms === undefined || ms < min || ms > max) {
		const range = `${formatDuration(min)} to ${formatDuration(max)}`;
		throw refused(name, show(value), `${range}, in whole milliseconds, written like 250ms, 90s, 10m, 1.5h or 7d`);
	}
	return ms;
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

function readPaymentProvider(env: Environment): 'sandbox' {
	if (get(env, 'PAYMENT_PROVIDER') === 'stripe') throw unsupported('PAYMENT_PROVIDER', show('stripe'));
	return readOneOf(env, 'PAYMENT_PROVIDER', ['sandbox'], 'sandbox');
}

/** An IP address, or a host name that the URL standard reads as itself (so never `127.1`, `999.0.0.1`, `host:80`). */
function readHost(env: Environment): string {
	const value = get(env, 'HOST') ?? '127.0.0.1';
	const isName =
		/^\w[\w-]*(?:\.\w[\w-]*)*\.?$/.test(value) && URL.parse(`http://${value}`)?.hostname === value.toLowerCase();
	if (isIP(value) === 0 && !isName) throw refused('HOST', show(value), 'an IP address or a host name, without a port');
	return value;
}

function isLoopback(host: string): boolean {
	const family = isIP(host);
	return family === 0 ? host.toLowerCase() === 'localhost' : LOOPBACK.check(host, family === 6 ? 'ipv6' : 'ipv4');
}

/** Checks a safeguard that this version cannot switch on: on a host that others reach, `off` has to be spelt out. */
function readOff(env: Environment, name: string, later: { on: RegExp; otherwise: string }, host: string): void {
	const value = get(env, name);
	if (value === 'off') return;
	if (value !== undefined && !later.on.test(value)) throw refused(name, show(value), 'off');
	if (value !== undefined)
		throw unsupported(name, show(value), isLoopback(host) ? 'leave it unset' : `set ${name}=off`);
	if (!isLoopback(host)) {
		throw new SettingsError(
			`HOST=${show(host)} is not loopback, where ${name} is ${later.otherwise} unless set, ` +
				`and that is not supported by this version; accepted: ${name}=off spelt out, or a loopback HOST`,
		);
	}
}

/** Processes that share the work meet in one database and find each other through one broker. */
function requireForParts(services: readonly ServiceName[], needed: Readonly<Record<string, unknown>>): void {
	const missing = Object.keys(needed).filter((name) => needed[name] === undefined);
	if (missing.length === 0) return;
	throw new SettingsError(
		`SERVICES=${show(services.join())} is a part of the services, which needs ${missing.join(' and ')} too; ` +
			'accepted: BROKER_URL and DATABASE_URL set, or SERVICES unset to run all in one process',
	);
}

interface SecretForm<T> {
	readonly parse: (text: string) => T | undefined;
	readonly accepted: string;
}

/** The variable, or the content of the file that `…_FILE` names. No cause is kept: it would hold the secret. */
function readSecret<T>(
	env: Environment,
	name: string,
	{ parse, accepted }: SecretForm<T>,
	readFile: (path: string) => string,
): T | undefined {
	const value = get(env, name);
	const path = get(env, `${name}_FILE`);
	if (path === undefined) {
		const parsed = value === undefined ? undefined : parse(value);
		if (value !== undefined && parsed === undefined) throw refused(name, HIDDEN, accepted);
		return parsed;
	}
	if (value !== undefined) {
		throw new SettingsError(`${name}=${HIDDEN} and ${name}_FILE=${show(path)} are both set; accepted: one of them`);
	}
	const parsed = parse(readSecretFile(`${name}_FILE`, path, readFile));
	if (parsed === undefined) {
		throw refused(`${name}_FILE`, `${show(path)} with content ${HIDDEN}`, `a file with ${accepted}`);
	}
	return parsed;
}

function parsePostgresUrl(text: string): string | undefined {
	return /^postgres(?:ql)?:\/\/\S+$/.test(text) && URL.canParse(text) ? text : undefined;
}

function readSecretFile(name: string, path: string, readFile: (path: string) => string): string {
	try {
		return readFile(path).replace(/\r?\n$/, '');
	} catch (error) {
		const code = typeof error === 'object' && error !== null && 'code' in error ? String(error.code) : '';
		const reason = /^E[A-Z0-9]{2,15}$/.test(code) ? ` (${code})` : '';
		throw new SettingsError(`${name}=${show(path)} cannot be read${reason}; accepted: the path of a readable file`);
	}
}
