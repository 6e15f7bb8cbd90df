/** `OTEL_…`: where traces go, and how many. */
import { describe, expect, it } from '@jest/globals';
import { parseSettings, SettingsError } from '../../../mixins/settings/settings.ts';
import type { TracingSettings } from '../../../mixins/settings/tracing.ts';

type Env = Readonly<Record<string, string>>;

const ENDPOINT = { OTEL_EXPORTER_OTLP_ENDPOINT: 'http://collector:4318' };

const parse = (env: Env): TracingSettings | undefined => parseSettings(env, () => 'api-key=from%20a%20file\n').tracing;

function refusal(env: Env): string {
	try {
		parse(env);
	} catch (error) {
		if (error instanceof SettingsError) return error.message;
		throw error;
	}
	throw new Error(`accepted: ${JSON.stringify(env)}`);
}

describe('where traces go', () => {
	it.each<[Env, string]>([
		[ENDPOINT, 'http://collector:4318/v1/traces'],
		[{ OTEL_EXPORTER_OTLP_ENDPOINT: 'https://c.example/otlp' }, 'https://c.example/otlp/v1/traces'],
		[{ OTEL_EXPORTER_OTLP_ENDPOINT: 'https://c.example/otlp/' }, 'https://c.example/otlp/v1/traces'],
		[{ OTEL_EXPORTER_OTLP_TRACES_ENDPOINT: 'http://c:1/spans' }, 'http://c:1/spans'],
		[{ ...ENDPOINT, OTEL_EXPORTER_OTLP_TRACES_ENDPOINT: 'http://c:1' }, 'http://c:1/'],
	])('%j', (env, url) => expect(parse(env)?.url).toBe(url));

	it.each<Env>([
		{},
		{ OTEL_EXPORTER_OTLP_ENDPOINT: '' },
		{ OTEL_TRACES_SAMPLER: 'always_on', OTEL_SERVICE_NAME: 'shop' },
		{ ...ENDPOINT, OTEL_SDK_DISABLED: 'True' },
		{ ...ENDPOINT, OTEL_TRACES_EXPORTER: 'none' },
	])('nowhere with %j', (env) => expect(parse(env)).toBeUndefined());

	it.each([
		'collector:4318',
		'grpc://c',
		'http://',
		'http://u:secret@c',
		'http://c?key=secret',
		'http://c#a',
		'http://a b',
	])('%j is nowhere that can be understood', (url) => {
		const message = refusal({ OTEL_EXPORTER_OTLP_ENDPOINT: url });
		expect(message).toMatch(/^OTEL_EXPORTER_OTLP_ENDPOINT=.* is not understood; accepted: http:\/\/… or https:\/\/…/);
		expect(message).not.toContain('u:secret');
	});
});

describe('how', () => {
	it('as the specification says where nothing else is said', () => {
		expect(parse(ENDPOINT)).toEqual({
			protocol: 'http/protobuf',
			url: 'http://collector:4318/v1/traces',
			headers: {},
			timeout: 10_000,
			sampling: { ratio: 1, followsParent: true },
			batch: { queue: 2_048, size: 512, delay: 5_000, timeout: 30_000 },
			serviceName: undefined,
			attributes: {},
		});
	});

	it('what is said of traces counts more than what is said of all signals', () => {
		const env = {
			...ENDPOINT,
			...{ OTEL_EXPORTER_OTLP_PROTOCOL: 'http/protobuf', OTEL_EXPORTER_OTLP_TRACES_PROTOCOL: 'http/json' },
			...{ OTEL_EXPORTER_OTLP_TIMEOUT: '1000', OTEL_EXPORTER_OTLP_TRACES_TIMEOUT: '2000' },
			...{ OTEL_EXPORTER_OTLP_HEADERS: 'a=1,b=2', OTEL_EXPORTER_OTLP_TRACES_HEADERS: ' b = 3%2C4 ' },
		};
		expect(parse(env)).toMatchObject({ protocol: 'http/json', timeout: 2_000, headers: { a: '1', b: '3,4' } });
	});

	it('headers may come from a file', () => {
		expect(parse({ ...ENDPOINT, OTEL_EXPORTER_OTLP_HEADERS_FILE: '/run/h' })?.headers).toEqual({
			'api-key': 'from a file',
		});
	});

	it('the process can be given a name and attributes; batches their sizes', () => {
		const env = {
			...ENDPOINT,
			...{ OTEL_SERVICE_NAME: 'shop', OTEL_RESOURCE_ATTRIBUTES: 'deployment.environment.name=test,team=a%20b' },
			...{ OTEL_BSP_MAX_QUEUE_SIZE: '100', OTEL_BSP_SCHEDULE_DELAY: '0', OTEL_BSP_EXPORT_TIMEOUT: '900' },
		};
		expect(parse(env)).toMatchObject({
			serviceName: 'shop',
			attributes: { 'deployment.environment.name': 'test', team: 'a b' },
			batch: { queue: 100, size: 100, delay: 0, timeout: 900 },
		});
	});

	it.each<[string, string | undefined, number, boolean]>([
		['always_on', undefined, 1, false],
		['always_off', '0.5', 0, false],
		['traceidratio', '0.25', 0.25, false],
		['traceidratio', undefined, 1, false],
		['parentbased_always_on', undefined, 1, true],
		['parentbased_always_off', undefined, 0, true],
		['parentbased_traceidratio', '0', 0, true],
		['parentbased_traceidratio', '.01', 0.01, true],
		['parentbased_traceidratio', '1e-3', 0.001, true],
	])('%s of %s', (sampler, arg, ratio, followsParent) => {
		const env = {
			...ENDPOINT,
			OTEL_TRACES_SAMPLER: sampler,
			...(arg === undefined ? {} : { OTEL_TRACES_SAMPLER_ARG: arg }),
		};
		expect(parse(env)?.sampling).toEqual({ ratio, followsParent });
	});
});

describe('what is not understood stops the start with one line', () => {
	it.each<[string, string]>([
		['OTEL_EXPORTER_OTLP_PROTOCOL', 'grpc'],
		['OTEL_EXPORTER_OTLP_TRACES_PROTOCOL', 'http'],
		['OTEL_EXPORTER_OTLP_COMPRESSION', 'zstd'],
		['OTEL_EXPORTER_OTLP_TIMEOUT', '10s'],
		['OTEL_EXPORTER_OTLP_TRACES_ENDPOINT', 'nowhere'],
		['OTEL_TRACES_SAMPLER', 'jaeger_remote'],
		['OTEL_TRACES_EXPORTER', 'zipkin'],
		['OTEL_SDK_DISABLED', 'yes'],
		['OTEL_BSP_MAX_QUEUE_SIZE', '0'],
		['OTEL_BSP_SCHEDULE_DELAY', '-1'],
		['OTEL_RESOURCE_ATTRIBUTES', 'team'],
		['OTEL_RESOURCE_ATTRIBUTES', 'team=%'],
	])('%s=%s', (name, value) =>
		expect(refusal({ [name]: value })).toMatch(new RegExp(`^${name}=".*" is not understood.*$`)),
	);

	it.each(['2', '-1', 'half', '1/2'])('a ratio of %s', (value) => {
		const env = { OTEL_TRACES_SAMPLER: 'traceidratio', OTEL_TRACES_SAMPLER_ARG: value };
		expect(refusal(env)).toBe(`OTEL_TRACES_SAMPLER_ARG="${value}" is not understood; accepted: a number from 0 to 1`);
	});

	it('a batch that is longer than the queue', () => {
		expect(refusal({ OTEL_BSP_MAX_EXPORT_BATCH_SIZE: '20', OTEL_BSP_MAX_QUEUE_SIZE: '10' })).toContain(
			'at most OTEL_BSP',
		);
	});

	it.each(['secret', 'a b=secret', '=secret', 'a=secret%0d%0aX: y', 'a=%zz-secret'])(
		'headers, which are never shown: %j',
		(value) => {
			const message = refusal({ OTEL_EXPORTER_OTLP_HEADERS: value });
			expect(message).toMatch(/^OTEL_EXPORTER_OTLP_HEADERS=\(hidden\) is not understood/);
			expect(message).not.toContain('secret');
		},
	);
});
