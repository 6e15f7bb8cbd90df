import type { ActionHandler, Middleware } from 'moleculer';
import type { Metrics } from './metrics.ts';

/** Measures every action of this process but the framework's own; `ctx.locals.meteredAs` is another name for a call. */
export function meteredActions(metrics: Metrics): Middleware {
	return {
		name: 'MeteredActions',
		localAction(next: ActionHandler, { name = '' }): ActionHandler {
			if (name.startsWith('$') || name.startsWith('gateway.')) return next;
			return async function (ctx) {
				const begin = performance.now();
				let status = 200;
				try {
					return await next.call(this, ctx);
				} catch (error) {
					status = statusOf(error);
					throw error;
				} finally {
					const { meteredAs = name } = ctx.locals as { readonly meteredAs?: string };
					metrics.actionCalled(meteredAs, status, performance.now() - begin);
				}
			};
		},
	};
}

/** The status of HTTP that an error of an action has as its code; 500 for all that has none. */
export function statusOf(error: unknown): number {
	const code = error instanceof Error && 'code' in error ? error.code : undefined;
	return typeof code === 'number' && code >= 400 && code <= 599 ? code : 500;
}
