import { Errors } from 'moleculer';
import type { Instant } from '../../domain/time.ts';

/** The caller of an action. The gateway or the REPL sets `ctx.meta.caller`; what a caller may do is decided here. */
export interface Caller {
	/** the token's `sub` */
	readonly subject: string;
	readonly scopes: readonly string[];
}

/** What goes with a call beside its parameters, in both directions. */
export interface Meta {
	caller?: Caller;
	traceparent?: string;
	/** where the caller sees the gateway: scheme, host, and the path below which it is */
	gatewayUrl?: string | undefined;
	/** by which the gateway ends a wait before its time */
	waitTicket?: string;
	/** the database's clock, in milliseconds, at which the answer was true */
	now?: Instant;
	/** the version of the order in the answer */
	version?: string;
	/** how many seconds the call would wait for another version */
	waited?: number | undefined;
	/** the answer repeats that of the first call with this key */
	replayed?: boolean;
}

/** May see and change every order. */
export const ADMIN_SCOPE = 'orders:admin';

/** The caller of an action; a call without one is refused. */
export function callerOf({ caller }: Meta): Caller {
	if (typeof caller?.subject !== 'string' || caller.subject === '' || !Array.isArray(caller.scopes)) {
		throw new Errors.MoleculerClientError('The call does not say who makes it.', 401, 'Auth.CallerMissing');
	}
	return caller;
}

export const isAdmin = ({ scopes }: Caller): boolean => scopes.includes(ADMIN_SCOPE);

/** For other callers the order does not exist. */
export const maySee = (caller: Caller, owner: string): boolean => caller.subject === owner || isAdmin(caller);
