/** I7: one key, one order. */
import type { Evidence } from '../evidence.ts';

/** What is wrong with a key, and the orders that show it. */
export interface KeyComplaint {
	readonly key: string;
	readonly what: string;
	readonly orders: readonly string[];
}

/**
 * By the answers, by the table of keys and, where a run names each product after its key, by the list of orders: so a
 * second order shows of which no client was ever told.
 */
export function oneKeyOneOrder({ answers, orders, keys }: Evidence): KeyComplaint[] {
	const created = answers.filter((answer) => answer.action === 'create' && answer.status === 201);
	const byKey = Map.groupBy(created, ({ key }) => key);
	const products = Map.groupBy(orders, ({ productName }) => productName);
	const table = Map.groupBy(keys, ({ key }) => key);
	return [...byKey].flatMap(([key, all]): KeyComplaint[] => {
		if (key === null) return [];
		const told = [...new Set(all.flatMap(({ orderId }) => orderId ?? []))];
		const bodies = new Set(all.map(({ body }) => body));
		const made = (products.get(key) ?? []).map(({ id }) => id);
		const stored = (table.get(key) ?? []).map(({ orderId }) => orderId);
		const other = stored.filter((id) => !told.includes(id));
		const complaints: [string | false, readonly string[]][] = [
			[told.length > 1 && `key ${key} was answered with ${told.length} orders: ${told.join(', ')}`, told],
			[bodies.size > 1 && `key ${key} was answered with ${bodies.size} different bodies`, told],
			[made.length > 1 && `key ${key} made ${made.length} orders`, made],
			[
				other.length > 0 && `key ${key} is stored with another order than was answered: ${other.join(', ')}`,
				[...told, ...other],
			],
		];
		return complaints.flatMap(([what, ids]) => (what === false ? [] : [{ key, what, orders: ids }]));
	});
}
