/** Stripe's book: what became of the money of each order, in Stripe's units. */
import type { Account, Move } from './account.ts';

export interface BookEntry {
	readonly orderId: string;
	readonly currency: string;
	/** more than one is a fault of the caller's */
	readonly intents: readonly string[];
	readonly authorized: number;
	readonly captured: number;
	/** given free without having been taken: voided, lapsed, or the rest of a capture */
	readonly released: number;
	/** without refunds that failed */
	readonly refunded: number;
	/** still held */
	readonly held: number;
	/** how many requests named the order, by endpoint */
	readonly requests: Readonly<Record<string, number>>;
}

const sum = (moves: readonly Move[], ...deeds: readonly Move['deed'][]): number =>
	moves
		.filter(({ deed, outcome }) => outcome === 'succeeded' && deeds.includes(deed))
		.reduce((total, { amount }) => total + amount, 0);

export function bookOf(
	account: Account,
	requests: ReadonlyMap<string, Readonly<Record<string, number>>>,
): Map<string, BookEntry> {
	const ours = [...account.intents.values()].filter(({ metadata }) => metadata.order_id !== undefined);
	const moves = Map.groupBy(account.moves, ({ orderId }) => orderId);
	return new Map(
		[...Map.groupBy(ours, ({ metadata }) => metadata.order_id ?? '')].map(([orderId, intents]) => {
			const all = moves.get(orderId) ?? [];
			const taken = intents.filter(({ charge }) => charge !== null && charge.captured > 0);
			const rest = taken.reduce((total, { charge }) => total + (charge ? charge.amount - charge.captured : 0), 0);
			const authorized = sum(all, 'authorize');
			const captured = sum(all, 'capture');
			const released = sum(all, 'void', 'lapse') + rest;
			const entry: BookEntry = {
				...{ orderId, currency: intents[0]?.currency ?? '', intents: intents.map(({ id }) => id) },
				...{ authorized, captured, released, refunded: sum(all, 'refund') - sum(all, 'refund failed') },
				...{ held: authorized - captured - released, requests: requests.get(orderId) ?? {} },
			};
			return [orderId, entry];
		}),
	);
}
