/** A broker with the gateway on a free port, an orders service in memory, and a way to speak HTTP without a client. */

import { connect, type Socket } from 'node:net';
import { expect } from '@jest/globals';
import { type ActionHandler, type Context, Loggers, type LogLevels, type ServiceBroker } from 'moleculer';
import type { Database } from '../../../mixins/database/database.ts';
import { Health, type Readiness } from '../../../mixins/observability/health.ts';
import { Metrics } from '../../../mixins/observability/metrics.ts';
import type { Platform } from '../../../mixins/platform.ts';
import type { Access } from '../../../mixins/settings/access.ts';
import { parseSettings } from '../../../mixins/settings/settings.ts';
import { SchemaValidator } from '../../../mixins/validation/schema-validator.ts';
import type { LoadLimits } from '../../../services/gateway/admission/load-limiter.ts';
import type { Limits } from '../../../services/gateway/http/server.ts';
import type { WithServer } from '../../../services/gateway/serving.ts';
import gateway from '../../../services/gateway.service.ts';
import {
	AMEND_PARAMS,
	CREATE_PARAMS,
	GET_PARAMS,
	HISTORY_PARAMS,
	ID_PARAMS,
	LIST_PARAMS,
	REFUND_PARAMS,
} from '../../../services/orders/params.ts';
import { testBroker, testPlatform } from '../../support/platform.ts';

export const ID = '0198c0de-0000-7000-8000-000000000001';
export const HEALTHY: Readiness = { ready: true, failing: [], degraded: [] };

export interface Call {
	readonly action: string;
	readonly params: Readonly<Record<string, unknown>>;
	readonly meta: Readonly<Record<string, unknown>>;
}

type Answer = (ctx: Context<Record<string, unknown>, Record<string, unknown>>) => unknown;

export interface Stage {
	readonly broker: ServiceBroker;
	readonly port: number;
	readonly url: string;
	/** What reached the orders service, its own end included. */
	readonly calls: Call[];
	/** What the next call answers instead of its usual result. */
	once(answer: Answer): void;
	health: () => Promise<Readiness>;
	readonly metrics: Metrics;
	/** Everything that was logged, as text. */
	readonly log: string[];
}

export function orderDto(amount = '12.50') {
	return {
		id: ID,
		orderNumber: 'PP-1',
		productName: 'Lamp',
		amount,
		currency: 'EUR',
		status: 'Pending',
		heldUntil: null,
	};
}

/** No gateway of these tests has a database; what needs one is tested on a real one. */
const NONE = { query: () => Promise.reject(new Error('there is no database')) };

/** Everybody, or whoever has a good token. */
export const accessOf = (access: Partial<Access> = {}): Access => ({
	auth: { kind: 'off', host: '0.0.0.0' },
	rateLimit: undefined,
	trustProxy: [],
	...access,
});

/** The platform of a gateway that has no database and is as healthy as `health` says. */
export function gatewayPlatform(
	health: () => Promise<Readiness>,
	{ access, database = NONE, env }: Pick<Options, 'access' | 'database' | 'env'> = {},
	parts: Partial<Platform> = {},
): Platform {
	return testPlatform({
		settings: { ...parseSettings({ PORT: '0', ...env }), access: accessOf(access) },
		health: Object.assign(new Health(), { readiness: health }),
		database: database as Database,
		...parts,
	});
}

interface Options {
	/** false: there is no orders service */
	readonly orders?: boolean;
	readonly access?: Partial<Access>;
	/** where limits are kept */
	readonly database?: Pick<Database, 'query'>;
	readonly load?: LoadLimits;
	/** other settings */
	readonly env?: Readonly<Record<string, string>>;
	/** after so many ms the broker gives up on an action; 400 unless given */
	readonly patience?: number;
}

export async function stage(limits: Partial<Limits> = {}, options: Options = {}): Promise<Stage> {
	const log: string[] = [];
	class Log extends Loggers.Base<{ level?: LogLevels }> {
		override getLogHandler() {
			return (type: string, args: unknown[]) => {
				if (type === 'warn' || type === 'error') log.push(`${type} ${args.map(text).join(' ')}`);
			};
		}
	}
	const metrics = new Metrics();
	const self = { health: async () => HEALTHY };
	const platform = gatewayPlatform(() => self.health(), options, { metrics });
	const broker = testBroker(platform, {
		logger: new Log(),
		validator: new SchemaValidator(),
		tracking: { enabled: true, shutdownTimeout: 500 },
		requestTimeout: options.patience ?? 400,
		registry: { stopDelay: 0 },
	});
	const calls: Call[] = [];
	let next: Answer | undefined;
	const act =
		(usual: Answer): ActionHandler =>
		(ctx) => {
			calls.push({ action: ctx.action?.name ?? '', params: { ...ctx.params }, meta: { ...ctx.meta } });
			const answer = next ?? usual;
			next = undefined;
			return answer(ctx);
		};
	if (options.orders !== false) {
		broker.createService({
			name: 'orders',
			stopped() {
				calls.push({ action: 'stopped', params: {}, meta: {} });
			},
			actions: {
				create: {
					params: CREATE_PARAMS,
					handler: act((ctx) => {
						return orderDto(ctx.params.amount as string);
					}),
				},
				list: {
					params: LIST_PARAMS,
					handler: act(() => ({ data: [orderDto('0.10'), orderDto('7')], nextCursor: null })),
				},
				get: { params: GET_PARAMS, handler: act(() => orderDto()) },
				history: {
					params: HISTORY_PARAMS,
					handler: act(() => ({
						data: [{ id: ID, type: 'OrderPending', data: { amount: '12.50' } }],
						nextCursor: null,
					})),
				},
				cancel: { params: ID_PARAMS, handler: act(() => orderDto()) },
				hold: { params: ID_PARAMS, handler: act(() => orderDto()) },
				resume: { params: ID_PARAMS, handler: act(() => orderDto()) },
				refund: {
					params: REFUND_PARAMS,
					handler: act((ctx) => ({ id: ID, amount: ctx.params.amount ?? '1' })),
				},
				refunds: { params: ID_PARAMS, handler: act(() => ({ data: [{ id: ID, amount: '0.10' }] })) },
				amend: { params: AMEND_PARAMS, handler: act((ctx) => orderDto(ctx.params.amount as string)) },
				secret: () => 'never reached',
			},
		});
	}
	const { load } = options;
	const settings = { ...gateway.settings, limits, ...(load === undefined ? {} : { load }) };
	const service = broker.createService({ ...gateway, settings }) as unknown as WithServer;
	await broker.start();
	await service.listen();
	const { port } = service.address();
	return Object.assign(self, {
		broker,
		metrics,
		port,
		url: `http://127.0.0.1:${port}`,
		calls,
		log,
		once: (answer: Answer) => {
			next = answer;
		},
	});
}

function text(value: unknown): string {
	return value instanceof Error ? (value.stack ?? value.message) : String(value);
}

export interface Wire {
	readonly socket: Socket;
	/** Resolves with all that came once the other side has closed. */
	readonly closed: Promise<string>;
	/** Resolves with what has come so far as soon as it contains `text`. */
	until(text: string): Promise<string>;
}

export function wire(port: number): Wire {
	const socket = connect(port, '127.0.0.1');
	let received = '';
	socket.setEncoding('utf8').on('data', (chunk) => {
		received += chunk;
	});
	socket.on('error', () => undefined);
	const closed = new Promise<string>((resolve) => socket.on('close', () => resolve(received)));
	const until = (wanted: string) =>
		new Promise<string>((resolve, reject) => {
			const look = () => received.includes(wanted) && resolve(received);
			look();
			socket.on('data', look);
			socket.on('close', () => reject(new Error(`closed before ${wanted}: ${received}`)));
		});
	return { socket, closed, until };
}

/** Sends bytes as they are; the whole answer up to the end of the connection. */
export async function speak(port: number, bytes: string | Buffer): Promise<string> {
	const { socket, closed } = wire(port);
	socket.write(bytes);
	return closed;
}

/** Problem details as they came (RFC 9457). */
export interface ProblemBody {
	readonly type: string;
	readonly title: string;
	readonly status: number;
	readonly detail: string;
	readonly code: string;
	readonly traceId: string;
	readonly errors?: readonly { readonly pointer?: string; readonly parameter?: string; readonly detail: string }[];
}

/** Expects an answer to be this problem. */
export async function problem(res: Response, status: number, code: string): Promise<ProblemBody> {
	const body = (await res.json()) as ProblemBody;
	expect({ status: res.status, type: res.headers.get('content-type') }).toEqual({
		status,
		type: 'application/problem+json',
	});
	expect(body).toMatchObject({ status, code, title: expect.any(String), detail: expect.any(String) });
	expect(body.type).toMatch(/^\/problems\/[a-z.-]+$/);
	expect(body.traceId).toMatch(/^[0-9a-f]{32}$/);
	expect(body.traceId).toBe(res.headers.get('x-request-id'));
	return body;
}
