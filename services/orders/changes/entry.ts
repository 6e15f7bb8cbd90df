/** An entry of a history as the gateway is told of it, for all that listen there. */
import { ADMIN_SCOPE, type Caller, maySee } from '../caller.ts';
import type { OrderDto } from '../order-dto.ts';

/** Who asks for more entries after a position reads the list instead: it is shorter. */
export const FARTHEST = 100_000;

/** The gateway, which asks once for all who listen there, and shows each what they may see (`seenBy`). */
export const GATEWAY: Caller = { subject: 'gateway', scopes: [ADMIN_SCOPE] };

/** An order at one entry of its history. */
export interface EntryDto {
	/** a position as text: this entry and all before it are told */
	readonly id: string;
	readonly owner: string;
	/** as of the entry or later, as its owner sees it */
	readonly order: OrderDto;
}

/** A part of the history of all orders, in the order of commits. */
export interface Changes {
	readonly data: readonly EntryDto[];
	/** where the next part begins */
	readonly cursor: string;
	/** no transaction from this on had begun at the reading */
	readonly next: number;
	/** there is more already */
	readonly more: boolean;
	/** the database's clock at the reading */
	readonly now: number;
}

/** The order as a caller sees it; undefined if they may not. */
export function seenBy(caller: Caller, { owner, order }: EntryDto): OrderDto | undefined {
	if (!maySee(caller, owner)) return undefined;
	return caller.subject === owner ? order : { ...order, paymentAction: null };
}
