/** Lists, newest first, by pages. */
import type { Account } from './account.ts';
import { age, expandOf } from './intents.ts';
import { integerOf, listOf, mapOf, onlyKnown, type Params, textOf } from './params.ts';
import { invalid, missing } from './refusal.ts';
import { showIntent, showRefund } from './shown.ts';

const PAGING = ['limit', 'starting_after', 'created', 'expand'];

interface Row {
	readonly id: string;
	/** milliseconds since 1970 */
	readonly createdAt: number;
}

/** The rows of one page, and whether there are more. */
function page<T extends Row>(
	rows: readonly T[],
	params: Params,
): { readonly rows: readonly T[]; readonly more: boolean } {
	const limit = integerOf(params, 'limit') ?? 10;
	if (limit < 1 || limit > 100) throw invalid('limit must be between 1 and 100', 'parameter_invalid_integer', 'limit');
	const created = mapOf(params, 'created');
	onlyKnown(created, ['gt', 'gte', 'lt', 'lte']);
	const [gt, gte, lt, lte] = ['gt', 'gte', 'lt', 'lte'].map((name) => integerOf(created, name));
	const fits = (second: number): boolean =>
		(gt === undefined || second > gt) &&
		(gte === undefined || second >= gte) &&
		(lt === undefined || second < lt) &&
		(lte === undefined || second <= lte);
	const newestFirst = rows.filter(({ createdAt }) => fits(Math.floor(createdAt / 1_000))).reverse();
	const after = textOf(params, 'starting_after');
	const start = after === undefined ? 0 : newestFirst.findIndex(({ id }) => id === after) + 1;
	if (after !== undefined && start === 0) throw missing('object', after, 'starting_after');
	return { rows: newestFirst.slice(start, start + limit), more: newestFirst.length > start + limit };
}

const list = (url: string, data: readonly object[], more: boolean) => ({ object: 'list', url, has_more: more, data });

export function listIntents(account: Account, params: Params) {
	onlyKnown(params, [...PAGING, 'customer']);
	const expand = expandOf(params, ['data.latest_charge']).map((name) => name.slice('data.'.length));
	const { rows, more } = page([...account.intents.values()], params);
	const data = rows.map((intent) => {
		age(account, intent);
		return showIntent(account, intent, expand);
	});
	return list('/v1/payment_intents', data, more);
}

export function listRefunds(account: Account, params: Params) {
	onlyKnown(params, [...PAGING, 'payment_intent', 'charge']);
	const of = textOf(params, 'payment_intent');
	const refunds = [...account.refunds.values()].filter(({ intent }) => of === undefined || intent.id === of);
	const { rows, more } = page(refunds, params);
	return list('/v1/refunds', rows.map(showRefund), more);
}

export function listEvents(account: Account, params: Params) {
	onlyKnown(params, [...PAGING, 'type', 'types', 'delivery_success']);
	const type = textOf(params, 'type');
	const types = type === undefined ? listOf(params, 'types') : [type];
	const events = account.events
		.filter((event) => types.length === 0 || types.includes(event.type))
		.map((event) => ({ ...event, createdAt: event.created * 1_000 }));
	const { rows, more } = page(events, params);
	const data = rows.map(({ createdAt: _, ...event }) => event);
	return list('/v1/events', data, more);
}
