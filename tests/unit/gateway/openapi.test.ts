/** The document is valid, complete, and one with what checks the requests. */
import { afterAll, beforeAll, describe, expect, it } from '@jest/globals';
import { createConfig, lintFromString } from '@redocly/openapi-core';
import { Errors } from 'moleculer';
import { SECURITY_HEADERS } from '../../../mixins/http/headers.ts';
import { PROBLEMS } from '../../../mixins/http/problem-codes.ts';
import { CURRENCIES } from '../../../mixins/validation/currencies.ts';
import { type Check, compile, type Schema } from '../../../mixins/validation/json-schema.ts';
import { SUCCESS } from '../../../services/gateway/http/answer.ts';
import { ALIASES, ROUTES } from '../../../services/gateway/http/routes.ts';
import { openApiDocument } from '../../../services/gateway/openapi/document.ts';
import { OPERATIONS } from '../../../services/gateway/openapi/operations.ts';
import { REQUESTS } from '../../../services/gateway/openapi/schemas.ts';
import {
	AMEND_BODY,
	CREATE_BODY,
	CREATE_PARAMS,
	HISTORY_QUERY,
	ID_PARAMS,
	IDEMPOTENCY_KEY,
	LIST_PARAMS,
	REFUND_BODY,
} from '../../../services/orders/params.ts';
import { ID, type Stage, stage } from './fixtures.ts';

interface Media {
	readonly schema: Schema;
	readonly example?: unknown;
	readonly examples?: Readonly<Record<string, { readonly value: unknown }>>;
}

interface Answer {
	readonly $ref?: string;
	readonly headers?: Readonly<Record<string, unknown>>;
	readonly content?: Readonly<Record<string, Media>>;
}

interface Operation {
	readonly operationId: string;
	readonly security?: readonly unknown[];
	readonly parameters: readonly { readonly name?: string; readonly schema?: Schema }[];
	readonly requestBody?: { readonly content: Readonly<Record<string, Media>> };
	readonly responses: Readonly<Record<string, Answer>>;
}

interface Document {
	readonly openapi: string;
	readonly security: readonly unknown[];
	readonly paths: Readonly<Record<string, Readonly<Record<string, Operation>>>>;
	readonly components: {
		readonly schemas: Readonly<Record<string, Schema>>;
		readonly parameters: Readonly<Record<string, { readonly schema: Schema }>>;
		readonly responses: Readonly<Record<string, Answer>>;
		readonly securitySchemes?: unknown;
	};
}

const documentOf = (auth: boolean): Document => JSON.parse(JSON.stringify(openApiDocument({ auth })));
const plain = documentOf(false);
const operations = Object.entries(plain.paths).flatMap(([path, methods]) =>
	Object.entries(methods).map(([method, operation]) => ({ method: method.toUpperCase(), path, operation })),
);

/** Puts what a reference points to in its place. */
function resolved(value: unknown): unknown {
	if (Array.isArray(value)) return value.map(resolved);
	if (typeof value !== 'object' || value === null) return value;
	if ('$ref' in value) {
		const [, , kind = '', name = ''] = String(value.$ref).split('/');
		const found = (plain.components as unknown as Record<string, Record<string, unknown>>)[kind]?.[name];
		if (found === undefined) throw new Error(`nothing at ${value.$ref}`);
		return resolved(found);
	}
	return Object.fromEntries(Object.entries(value).map(([name, member]) => [name, resolved(member)]));
}

async function complaints(document: unknown): Promise<string[]> {
	// `/` has no other answer than where to go.
	const config = await createConfig({ extends: ['recommended-strict'], rules: { 'operation-2xx-response': 'off' } });
	const found = await lintFromString({ source: JSON.stringify(document), config });
	return found.map(({ severity, ruleId, message }) => `${severity} ${ruleId}: ${message}`);
}

describe('the document', () => {
	it.each([false, true])("pleases Redocly's linter, which is not pleased by everything (tokens: %s)", async (auth) => {
		const document = documentOf(auth);
		expect(document.openapi).toMatch(/^3\.1\./);
		expect(await complaints(document)).toEqual([]);
		const broken = { ...document, paths: { '/orders/{id}': { get: { responses: { 200: {} } } } } };
		expect((await complaints(broken)).length).toBeGreaterThan(3);
	});

	it('has every route, and no other', () => {
		const routes = ROUTES.filter(({ destination }) => !/^(reference\/script|console\/file)$/.test(destination));
		expect(operations.map(({ method, path }) => `${method} ${path}`).sort()).toEqual(
			routes.map(({ method, path }) => `${method} ${path}`).sort(),
		);
		for (const action of Object.values(ALIASES)) {
			expect([action, OPERATIONS[action].successes[0]?.status]).toEqual([action, SUCCESS[action] ?? 200]);
		}
	});

	it('has every code, each where its status is', () => {
		const met = new Map<string, number>();
		for (const auth of [false, true]) {
			for (const [name, response] of Object.entries(documentOf(auth).components.responses)) {
				const examples = response.content?.['application/problem+json']?.examples ?? {};
				expect([name, Object.keys(examples).length > 0]).toEqual([name, true]);
				for (const [code, { value }] of Object.entries(examples)) {
					expect(value).toMatchObject({ code });
					met.set(code, (value as { status: number }).status);
				}
			}
		}
		// Answers to requests that are no operation of the document.
		met.set('Route.NotFound', 404).set('Route.MethodNotAllowed', 405);
		expect(Object.fromEntries(met)).toEqual(
			Object.fromEntries(Object.entries(PROBLEMS).map(([code, { status }]) => [code, status])),
		);
	});

	it('has examples that its own schemas take', () => {
		let count = 0;
		const checks = new Map<string, Check>();
		const hold = ({ schema, example, examples = {} }: Media): void => {
			const whole = resolved(schema) as Schema;
			const check = checks.get(JSON.stringify(whole)) ?? compile(whole);
			checks.set(JSON.stringify(whole), check);
			const values = [
				...(example === undefined ? [] : [example]),
				...Object.values(examples).map(({ value }) => value),
			];
			for (const value of values) {
				expect([value, check(structuredClone(value))]).toEqual([value, true]);
				count += 1;
			}
			for (const value of schema.examples ?? []) expect([value, check(value)]).toEqual([value, true]);
		};
		for (const { operation } of operations) {
			const answers = Object.values(operation.responses).map((answer) => resolved(answer) as Answer);
			for (const { content = {} } of [...answers, operation.requestBody ?? {}]) Object.values(content).forEach(hold);
		}
		for (const { schema } of Object.values(plain.components.parameters)) hold({ schema });
		for (const { properties } of Object.values(REQUESTS)) {
			for (const schema of Object.values<Schema>(properties)) hold({ schema });
		}
		expect(count).toBeGreaterThan(40);
	});

	it('holds nothing on which generators of clients fail or lose money', () => {
		const found: { readonly at: string; readonly schema: Schema }[] = [];
		const walk = (value: unknown, at: string): void => {
			if (typeof value !== 'object' || value === null || /\/examples?\b/.test(at)) return;
			found.push({ at, schema: value as Schema });
			for (const [name, member] of Object.entries(value)) walk(member, `${at}/${name}`);
		};
		walk(plain, '#');
		const where = (test: (schema: Schema) => boolean) => found.filter(({ schema }) => test(schema)).map(({ at }) => at);
		// Without a format Go reads a number as a float32, which has seven digits.
		expect(where(({ type, format }) => type === 'number' && format !== 'double')).toEqual([]);
		expect(where((schema) => 'exclusiveMinimum' in schema || 'exclusiveMaximum' in schema)).toEqual([]);
		// Go's RE2 and PHP's PCRE2 know neither of these.
		expect(where(({ pattern }) => typeof pattern === 'string' && /\\[uULlFN]|\(\?<?[=!]/.test(pattern))).toEqual([]);
		// The constructor of Order is called NewOrder in Go.
		const names = Object.keys(plain.components.schemas);
		expect(names.filter((name) => name.startsWith('New') && names.includes(name.slice(3)))).toEqual([]);
	});

	it('asks for a token where one is needed, and there alone', () => {
		const { paths, security, components } = documentOf(true);
		expect(components.securitySchemes).toMatchObject({ bearer: { type: 'http', scheme: 'bearer' } });
		expect(security).toEqual([{ bearer: [] }]);
		for (const [path, methods] of Object.entries(paths)) {
			for (const operation of Object.values(methods)) {
				const guarded = /^\/(orders|metrics|webhook-endpoints|console\/api)/.test(path);
				expect([path, operation.security]).toEqual([path, guarded ? undefined : []]);
				expect([path, '401' in operation.responses]).toEqual([path, guarded]);
			}
		}
		expect(plain.components.securitySchemes).toBeUndefined();
	});
});

describe('one source', () => {
	it('is what the actions and the gateway check with', () => {
		// The amount's text and the list of currencies are checked beside the schema, since both outlive it.
		const { amount: _text, currency: _code, idempotencyKey, ...checked } = CREATE_PARAMS.properties;
		const { amount, currency, ...shown } = CREATE_BODY.properties;
		expect(
			Object.entries(shown).map(([name, schema]) => [name, Object.is(schema, Reflect.get(checked, name))]),
		).toEqual(Object.keys(checked).map((name) => [name, true]));
		expect([amount.type, currency.enum]).toEqual(['number', CURRENCIES]);
		expect(IDEMPOTENCY_KEY).toBe(idempotencyKey);
		expect(CREATE_BODY.required).toBe(CREATE_PARAMS.required);
	});

	it('is what the document shows', () => {
		const { schemas, parameters } = plain.components;
		const { description, ...id } = ID_PARAMS.properties.id;
		expect(schemas).toMatchObject({ OrderRequest: CREATE_BODY, AmendRequest: AMEND_BODY, RefundRequest: REFUND_BODY });
		expect(parameters['Idempotency-Key']?.schema).toEqual(IDEMPOTENCY_KEY);
		expect(parameters.Id).toMatchObject({ description, schema: id });
		const queryAt = (path: string) =>
			plain.paths[path]?.get?.parameters.flatMap(({ name, schema }) => (name === undefined ? [] : [[name, schema]]));
		for (const [path, { properties }] of [
			['/orders', LIST_PARAMS],
			['/orders/{id}/history', HISTORY_QUERY],
		] as const) {
			const schemaOf = ({ description: _, ...schema }: Schema) => schema;
			expect(queryAt(path)).toEqual(Object.entries(properties).map(([name, schema]) => [name, schemaOf(schema)]));
		}
	});

	describe('over HTTP', () => {
		let on: Stage;
		let served: Document;
		beforeAll(async () => {
			on = await stage();
			served = (await (await fetch(`${on.url}/openapi.json`)).json()) as Document;
		});
		afterAll(() => on.broker.stop());

		const create = (body: unknown): Promise<Response> =>
			fetch(`${on.url}/orders`, {
				method: 'POST',
				body: JSON.stringify(body),
				headers: { 'content-type': 'application/json' },
			});

		/** Values just within and just beyond each limit that a schema names. */
		function around({ type, minLength, maxLength, minimum, maximum, enum: values }: Schema) {
			const good: unknown[] = [];
			const bad: unknown[] = [type === 'string' ? 'a\u0000' : 'text'];
			if (maxLength !== undefined) {
				good.push('x'.repeat(maxLength));
				bad.push('x'.repeat(maxLength + 1));
			}
			if (minLength !== undefined) bad.push('x'.repeat(minLength - 1));
			if (minimum !== undefined) bad.push(minimum - 1);
			if (maximum !== undefined) bad.push(maximum + 1);
			if (minimum !== undefined && maximum !== undefined) good.push(minimum, maximum);
			if (values !== undefined) good.push(...values);
			return { good, bad };
		}

		async function holds(schema: Schema, success: number, send: (value: unknown) => Promise<Response>): Promise<void> {
			const { good, bad } = around(schema);
			const statusOf = async (value: unknown) => [value, (await send(value)).status];
			expect(await Promise.all(good.map(statusOf))).toEqual(good.map((value) => [value, success]));
			expect(await Promise.all(bad.map(statusOf))).toEqual(bad.map((value) => [value, 422]));
		}

		it('the body is taken and refused as the document says', async () => {
			const { properties = {}, required = [] } = served.components.schemas.OrderRequest ?? {};
			const tea = { productName: 'Tea', amount: 1 };
			expect(Object.keys(properties)).toEqual(Object.keys(CREATE_BODY.properties));
			for (const [name, schema] of Object.entries(properties)) {
				if (name === 'amount') continue; // of its limits the money itself decides
				await holds(schema, 201, (value) => create({ ...tea, [name]: value }));
			}
			for (const name of required) expect((await create({ ...tea, [name]: undefined })).status).toBe(422);
			expect((await create({ ...tea, unknown: 1 })).status).toBe(422);
		});

		it('every header of an answer is in the document, beside what HTTP itself has', async () => {
			const common = [
				...Object.keys(SECURITY_HEADERS),
				'Connection',
				'Content-Length',
				'Content-Type',
				'Date',
				'Keep-Alive',
			];
			const plainly = new Set(common.map((name) => name.toLowerCase()));
			const id = ID;
			const refused = (code: string, status: number) => () => {
				throw new Errors.MoleculerClientError('No.', status, code);
			};
			const late = (): never => {
				throw new Errors.MoleculerServerError('Not now.', 503, 'NOT_NOW');
			};
			const asked: readonly [
				method: 'get' | 'post' | 'patch',
				path: string,
				status: number,
				answer?: Parameters<Stage['once']>[0],
			][] = [
				['post', '/orders', 422],
				['get', '/orders', 200],
				['get', '/orders/{id}', 200],
				['get', '/orders/{id}', 404, refused('Orders.NotFound', 404)],
				['get', '/orders/{id}', 429, refused('RateLimit.Exceeded', 429)],
				['get', '/orders/{id}', 503, late],
				['get', '/orders/{id}/history', 200],
				['post', '/orders/{id}/cancel', 202],
				['post', '/orders/{id}/hold', 409, refused('Orders.WindowClosed', 409)],
				['patch', '/orders/{id}', 200],
				['post', '/orders/{id}/refunds', 201],
				['get', '/orders/{id}/refunds', 200],
				['get', '/health/live', 200],
				['get', '/health/ready', 200],
				['get', '/metrics', 200],
			];
			const headers = { 'content-type': 'application/json' };
			for (const [method, path, status, answer] of asked) {
				if (answer !== undefined) on.once(answer);
				const res = await fetch(`${on.url}${path.replace('{id}', id)}`, {
					method,
					...(path === '/orders' && method === 'post' ? { body: '{}', headers } : {}),
					...(method === 'patch' ? { method: 'PATCH', body: '{"amount":1}', headers } : {}),
				});
				expect([path, res.status]).toEqual([path, status]);
				const response = resolved(served.paths[path]?.[method]?.responses[status]) as Answer;
				const documented = new Set(Object.keys(response.headers ?? {}).map((name) => name.toLowerCase()));
				expect([path, documented.has('x-request-id')]).toEqual([path, true]);
				const sent = [...res.headers.keys()].filter((name) => !plainly.has(name));
				expect([path, sent.filter((name) => !documented.has(name))]).toEqual([path, []]);
			}
		});

		it('a refusal for want of a token says in the document how to come again', () => {
			const { paths, components } = documentOf(true);
			const name = paths['/orders']?.get?.responses[401]?.$ref?.split('/').at(-1) ?? '';
			const response = components.responses[name];
			expect(Object.keys(response?.headers ?? {})).toContain('WWW-Authenticate');
		});

		it('so are the query and the key', async () => {
			for (const { name = '', schema = {} } of served.paths['/orders']?.get?.parameters ?? []) {
				await holds(schema, 200, (value) =>
					fetch(`${on.url}/orders?${new URLSearchParams({ [name]: String(value) })}`),
				);
			}
			const { maxLength = 0, pattern = '' } = served.components.parameters['Idempotency-Key']?.schema ?? {};
			expect(new RegExp(pattern, 'u').test('a b')).toBe(false);
			for (const [key, status] of [
				['x'.repeat(maxLength), 201],
				['x'.repeat(maxLength + 1), 400],
				['a b', 400],
			] as const) {
				const answer = await fetch(`${on.url}/orders`, {
					method: 'POST',
					body: '{"productName":"Tea","amount":1}',
					headers: { 'content-type': 'application/json', 'idempotency-key': key },
				});
				expect(answer.status).toBe(status);
			}
		});
	});
});
