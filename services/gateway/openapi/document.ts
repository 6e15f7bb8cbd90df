/**
 * The OpenAPI 3.1 document. Bodies, queries and headers are the same schema objects that requests are checked with
 * (`services/orders/params.ts`), paths those of the routes' table, codes those of the problems' table.
 */

import { PROBLEM_CODES, PROBLEM_TYPE, PROBLEMS, type ProblemCode, problemType } from '../../../mixins/http/index.ts';
import type { ObjectSchema, Schema } from '../../../mixins/validation/index.ts';
import { ID_PARAMS, IDEMPOTENCY_KEY, LAST_EVENT_ID, LONGEST_WAIT } from '../../orders/params.ts';
import { type Method, ROUTES } from '../http/routes.ts';
import { ENDPOINT_PARAMETERS } from './endpoint-operations.ts';
import { problemExample } from './examples.ts';
import { INTRODUCTION } from './introduction.ts';
import type { Body, HeaderName, Operation, ParameterName, Success } from './operation.ts';
import { OPERATIONS } from './operations.ts';
import { REQUESTS, ref, SCHEMAS } from './schemas.ts';

export interface DocumentOptions {
	/** requests need a token */
	readonly auth: boolean;
	/** where the operations are, from where the document is; beside it unless given */
	readonly server?: string;
}

type Json = Readonly<Record<string, unknown>>;

/** What every request can meet. */
const ALWAYS: readonly ProblemCode[] = [
	'Request.Malformed',
	'Request.Misdirected',
	'Request.Timeout',
	'Request.ExpectationFailed',
	'Request.HeadersTooLarge',
	'Server.Error',
	'Service.Unavailable',
	'Service.Overloaded',
	...PROBLEM_CODES.filter((code) => PROBLEMS[code].status === 429),
];
/** What every request that changes something can meet. */
const ON_CHANGE: readonly ProblemCode[] = ['Request.CrossSite', 'Request.TooLarge', 'Request.UnsupportedMediaType'];

/** What is not asked of who signs. */
const NOT_OF_A_SENDER: ReadonlySet<ProblemCode> = new Set(['Request.Misdirected', 'RateLimit.Exceeded']);

/** What every request that needs a token can meet. */
const ON_TOKENS = PROBLEM_CODES.filter((code) => code.startsWith('Auth.') && code !== 'Auth.ScopeMissing');

export function openApiDocument({ auth, server = '.' }: DocumentOptions): Json {
	const responses = new Map<string, Json>();
	const paths: Record<string, Record<string, unknown>> = {};
	for (const { method, path, destination } of ROUTES) {
		if (destination === 'reference/script' || destination === 'console/file') continue;
		const operation = operationOf(OPERATIONS[destination], { method, auth, responses });
		paths[path] = { ...paths[path], [method.toLowerCase()]: operation };
	}
	return {
		openapi: '3.1.1',
		info: {
			title: 'Protected Payment',
			version: '1.0.0',
			summary: 'Hold a payment, let the buyer cancel, then capture it and ship.',
			description: INTRODUCTION,
			license: { name: 'MIT', identifier: 'MIT' },
		},
		servers: [{ url: server, description: 'Where this document comes from' }],
		security: auth ? [{ bearer: [] }] : [],
		tags: [
			{ name: 'Orders', description: 'Creating, reading, and the word of the buyer.' },
			{
				name: 'Webhook endpoints',
				description: 'Shops that are told of events; for whoever has the scope `orders:admin`.',
			},
			{ name: 'Webhooks', description: 'From the payment provider; signed, and needs no token.' },
			{ name: 'Sandbox', description: 'Stands for the page of a bank; needs no token.' },
			{ name: 'Console', description: 'The page at `/console`, and what it asks for beside the orders.' },
			{ name: 'Health', description: 'For probes; needs no token.' },
			{ name: 'Metrics', description: 'For Prometheus.' },
			{ name: 'Documentation', description: 'Needs no token.' },
		],
		paths,
		components: {
			schemas: { ...SCHEMAS, ...REQUESTS },
			parameters: PARAMETERS,
			headers: auth ? { ...HEADERS, 'WWW-Authenticate': CHALLENGE } : HEADERS,
			responses: Object.fromEntries(responses),
			...(auth ? { securitySchemes: { bearer: BEARER } } : {}),
		},
	};
}

/** What needs no token. */
const OPEN: ReadonlySet<Operation['tag']> = new Set(['Webhooks', 'Sandbox', 'Health', 'Documentation']);

interface Surroundings {
	readonly method: Method;
	readonly auth: boolean;
	/** where shared responses are collected */
	readonly responses: Map<string, Json>;
}

function operationOf(operation: Operation, { method, auth, responses }: Surroundings): Json {
	const { id, tag, summary, description, parameters = [], query, body, successes, problems = [] } = operation;
	const isOpen = OPEN.has(tag) || id === 'console';
	const met = [
		...problems,
		...ALWAYS.filter((code) => tag !== 'Webhooks' || !NOT_OF_A_SENDER.has(code)),
		...(method === 'GET' ? [] : ON_CHANGE.filter((code) => tag !== 'Webhooks' || code === 'Request.TooLarge')),
		...(auth && !isOpen ? ON_TOKENS : []),
	].filter((code) => (auth ? code !== 'Request.Misdirected' : !code.startsWith('Auth.')));
	return {
		operationId: id,
		tags: [tag],
		summary,
		description,
		...(isOpen ? { security: [] } : {}),
		parameters: [
			...parameters.map((name) => ({ $ref: `#/components/parameters/${name}` })),
			...(query === undefined ? [] : queryOf(query)),
		],
		...(body === undefined ? {} : { requestBody: bodyOf(body) }),
		responses: {
			...problemResponses(met, responses),
			...Object.fromEntries(successes.map((success) => [success.status, successOf(success)])),
		},
	};
}

const bodyOf = ({ schema, examples, mediaTypes = [], required = true }: Body): Json => ({
	required,
	content: Object.fromEntries(
		['application/json', ...mediaTypes].map((type) => [
			type,
			{ schema: { $ref: `#/components/schemas/${schema}` }, examples },
		]),
	),
});

const queryOf = ({ properties }: ObjectSchema): Json[] =>
	Object.entries(properties).map(([name, { description, ...schema }]) => ({ name, in: 'query', description, schema }));

/** Every answer names its trace. */
const headersOf = (names: readonly HeaderName[]): Json =>
	Object.fromEntries(
		[...names, 'X-Request-Id' as const].map((name) => [name, { $ref: `#/components/headers/${name}` }]),
	);

function successOf({
	description,
	headers = [],
	schema,
	example,
	links,
	mediaType = 'application/json',
}: Success): Json {
	return {
		description,
		headers: headersOf(headers),
		...(schema === undefined ? {} : { content: { [mediaType]: { schema: ref(schema), example } } }),
		...(links === undefined ? {} : { links }),
	};
}

/** One response for each status, shared by all operations that meet the same codes there. */
function problemResponses(met: readonly ProblemCode[], responses: Map<string, Json>): Json {
	const byStatus = Map.groupBy(met, (code) => PROBLEMS[code].status);
	return Object.fromEntries(
		[...byStatus].map(([status, group]) => {
			const name = group.map((code) => code.replace('.', '')).join('-or-');
			if (!responses.has(name)) responses.set(name, problemResponse(status, group));
			return [status, { $ref: `#/components/responses/${name}` }];
		}),
	);
}

/** Header fields that belong to a status, for every code. */
const HEADERS_OF_STATUS: Readonly<Record<number, readonly HeaderName[]>> = {
	401: ['WWW-Authenticate'],
	429: ['Retry-After'],
	503: ['Retry-After'],
};

function problemResponse(status: number, group: readonly ProblemCode[]): Json {
	const examples = group.map((code) => [code, { summary: PROBLEMS[code].title, value: problemExample(code) }]);
	return {
		description: group.map((code) => `\`${code}\`: ${PROBLEMS[code].meaning}`).join('\n\n'),
		headers: headersOf(HEADERS_OF_STATUS[status] ?? []),
		content: { [PROBLEM_TYPE]: { schema: ref('Problem'), examples: Object.fromEntries(examples) } },
	};
}

const { description: whatId, ...idSchema } = ID_PARAMS.properties.id;

const PARAMETERS: Readonly<Record<ParameterName, Json>> = {
	Id: { name: 'id', in: 'path', required: true, description: whatId, schema: idSchema },
	...ENDPOINT_PARAMETERS,
	Slug: {
		name: 'slug',
		in: 'path',
		required: true,
		description: 'The end of a `type`.',
		schema: { type: 'string', enum: PROBLEM_CODES.map((code) => problemType(code).replace('/problems/', '')) },
	},
	'Idempotency-Key': {
		name: 'Idempotency-Key',
		in: 'header',
		description:
			'A name of your own for this request; it belongs to you for as long as `RETENTION`, 7 days unless configured.',
		schema: IDEMPOTENCY_KEY,
	},
	Page: {
		name: 'page',
		in: 'path',
		required: true,
		description: 'The name of the page, which is a secret of the buyer.',
		schema: { type: 'string', format: 'uuid' },
	},
	'If-None-Match': {
		name: 'If-None-Match',
		in: 'header',
		description: 'The `ETag` of what you have; RFC 9110, section 13.1.2.',
		schema: {
			type: 'string',
			pattern: '^(\\*|(W/)?"[!#-~]*"(, *(W/)?"[!#-~]*")*)$',
			examples: ['"3q2-7wAAAAAAAAAAAAAAAA"'],
		},
	},
	'Last-Event-ID': {
		name: 'Last-Event-ID',
		in: 'header',
		description: 'The `id` of the last event that you have read; what came after it follows. Opaque.',
		schema: LAST_EVENT_ID,
	},
	'Stripe-Signature': {
		name: 'Stripe-Signature',
		in: 'header',
		required: true,
		description: 'When it was signed, and the signatures: https://docs.stripe.com/webhooks/signature.',
		schema: {
			type: 'string',
			examples: ['t=1769890805,v1=5257a869e7ecebeda32affa62cdca3fa51cad7e77a0e56ff536d0ce8e108d8bd'],
		},
	},
	Prefer: {
		name: 'Prefer',
		in: 'header',
		description: `\`wait=N\`: how many seconds to wait for a change, at most ${LONGEST_WAIT}; RFC 7240.`,
		schema: { type: 'string', examples: ['wait=30'] },
	},
};

const text = (description: string, schema: Schema = { type: 'string' }): Json => ({ description, schema });

const HEADERS: Readonly<Record<Exclude<HeaderName, 'WWW-Authenticate'>, Json>> = {
	Date: text('The clock that decides over `pendingUntil`, in whole seconds (RFC 9110, section 6.6.1).'),
	ETag: text("A strong entity tag: another one whenever the answer's bytes are others."),
	Location: text('Where the answer leads: to what was made, or to the page.', {
		type: 'string',
		format: 'uri-reference',
	}),
	'Idempotent-Replayed': text('The answer is that of an earlier request with the same key.', {
		type: 'string',
		const: 'true',
	}),
	'Preference-Applied': text('The wait that was granted; absent where none was.', {
		type: 'string',
		pattern: '^wait=[0-9]+$',
	}),
	'Retry-After': text('Seconds after which to send the request again.', { type: 'integer', minimum: 1 }),
	'X-Request-Id': text('The trace of the request (W3C Trace Context), by which the operator finds it.', {
		type: 'string',
		pattern: '^[0-9a-f]{32}$',
	}),
};

const CHALLENGE = text('`Bearer`, with the reason as RFC 6750 names it.');

const BEARER = {
	type: 'http',
	scheme: 'bearer',
	bearerFormat: 'JWT',
	description: 'A token whose `sub` is the caller. With the scope `orders:admin` it sees and changes every order.',
};
