import { Errors } from 'moleculer';
import type { Instant } from '../../domain/time.ts';

/** Who asks. The gateway or the REPL says so in `ctx.meta.caller`; the rule what they may do stands here. */
export interface Caller {
	/** the token's `sub` */
	readonly subject: string;
	readonly scopes: readonly string[];
}

/** What travels with a call beside its parameters, there and back. */
export interface Meta {
	caller?: Caller;
	traceparent?: string;
	/** by which the gateway ends a wait before its time */
	waitTicket?: string;
	/** the database's clock, in milliseconds: what the answer says of an order was true then */
	now?: Instant;
	/** which version of the order the answer shows */
	version?: string;
	/** how many seconds the call was ready to wait for another version */
	waited?: number | undefined;
	/** the answer was given before, to the first call with this key */
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

/** Another's order is as good as none. */
export const maySee = (caller: Caller, owner: string): boolean => caller.subject === owner || isAdmin(caller);
