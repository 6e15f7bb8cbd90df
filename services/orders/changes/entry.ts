/** An entry of a history as the gateway is told of it, for all that listen there. */
import { type Caller, maySee } from '../caller.ts';
import type { OrderDto } from '../order-dto.ts';

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
