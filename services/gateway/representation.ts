/** Makes status and header fields from the facts that an action puts into `ctx.meta`. */
import type { Meta } from '../orders/caller.ts';
import { isKnown } from '../orders/long-poll.ts';
import { SUCCESS } from './http/answer.ts';
import type { Action } from './http/routes.ts';

export interface Representation {
	readonly status: number;
	readonly headers: Readonly<Record<string, string>>;
}

/** Below which path the result of an action is found by its id. */
const CREATED: Readonly<Partial<Record<Action, string>>> = {
	'orders.create': '/orders/',
	'webhooks.create': '/webhook-endpoints/',
};

/** The header `Date` of an answer about an order: the database's clock, in whole seconds. */
export const dateOf = ({ now }: Meta): { readonly Date?: string } =>
	now === undefined ? {} : { Date: new Date(now).toUTCString() };

/**
 * Status and header fields (RFC 9110) of an action's result. `known`: the versions that the client has; `prefix`: the
 * path below which it sees the gateway.
 */
export function representationOf(
	action: Action,
	result: unknown,
	meta: Meta,
	{ known = [], prefix }: { readonly known?: readonly string[] | undefined; readonly prefix: string },
): Representation {
	const { version, waited, replayed } = meta;
	const created = CREATED[action];
	const isUnchanged = version !== undefined && isKnown(version, known);
	return {
		status: isUnchanged ? 304 : (SUCCESS[action] ?? 200),
		headers: {
			...(isUnchanged || result === null ? {} : { 'Content-Type': 'application/json' }),
			...(created === undefined ? {} : { Location: `${prefix}${created}${(result as { readonly id: string }).id}` }),
			...(version === undefined ? {} : { 'Cache-Control': 'private, no-cache', ETag: `"${version}"` }),
			...(waited === undefined ? {} : { 'Preference-Applied': `wait=${waited}` }),
			...(replayed ? { 'Idempotent-Replayed': 'true' } : {}),
			...dateOf(meta),
		},
	};
}
