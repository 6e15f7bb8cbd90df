/** From a matched request to the parameters of its action. What the fields may hold is for the action's own schema. */
import type { IncomingMessage } from 'node:http';
import { hasBody, readJson } from './body.ts';
import { type Fault, invalid, malformed, ProblemError, pointerTo } from './problem.ts';
import type { OrderAction } from './routes.ts';

export type Params = Record<string, unknown>;

const UUID = /^[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}$/i;
const LIST_QUERY: ReadonlySet<string> = new Set(['status', 'limit', 'cursor']);
const NO_QUERY: ReadonlySet<string> = new Set();

/** Throws 400 and 422 for what must not reach the action; `id` and `query` are as they came. */
export async function paramsOf(action: OrderAction, req: IncomingMessage, id: string, query: string): Promise<Params> {
	switch (action) {
		case 'orders.create':
			readQuery(query, NO_QUERY);
			return createParams(req);
		case 'orders.list':
			return readQuery(query, LIST_QUERY);
		case 'orders.get':
		case 'orders.history':
			readQuery(query, NO_QUERY);
			return { id: uuid(id) };
		default:
			readQuery(query, NO_QUERY);
			if (hasBody(req)) refuseMembers(record((await readJson(req)).value));
			return { id: uuid(id) };
	}
}

/** The body's own object, with the amount as its exact text and the key from its header. */
async function createParams(req: IncomingMessage): Promise<Params> {
	const key = idempotencyKey(req);
	const { value, amount } = await readJson(req);
	const params = record(value);
	const faults: Fault[] = [];
	if (Object.hasOwn(params, 'amount') && amount === undefined) {
		faults.push({ pointer: '#/amount', detail: 'The amount has to be a JSON number.' });
	}
	if (Object.hasOwn(params, 'idempotencyKey')) {
		faults.push({ pointer: '#/idempotencyKey', detail: 'Unknown field.' });
	}
	if (faults.length > 0) throw new ProblemError(invalid(faults));
	if (amount !== undefined) params.amount = amount;
	if (key !== undefined) params.idempotencyKey = key;
	return params;
}

/** 1 to 255 visible ASCII characters. Node joins a repeated header with `, `, whose space is not among them. */
function idempotencyKey(req: IncomingMessage): string | undefined {
	const key = req.headers['idempotency-key'];
	if (key === undefined) return undefined;
	const valid = typeof key === 'string' && key.length >= 1 && key.length <= 255 && isVisibleAscii(key);
	if (!valid)
		throw new ProblemError(malformed('Idempotency-Key has to be one value of 1 to 255 visible ASCII characters.'));
	return key;
}

function isVisibleAscii(text: string): boolean {
	for (let i = 0; i < text.length; i++) {
		const char = text.charCodeAt(i);
		if (char < 0x21 || char > 0x7e) return false;
	}
	return true;
}

function uuid(id: string): string {
	if (!UUID.test(id)) throw new ProblemError(malformed('The id in the path is not a UUID.'));
	return id.toLowerCase();
}

function readQuery(query: string, known: ReadonlySet<string>): Params {
	if (query === '') return {};
	const params: Params = {};
	const faults = new Map<string, string>();
	for (const [name, value] of new URLSearchParams(query)) {
		if (!known.has(name)) faults.set(name, 'Unknown query parameter.');
		else if (Object.hasOwn(params, name)) faults.set(name, 'Given more than once.');
		else params[name] = value;
	}
	if (faults.size > 0) {
		throw new ProblemError(invalid(Array.from(faults, ([parameter, detail]) => ({ parameter, detail }))));
	}
	return params;
}

function record(value: unknown): Params {
	if (isRecord(value)) return value;
	throw new ProblemError(invalid([{ pointer: '#', detail: 'The body has to be a JSON object.' }]));
}

function isRecord(value: unknown): value is Params {
	return typeof value === 'object' && value !== null && !Array.isArray(value);
}

/** Cancel, hold and resume take no fields. */
function refuseMembers(body: Params): void {
	const names = Object.keys(body);
	if (names.length === 0) return;
	throw new ProblemError(invalid(names.map((name) => ({ pointer: pointerTo(name), detail: 'Unknown field.' }))));
}
