/**
 * The gateway's routes as a table, and the way from a request target (RFC 9112, section 3.2) to one of them. Matching is
 * by exact string: case counts, and one slash at the end is forgiven.
 */
import { malformed, methodNotAllowed, ProblemError, routeNotFound } from './problem.ts';

export type OrderAction =
	| 'orders.create'
	| 'orders.list'
	| 'orders.get'
	| 'orders.history'
	| 'orders.cancel'
	| 'orders.hold'
	| 'orders.resume';

/** What a route leads to: an action, or an answer of the gateway's own. */
export type Destination = OrderAction | 'health/live' | 'health/ready' | 'metrics';

interface Path {
	readonly GET?: Destination;
	readonly POST?: Destination;
}

const COLLECTION: Path = { GET: 'orders.list', POST: 'orders.create' };
const ITEM: Path = { GET: 'orders.get' };
const BELOW_ITEM: ReadonlyMap<string, Path> = new Map<string, Path>([
	['history', { GET: 'orders.history' }],
	['cancel', { POST: 'orders.cancel' }],
	['hold', { POST: 'orders.hold' }],
	['resume', { POST: 'orders.resume' }],
]);
const FIXED: ReadonlyMap<string, Path> = new Map<string, Path>([
	['/orders', COLLECTION],
	['/health/live', { GET: 'health/live' }],
	['/health/ready', { GET: 'health/ready' }],
	['/metrics', { GET: 'metrics' }],
]);

/** moleculer-web's explicit aliases for the same table; nothing else is reachable through it. */
export const ALIASES: Readonly<Record<string, OrderAction>> = {
	'GET /orders': 'orders.list',
	'POST /orders': 'orders.create',
	'GET /orders/:id': 'orders.get',
	'GET /orders/:id/history': 'orders.history',
	'POST /orders/:id/cancel': 'orders.cancel',
	'POST /orders/:id/hold': 'orders.hold',
	'POST /orders/:id/resume': 'orders.resume',
};

/** Each destination's path, as documentation and metrics write it. */
export const ROUTES: Readonly<Record<Destination, string>> = {
	'orders.create': '/orders',
	'orders.list': '/orders',
	'orders.get': '/orders/{id}',
	'orders.history': '/orders/{id}/history',
	'orders.cancel': '/orders/{id}/cancel',
	'orders.hold': '/orders/{id}/hold',
	'orders.resume': '/orders/{id}/resume',
	'health/live': '/health/live',
	'health/ready': '/health/ready',
	metrics: '/metrics',
};

export interface Target {
	readonly path: string;
	/** The query as it was sent, without the question mark. */
	readonly query: string;
}

export interface Match {
	readonly destination: Destination;
	/** The `{id}` of the path, not yet checked; empty where the route has none. */
	readonly id: string;
}

/** Splits a request target, absolute-form included, and undoes percent-encoding; 400 where that is malformed. */
export function splitTarget(target: string): Target {
	let rest = target;
	if (!rest.startsWith('/')) {
		const authority = rest.indexOf('://');
		const start = authority < 0 ? -1 : rest.indexOf('/', authority + 3);
		rest = start < 0 ? '' : rest.slice(start);
	}
	const mark = rest.indexOf('?');
	let path = mark < 0 ? rest : rest.slice(0, mark);
	if (path.includes('%')) path = path.split('/').map(decodeSegment).join('/');
	if (path.length > 1 && path.endsWith('/')) path = path.slice(0, -1);
	return { path, query: mark < 0 ? '' : rest.slice(mark + 1) };
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
		const below = slash < 0 ? ITEM : BELOW_ITEM.get(path.slice(slash + 1));
		if (below && id !== '') return { destination: destinationOf(below, method), id };
	}
	throw new ProblemError(routeNotFound());
}

function destinationOf(path: Path, method: string): Destination {
	const found = method === 'GET' || method === 'HEAD' ? path.GET : method === 'POST' ? path.POST : undefined;
	if (found) return found;
	const allow = [...(path.GET ? ['GET', 'HEAD'] : []), ...(path.POST ? ['POST'] : [])].join(', ');
	throw new ProblemError(methodNotAllowed(allow));
}
