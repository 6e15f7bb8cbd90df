/**
 * The gateway's routes as a table, and the way from a request target (RFC 9112, section 3.2) to one of them. Matching is
 * by exact string: case counts, and one slash at the end is forgiven.
 */
import { malformed, methodNotAllowed, ProblemError, routeNotFound } from '../../../mixins/http/index.ts';
import { SANDBOX_PAGES } from '../../../mixins/providers/index.ts';

/** The gateway's own documents, each at its path. */
export const DOCUMENTS = {
	root: '/',
	console: '/console',
	'console/file': '/console/{file}',
	problem: '/problems/{slug}',
	openapi: '/openapi.json',
	reference: '/scalar/v1',
	'reference/script': '/scalar/v1/standalone.js',
} as const;

export type DocumentName = keyof typeof DOCUMENTS;

export const isDocument = (destination: Destination): destination is DocumentName =>
	Object.hasOwn(DOCUMENTS, destination);

const ITEM = '/orders/{id}';
const ENDPOINTS = '/webhook-endpoints';
const ENDPOINT = `${ENDPOINTS}/{id}`;
const DELIVERIES = `${ENDPOINT}/deliveries`;
const PAGE = `${SANDBOX_PAGES}{page}`;
const PROBLEMS = DOCUMENTS.problem.replace('{slug}', '');
const CONSOLE_FILES = DOCUMENTS['console/file'].replace('{file}', '');

const OTHERS = [
	{ method: 'POST', path: '/orders', destination: 'orders.create' },
	{ method: 'GET', path: '/orders', destination: 'orders.list' },
	{ method: 'GET', path: '/orders/stream', destination: 'stream' },
	{ method: 'GET', path: ITEM, destination: 'orders.get' },
	{ method: 'GET', path: `${ITEM}/history`, destination: 'orders.history' },
	{ method: 'POST', path: `${ITEM}/cancel`, destination: 'orders.cancel' },
	{ method: 'POST', path: `${ITEM}/hold`, destination: 'orders.hold' },
	{ method: 'POST', path: `${ITEM}/resume`, destination: 'orders.resume' },
	{ method: 'POST', path: `${ITEM}/refunds`, destination: 'orders.refund' },
	{ method: 'GET', path: `${ITEM}/refunds`, destination: 'orders.refunds' },
	{ method: 'PATCH', path: ITEM, destination: 'orders.amend' },
	{ method: 'POST', path: ENDPOINTS, destination: 'webhooks.create' },
	{ method: 'GET', path: ENDPOINTS, destination: 'webhooks.list' },
	{ method: 'GET', path: ENDPOINT, destination: 'webhooks.get' },
	{ method: 'PATCH', path: ENDPOINT, destination: 'webhooks.update' },
	{ method: 'DELETE', path: ENDPOINT, destination: 'webhooks.delete' },
	{ method: 'POST', path: `${ENDPOINT}/rotate-secret`, destination: 'webhooks.rotateSecret' },
	{ method: 'GET', path: DELIVERIES, destination: 'webhooks.deliveries' },
	{ method: 'POST', path: `${DELIVERIES}/{eventId}/redeliver`, destination: 'webhooks.redeliver' },
	{ method: 'POST', path: '/webhooks/stripe', destination: 'webhooks/stripe' },
	{ method: 'GET', path: PAGE, destination: 'sandbox/page' },
	{ method: 'POST', path: PAGE, destination: 'sandbox/answer' },
	{ method: 'GET', path: '/console/api/overview', destination: 'console/overview' },
	{ method: 'POST', path: '/console/api/resolve', destination: 'console/resolve' },
	{ method: 'POST', path: '/console/api/replay', destination: 'console/replay' },
	{ method: 'POST', path: '/console/api/resume', destination: 'console/resume' },
	{ method: 'GET', path: '/health/live', destination: 'health/live' },
	{ method: 'GET', path: '/health/ready', destination: 'health/ready' },
	{ method: 'GET', path: '/metrics', destination: 'metrics' },
] as const;

/** What a route leads to: an action, or an answer of the gateway's own. */
export type Destination = (typeof OTHERS)[number]['destination'] | DocumentName;
/** What the console's page asks for beside the orders' routes. */
const CONSOLE_CALLS = ['console/overview', 'console/resolve', 'console/replay', 'console/resume'] as const;
export type ConsoleCall = (typeof CONSOLE_CALLS)[number];
export type OrderAction = Extract<Destination, `orders.${string}`>;
export type WebhookAction = Extract<Destination, `webhooks.${string}`>;
export type Action = OrderAction | WebhookAction;

export const METHODS = ['GET', 'POST', 'PATCH', 'DELETE'] as const;
export type Method = (typeof METHODS)[number];

const isMethod = (method: string): method is Method => METHODS.some((known) => known === method);

export interface Route {
	readonly method: Method;
	/** with `{id}` where an order's or an endpoint's id stands, `{eventId}` where an event's does, `{slug}` for a problem's name, `{page}` for a page's, `{file}` for a file's */
	readonly path: string;
	readonly destination: Destination;
}

/** All routes. */
export const ROUTES: readonly Route[] = [
	...OTHERS,
	...Object.entries(DOCUMENTS).map(
		([name, path]) => ({ method: 'GET', path, destination: name as DocumentName }) as const,
	),
];

/** Each destination's path, as documentation and metrics write it. */
export const PATHS = Object.fromEntries(ROUTES.map(({ path, destination }) => [destination, path])) as Readonly<
	Record<Destination, string>
>;

type Path = Readonly<Partial<Record<Method, Destination>>>;

const FIXED = new Map<string, Path>();
/** What follows an order's id. */
const BELOW_ITEM = new Map<string, Path>();
/** What follows an endpoint's id. */
const BELOW_ENDPOINT = new Map<string, Path>();
for (const { method, path, destination } of ROUTES) {
	const [paths, key] = placeOf(path);
	paths.set(key, { ...paths.get(key), [method]: destination });
}

function placeOf(path: string): readonly [Map<string, Path>, string] {
	if (path.startsWith(ITEM)) return [BELOW_ITEM, path.slice(ITEM.length)];
	return path.startsWith(ENDPOINT) ? [BELOW_ENDPOINT, path.slice(ENDPOINT.length)] : [FIXED, path];
}

export const isConsoleCall = (destination: Destination): destination is ConsoleCall =>
	CONSOLE_CALLS.some((call) => call === destination);

const isAction = (destination: Destination): destination is Action => /^(?:orders|webhooks)\./.test(destination);

/** moleculer-web's explicit aliases for the same table; nothing else is reachable through it. */
export const ALIASES: Readonly<Record<string, Action>> = Object.fromEntries(
	ROUTES.flatMap(({ method, path, destination }) =>
		isAction(destination) ? [[`${method} ${path.replaceAll(/\{(\w+)\}/g, ':$1')}`, destination]] : [],
	),
);

export interface Target {
	readonly path: string;
	/** The query as it was sent, without the question mark. */
	readonly query: string;
}

export interface Match {
	readonly destination: Destination;
	/** The `{id}`, `{slug}`, `{page}` or `{file}` of the path, not yet checked; empty where the route has none. */
	readonly id: string;
	/** the `{eventId}` of the path */
	readonly eventId?: string;
}

/** `http://host` of an absolute-form target; the host ends where anything else begins (RFC 3986, section 3.2). */
const ORIGIN = /^https?:\/\/[^/?#]*/i;

/**
 * Splits a request target, absolute-form included, and undoes percent-encoding; 400 where that is malformed, or where a
 * target is of another form. No host is looked at: the routes are the same for all.
 */
export function splitTarget(target: string): Target {
	const origin = target.startsWith('/') ? '' : ORIGIN.exec(target)?.[0];
	if (origin === undefined) throw new ProblemError(malformed('The request target has to be a path.'));
	const rest = target.slice(origin.length);
	const mark = rest.indexOf('?');
	let path = mark < 0 ? rest : rest.slice(0, mark);
	if (path.includes('%')) path = path.split('/').map(decodeSegment).join('/');
	if (path.length > 1 && path.endsWith('/')) path = path.slice(0, -1);
	return { path, query: mark < 0 ? '' : rest.slice(mark + 1) };
}

/**
 * The way from a request target up to the root, `./` or `../` and so on (RFC 3986, section 4.2): it leads there below any
 * prefix that a proxy adds.
 */
export function wayUp(target: string): string {
	const [path = ''] = target.replace(ORIGIN, '').split('?', 1);
	return '../'.repeat(path.split('/').length - 2) || './';
}

function decodeSegment(segment: string): string {
	try {
		const decoded = decodeURIComponent(segment);
		return decoded.includes('/') ? segment : decoded;
	} catch {
		throw new ProblemError(malformed('The path has a malformed percent-encoding.'));
	}
}

/** The destination of a method and path; throws 404 or 405. HEAD goes where GET goes (RFC 9110, section 9.3.2). */
export function matchRoute(method: string, path: string): Match {
	const fixed = FIXED.get(path);
	if (fixed) return { destination: destinationOf(fixed, method), id: '' };
	if (path.startsWith('/orders/')) {
		const slash = path.indexOf('/', 8);
		const id = slash < 0 ? path.slice(8) : path.slice(8, slash);
		const below = BELOW_ITEM.get(slash < 0 ? '' : path.slice(slash));
		if (below && id !== '') return { destination: destinationOf(below, method), id };
	}
	if (path.startsWith(`${ENDPOINTS}/`)) {
		const [id = '', name = '', eventId, ...rest] = path.slice(ENDPOINTS.length + 1).split('/');
		const key = [name, ...(eventId === undefined ? [] : ['{eventId}']), ...rest].join('/');
		const below = BELOW_ENDPOINT.get(key === '' ? '' : `/${key}`);
		if (below && id !== '' && eventId !== '') {
			return { destination: destinationOf(below, method), id, ...(eventId === undefined ? {} : { eventId }) };
		}
	}
	if (path.startsWith(PROBLEMS) && path.length > PROBLEMS.length) {
		return { destination: destinationOf({ GET: 'problem' }, method), id: path.slice(PROBLEMS.length) };
	}
	if (path.startsWith(CONSOLE_FILES) && path.length > CONSOLE_FILES.length) {
		return { destination: destinationOf({ GET: 'console/file' }, method), id: path.slice(CONSOLE_FILES.length) };
	}
	const page = path.startsWith(SANDBOX_PAGES) ? path.slice(SANDBOX_PAGES.length) : '';
	if (page !== '') return { destination: destinationOf(FIXED.get(PAGE) ?? {}, method), id: page };
	throw new ProblemError(routeNotFound());
}

function destinationOf(path: Path, method: string): Destination {
	const asked = method === 'HEAD' ? 'GET' : method;
	const found = isMethod(asked) ? path[asked] : undefined;
	if (found) return found;
	const allow = METHODS.filter((known) => path[known]).flatMap((known) => (known === 'GET' ? [known, 'HEAD'] : known));
	throw new ProblemError(methodNotAllowed(allow.join(', ')));
}
