/**
 * Traces: the environment of OpenTelemetry (`OTEL_…`), as far as it is honoured here.
 * https://opentelemetry.io/docs/specs/otel/configuration/sdk-environment-variables/
 * https://opentelemetry.io/docs/specs/otel/protocol/exporter/
 */
import {
	type Environment,
	get,
	NotUnderstood,
	type ReadFile,
	readOneOf,
	readSecret,
	refused,
	show,
} from './reading.ts';

const PROTOCOLS = ['http/protobuf', 'http/json'] as const;
const COMPRESSIONS = ['none', 'gzip'] as const;
const SAMPLERS = [
	'always_on',
	'always_off',
	'traceidratio',
	'parentbased_always_on',
	'parentbased_always_off',
	'parentbased_traceidratio',
] as const;

/** Which traces are recorded: so many of those that begin here; `followsParent`: of others, what their beginning said. */
export interface Sampling {
	/** 0 to 1 */
	readonly ratio: number;
	readonly followsParent: boolean;
}

/** Where traces go, and how many. */
export interface TracingSettings {
	readonly protocol: (typeof PROTOCOLS)[number];
	/** with the path of traces */
	readonly url: string;
	/** Secrets may be among them. */
	readonly headers: Readonly<Record<string, string>>;
	/** for one export, in ms */
	readonly timeout: number;
	readonly sampling: Sampling;
	/** `OTEL_BSP_…`: spans that wait, spans of one export, and times in ms */
	readonly batch: {
		readonly queue: number;
		readonly size: number;
		readonly delay: number;
		readonly timeout: number;
	};
	/** `OTEL_SERVICE_NAME`; undefined if it is not given */
	readonly serviceName: string | undefined;
	/** `OTEL_RESOURCE_ATTRIBUTES` */
	readonly attributes: Readonly<Record<string, string>>;
}

const LONGEST = 2_147_483_647;
const PAIRS = 'a comma list of name=value, with %2C for a comma in a value';

/**
 * Undefined unless an endpoint says where traces go. All that is set is checked in any case. The variables with `TRACES`
 * in their names come before those without.
 */
export function readTracing(env: Environment, readFile: ReadFile): TracingSettings | undefined {
	const own = readUrl(env, 'OTEL_EXPORTER_OTLP_TRACES_ENDPOINT');
	const base = readUrl(env, 'OTEL_EXPORTER_OTLP_ENDPOINT');
	const url = own ?? (base && new URL('v1/traces', base.href.endsWith('/') ? base.href : `${base.href}/`));
	const size = readNumber(env, 'OTEL_BSP_MAX_EXPORT_BATCH_SIZE', 512, 1);
	const queue = readNumber(env, 'OTEL_BSP_MAX_QUEUE_SIZE', 2_048, 1);
	if (size > queue && get(env, 'OTEL_BSP_MAX_EXPORT_BATCH_SIZE') !== undefined) {
		throw refused('OTEL_BSP_MAX_EXPORT_BATCH_SIZE', String(size), `at most OTEL_BSP_MAX_QUEUE_SIZE, ${queue}`);
	}
	const settings: Omit<TracingSettings, 'url'> = {
		protocol: readOneOf(env, ofTraces(env, 'PROTOCOL'), PROTOCOLS, 'http/protobuf'),
		headers: {
			...readSecret(env, 'OTEL_EXPORTER_OTLP_HEADERS', HEADERS, readFile),
			...readSecret(env, 'OTEL_EXPORTER_OTLP_TRACES_HEADERS', HEADERS, readFile),
		},
		timeout: readNumber(env, ofTraces(env, 'TIMEOUT'), 10_000, 1),
		sampling: readSampling(env),
		batch: {
			...{ queue, size: Math.min(size, queue) },
			delay: readNumber(env, 'OTEL_BSP_SCHEDULE_DELAY', 5_000, 0),
			timeout: readNumber(env, 'OTEL_BSP_EXPORT_TIMEOUT', 30_000, 1),
		},
		serviceName: get(env, 'OTEL_SERVICE_NAME'),
		attributes: readAttributes(env),
	};
	// The exporter reads it by itself.
	readOneOf(env, ofTraces(env, 'COMPRESSION'), COMPRESSIONS, 'none');
	const isOff = readFlag(env, 'OTEL_SDK_DISABLED');
	const exporter = readOneOf(env, 'OTEL_TRACES_EXPORTER', ['otlp', 'none'], 'otlp');
	return url === undefined || isOff || exporter === 'none' ? undefined : { ...settings, url: url.href };
}

/** The variable for traces if it is set, else the one for all signals. */
function ofTraces(env: Environment, what: string): string {
	const name = `OTEL_EXPORTER_OTLP_TRACES_${what}`;
	return get(env, name) === undefined ? `OTEL_EXPORTER_OTLP_${what}` : name;
}

/** A password in a URL would be shown by whoever shows the URL. */
function readUrl(env: Environment, name: string): URL | undefined {
	const text = get(env, name);
	if (text === undefined) return undefined;
	const url = /^https?:\/\/[^\s@]+$/i.test(text) ? URL.parse(text) : null;
	if (url === null || url.hash !== '' || url.search !== '') {
		throw refused(name, show(text), 'http://… or https://… without user, password and query');
	}
	return url;
}

/** Negative numbers and infinity are refused, which the specification lets each SDK decide. */
function readNumber(env: Environment, name: string, otherwise: number, min: number): number {
	const text = get(env, name);
	if (text === undefined) return otherwise;
	const number = /^\d{1,10}$/.test(text) ? Number(text) : Number.NaN;
	if (!(number >= min && number <= LONGEST))
		throw refused(name, show(text), `a whole number from ${min} to ${LONGEST}`);
	return number;
}

function readFlag(env: Environment, name: string): boolean {
	const text = get(env, name) ?? 'false';
	if (!/^(?:true|false)$/i.test(text)) throw refused(name, show(text), 'true, false');
	return text.toLowerCase() === 'true';
}

function readSampling(env: Environment): Sampling {
	const sampler = readOneOf(env, 'OTEL_TRACES_SAMPLER', SAMPLERS, 'parentbased_always_on');
	const followsParent = sampler.startsWith('parentbased_');
	const text = get(env, 'OTEL_TRACES_SAMPLER_ARG') ?? '1';
	if (!sampler.endsWith('traceidratio')) return { ratio: sampler.endsWith('always_on') ? 1 : 0, followsParent };
	const ratio = /^(?:\d{1,20}\.?\d{0,20}|\.\d{1,20})(?:e-\d{1,2})?$/i.test(text) ? Number(text) : Number.NaN;
	if (!(ratio >= 0 && ratio <= 1)) throw refused('OTEL_TRACES_SAMPLER_ARG', show(text), 'a number from 0 to 1');
	return { ratio, followsParent };
}

const HEADERS = {
	parse: (text: string): Record<string, string> => {
		const headers = parsePairs(text);
		for (const [name, value] of Object.entries(headers)) {
			if (!/^[!#$%&'*+.^_`|~\w-]+$/.test(name)) throw new NotUnderstood('a name is not one of a header');
			if (!/^[\t -~]*$/.test(value)) throw new NotUnderstood('a value has characters that no header may have');
		}
		return headers;
	},
	accepted: PAIRS,
};

function readAttributes(env: Environment): Record<string, string> {
	const text = get(env, 'OTEL_RESOURCE_ATTRIBUTES');
	if (text === undefined) return {};
	try {
		return parsePairs(text);
	} catch (error) {
		if (!(error instanceof NotUnderstood)) throw error;
		throw refused('OTEL_RESOURCE_ATTRIBUTES', show(text), PAIRS, error.message);
	}
}

/** `name=value,…` as in the header `baggage` (W3C Baggage), without properties. */
function parsePairs(text: string): Record<string, string> {
	const pairs = text.split(',').filter((part) => part.trim() !== '');
	return Object.fromEntries(
		pairs.map((pair) => {
			const equals = pair.indexOf('=');
			const name = pair.slice(0, equals).trim();
			if (equals < 0 || name === '') throw new NotUnderstood('a part is not name=value');
			return [decoded(name), decoded(pair.slice(equals + 1).trim())];
		}),
	);
}

function decoded(text: string): string {
	try {
		return decodeURIComponent(text);
	} catch {
		throw new NotUnderstood('a percent sign is not followed by two digits');
	}
}
