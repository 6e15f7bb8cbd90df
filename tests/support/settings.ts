/** Settings read from variables and from files of the test's own. */
import { inspect } from 'node:util';
import { parseSettings, type Settings, SettingsError } from '../../mixins/settings/settings.ts';

export type Env = Readonly<Record<string, string>>;

export const URL_TEXT = 'postgres://app:s3cret@db.example:5432/orders?sslmode=require';
export const ADDRESS = { host: 'db.example', port: 5432, user: 'app', password: 's3cret', database: 'orders', tls: {} };
export const BROKER_TEXT = 'amqps://app:s3cret@mq.example/orders';
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

export const parse = (env: Env): Settings => parseSettings(env, readFile);

/** The error of bad settings. */
export function failure(env: Env, read = readFile): SettingsError {
	try {
		parseSettings(env, read);
	} catch (error) {
		if (error instanceof SettingsError) return error;
		throw error;
	}
	throw new Error(`accepted: ${inspect(env)}`);
}

/** Every variable that there is. */
export const VARIABLES = [
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
