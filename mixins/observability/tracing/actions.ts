import type { ActionHandler, Context, Middleware } from 'moleculer';
import { statusOf } from '../action-metrics.ts';
import type { OpenSpan, Tracing } from './tracing.ts';

type Traced = Context<{ readonly wait?: unknown } | null, { traceparent?: string }>;

/**
 * Spans of the calls between processes: one where the call leaves, one where it is carried out. A call within a process
 * gets none, unless nobody has begun a trace for it (a command of the REPL). A call that waits for a change would last as
 * long as its client likes, so it gets none either. Parameters and answers are in no span.
 */
export function tracedActions(tracing: Tracing): Middleware {
	return {
		name: 'TracedActions',
		remoteAction(next: ActionHandler, { name = '' }): ActionHandler {
			if (!isOurs(name)) return next;
			return async function (ctx: Traced) {
				if (waits(ctx)) return next.call(this, ctx);
				return within(tracing.start(name, { ...about(name, ctx), kind: 'client' }), ctx, () => next.call(this, ctx));
			};
		},
		localAction(next: ActionHandler, { name = '' }): ActionHandler {
			if (!isOurs(name)) return next;
			return async function (ctx: Traced) {
				const isRemote = ctx.nodeID !== null && ctx.nodeID !== ctx.broker.nodeID;
				if (waits(ctx) || !(isRemote || ctx.meta.traceparent === undefined)) return next.call(this, ctx);
				const kind = isRemote ? 'server' : 'internal';
				return within(tracing.start(name, { ...about(name, ctx), kind }), ctx, () => next.call(this, ctx));
			};
		},
	};
}

const isOurs = (name: string): boolean => !name.startsWith('$') && !name.startsWith('gateway.');

const waits = ({ params }: Traced): boolean => Boolean(params?.wait);

const about = (name: string, { meta }: Traced) => ({
	cause: meta.traceparent ?? null,
	attributes: { 'rpc.system.name': 'moleculer', 'rpc.method': name },
});

/** What the call causes has its span as the cause; the caller's meta is as it was afterwards. */
async function within<T>(span: OpenSpan, { meta }: Traced, call: () => Promise<T>): Promise<T> {
	const { traceparent: before } = meta;
	if (span.traceparent !== null) meta.traceparent = span.traceparent;
	try {
		return await call();
	} catch (error) {
		const status = statusOf(error);
		span.end(
			status >= 500 ? { error: String(status) } : { attributes: { 'rpc.response.status_code': String(status) } },
		);
		throw error;
	} finally {
		span.end();
		if (before === undefined) delete meta.traceparent;
		else meta.traceparent = before;
	}
}
