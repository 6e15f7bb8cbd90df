/**
 * From a matched request to the parameters of its action. What the fields may hold is for the action's own schema; the
 * names and types of query values and the form of headers are read from the same schemas.
 */
import type { IncomingMessage } from 'node:http';
import { type Fault, invalid, malformed, ProblemError, pointerTo } from '../../../mixins/http/index.ts';
import { isUuid } from '../../../mixins/runtime/index.ts';
import { type Check, compile, type ObjectSchema, type Schema } from '../../../mixins/validation/index.ts';
import {
	AMEND_BODY,
	CREATE_BODY,
	HISTORY_QUERY,
	IDEMPOTENCY_KEY,
	LIST_PARAMS,
	REFUND_BODY,
} from '../../orders/params.ts';
import { DELIVERIES_QUERY, ENDPOINT_BODY, ENDPOINT_CHANGE, ENDPOINTS_QUERY } from '../../webhooks/params.ts';
import type { Params, Request } from '../types.ts';
import { PATCH_BODY, readJson, readOptionalJson } from './body.ts';
import { entityTags } from './conditions.ts';
import type { Action } from './routes.ts';

interface Query {
	readonly properties: Readonly<Record<string, Schema>>;
	readonly check: Check;
}

const queryOf = (schema: ObjectSchema): Query => ({ properties: schema.properties, check: compile(schema) });
const NOTHING = queryOf({ type: 'object', properties: {}, additionalProperties: false });
const LIST = queryOf(LIST_PARAMS);
const HISTORY = queryOf(HISTORY_QUERY);
const ENDPOINTS = queryOf(ENDPOINTS_QUERY);
const DELIVERIES = queryOf(DELIVERIES_QUERY);
const isKey = compile(IDEMPOTENCY_KEY);
const checkBody = compile(CREATE_BODY);
const checkAmend = compile(AMEND_BODY);
const checkRefund = compile(REFUND_BODY);
const checkEndpoint = compile(ENDPOINT_BODY);
const checkChange = compile(ENDPOINT_CHANGE);

/** What stands in the path, as it came. */
export interface Place {
	readonly id: string;
	readonly eventId?: string | undefined;
}

/** Throws 400 and 422 for what must not reach the action; the place and `query` are as they came. */
export async function paramsOf(
	action: Action,
	req: Request,
	{ id, eventId = '' }: Place,
	query: string,
): Promise<Params> {
	switch (action) {
		case 'orders.create':
			readQuery(query, NOTHING);
			return createParams(req);
		case 'orders.list':
			return readQuery(query, LIST);
		case 'orders.get':
			readQuery(query, NOTHING);
			return { id: uuid(id), ...conditions(req) };
		case 'orders.history': {
			const page = readQuery(query, HISTORY);
			return { ...page, id: uuid(id) };
		}
		case 'orders.amend':
			readQuery(query, NOTHING);
			return { ...(await amendParams(req)), id: uuid(id) };
		case 'orders.refund':
			readQuery(query, NOTHING);
			return { ...(await refundParams(req)), id: uuid(id) };
		case 'webhooks.create':
			readQuery(query, NOTHING);
			return checked(record((await readJson(req)).value), checkEndpoint);
		case 'webhooks.list':
			return readQuery(query, ENDPOINTS);
		case 'webhooks.update':
			readQuery(query, NOTHING);
			return { ...checked(record((await readJson(req, PATCH_BODY)).value), checkChange), id: uuid(id) };
		case 'webhooks.deliveries': {
			const page = readQuery(query, DELIVERIES);
			return { ...page, id: uuid(id) };
		}
		case 'webhooks.redeliver':
			await nothing(req, query);
			return { id: uuid(id), eventId: uuid(eventId) };
		default:
			await nothing(req, query);
			return { id: uuid(id) };
	}
}

/** Throws 422 for any query. */
export const refuseQuery = (query: string): void => void readQuery(query, NOTHING);

/** Neither a query nor a body; an empty object does no harm. */
async function nothing(req: IncomingMessage, query: string): Promise<void> {
	readQuery(query, NOTHING);
	const body = await readOptionalJson(req);
	if (body !== undefined) checked(record(body.value), NOTHING.check);
}

function checked(body: Params, check: Check): Params {
	const faults = faultsOf(body, check);
	if (faults.length > 0) throw new ProblemError(invalid(faults));
	return body;
}

/** The body's own object; throws 400 and 422 for what the schema does not let through. */
export async function bodyParams(req: IncomingMessage, schema: ObjectSchema): Promise<Params> {
	return checked(record((await readJson(req)).value), compile(schema));
}

/** The body's own object, with the amount as its exact text and the key from its header. */
async function createParams(req: IncomingMessage): Promise<Params> {
	const key = idempotencyKey(req);
	const { value, amount } = await readJson(req);
	const params = record(value);
	// The action takes both, the amount as a text as well; a body may have neither.
	if ((Object.hasOwn(params, 'amount') && amount === undefined) || Object.hasOwn(params, 'idempotencyKey')) {
		throw new ProblemError(invalid(faultsOf(params, checkBody)));
	}
	if (amount !== undefined) params.amount = amount;
	if (key !== undefined) params.idempotencyKey = key;
	return params;
}

/** The amount's exact text. */
async function amendParams(req: IncomingMessage): Promise<Params> {
	const { value, amount } = await readJson(req, PATCH_BODY);
	const faults = faultsOf(record(value), checkAmend);
	if (faults.length > 0) throw new ProblemError(invalid(faults));
	return { amount };
}

/** The body's own object, where there is one, with the amount as its exact text and the key from its header. */
async function refundParams(req: IncomingMessage): Promise<Params> {
	const key = idempotencyKey(req);
	const { value, amount } = (await readOptionalJson(req)) ?? { value: {} };
	const params = record(value);
	const faults = faultsOf(params, checkRefund);
	if (faults.length > 0) throw new ProblemError(invalid(faults));
	return {
		...params,
		...(amount === undefined ? {} : { amount }),
		...(key === undefined ? {} : { idempotencyKey: key }),
	};
}

/** All faults that the schema finds in a body. */
function faultsOf(body: Params, check: Check): Fault[] {
	const faults = check(body);
	return faults === true ? [] : faults.map(({ field, message }) => ({ pointer: pointerTo(field), detail: message }));
}

/** Node joins a repeated header with `, `, whose space no key has. */
function idempotencyKey(req: IncomingMessage): string | undefined {
	const key = req.headers['idempotency-key'];
	if (key === undefined) return undefined;
	if (typeof key === 'string' && isKey(key) === true) return key;
	throw new ProblemError(malformed('Idempotency-Key has to be one value of 1 to 255 visible ASCII characters.'));
}

/** A version in quotes is its entity tag; `*` is any. */
const versionOf = (tag: string): string => (tag === '*' ? tag : tag.slice(1, -1));

function conditions({ headers, $wait: wait }: Request): Params {
	const known = entityTags(headers['if-none-match'])?.map(versionOf);
	return { ...(known === undefined ? {} : { known }), ...(wait === undefined ? {} : { wait }) };
}

function uuid(id: string): string {
	const lower = id.toLowerCase();
	if (isUuid(lower)) return lower;
	throw new ProblemError(malformed('The id in the path is not a UUID.'));
}

/**
 * The action checks the values. If a field's name is wrong too, they are checked here, so that one answer names all
 * faults.
 */
function readQuery(query: string, { properties, check }: Query): Params {
	if (query === '') return {};
	const params: Params = {};
	const faults = new Map<string, string>();
	for (const [name, value] of new URLSearchParams(query)) {
		const schema = Object.hasOwn(properties, name) ? properties[name] : undefined;
		if (schema === undefined) faults.set(name, 'Unknown query parameter.');
		else if (Object.hasOwn(params, name)) faults.set(name, 'Given more than once.');
		else params[name] = fromText(value, schema);
	}
	if (faults.size > 0) {
		const wrong = check(params);
		for (const { field, message } of wrong === true ? [] : wrong) {
			if (!faults.has(field)) faults.set(field, message);
		}
		throw new ProblemError(invalid(Array.from(faults, ([parameter, detail]) => ({ parameter, detail }))));
	}
	return params;
}

/** A query has only texts; one that is no number stays a text, which the action's schema refuses. */
const fromText = (text: string, { type }: Schema): unknown =>
	type === 'integer' && /^-?\d{1,15}$/.test(text) ? Number(text) : text;

function record(value: unknown): Params {
	if (typeof value === 'object' && value !== null && !Array.isArray(value)) return value as Params;
	throw new ProblemError(invalid([{ pointer: '#', detail: 'The body has to be a JSON object.' }]));
}
