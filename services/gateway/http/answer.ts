/** What actions return, as exact JSON. */
import type { Action } from './routes.ts';

/** TypeScript's library does not know `JSON.rawJSON` (ECMAScript 2026) yet; Node 24 does. */
const { rawJSON } = JSON as typeof JSON & { rawJSON(text: string): unknown };

/** The status of a success other than 200, unless the action says otherwise with `$statusCode`. */
export const SUCCESS: Readonly<Partial<Record<Action, number>>> = {
	'orders.create': 201,
	'orders.cancel': 202,
	'orders.refund': 201,
	'webhooks.create': 201,
	'webhooks.delete': 204,
	'webhooks.redeliver': 202,
};

/** An action's result as JSON text: the amounts of orders and refunds are numbers with exactly the digits of their strings. */
export function encodeResult(action: string, result: unknown): string {
	if (action === 'orders.history' || action.startsWith('webhooks.')) return JSON.stringify(result);
	if (action !== 'orders.list' && action !== 'orders.refunds') return JSON.stringify(exact(result));
	const page = result as { readonly data: readonly unknown[] };
	return JSON.stringify({ ...page, data: page.data.map(exact) });
}

/** The members that are amounts. An answer that was stored by the release before may lack one. */
const AMOUNTS = ['amount', 'refundedAmount'] as const;

function exact(order: unknown): unknown {
	const dto = order as { readonly [Name in (typeof AMOUNTS)[number]]?: string };
	const numbers = AMOUNTS.flatMap((name) => (dto[name] === undefined ? [] : [[name, rawJSON(dto[name])]]));
	return { ...dto, ...Object.fromEntries(numbers) };
}
