import type { Middleware } from 'moleculer';
import { ADMIN_SCOPE, type Caller } from './caller.ts';

/** The caller in a REPL; it has the scope `orders:admin`. */
export const OPERATOR: Caller = { subject: 'operator', scopes: [ADMIN_SCOPE] };

interface CallOptions {
	readonly meta?: { readonly $repl?: boolean; readonly caller?: Caller };
	readonly parentCtx?: unknown;
}
type Call = (name: string, params: object, options?: CallOptions) => unknown;

/** Calls that were typed in the REPL of this process are the operator's. The mark is moleculer-repl's. */
export const typedByOperator = {
	name: 'TypedByOperator',
	call:
		(next: Call): Call =>
		(name, params, options) => {
			const isTyped = options?.meta?.$repl === true && options.parentCtx === undefined;
			return next(name, params, isTyped ? { ...options, meta: { ...options.meta, caller: OPERATOR } } : options);
		},
} as unknown as Middleware; // Moleculer's types leave the parameters of this hook open
