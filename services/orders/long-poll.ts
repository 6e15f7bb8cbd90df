/** Conditional reading of one order: its entity tag, and waiting for another one. */
import { hash } from 'node:crypto';
import { type Instant, SECOND } from '../../domain/time.ts';
import type { OrderView } from '../../mixins/database/reading/index.ts';
import { type Caller, maySee } from './caller.ts';
import { type OrderDto, viewToDto } from './order-dto.ts';
import type { OrderWatch } from './order-watch.ts';
import type { GetParams } from './params.ts';

/** The event by which a gateway ends waits: `{tickets}`, of clients that have gone or must be answered now. */
export const WAITS_OVER = 'orders.waits.over';

/** A strong entity tag (RFC 9110, section 8.8.3): the gateway's bytes are a function of this text. */
export function etagOf(order: OrderDto): string {
	return `"${hash('sha256', JSON.stringify(order), 'base64url').slice(0, 22)}"`;
}

/** The order is one of those that the caller has. */
export const isKnown = (etag: string, ifNoneMatch: readonly string[]): boolean =>
	ifNoneMatch.includes(etag) || ifNoneMatch.includes('*');

/** The header `Date` of an answer that is about an order: the clock that its times are of, in whole seconds. */
export const dateOf = (now: Instant | Date): string => new Date(now).toUTCString();

/**
 * The order as soon as it is another than `ifNoneMatch`, or else than it was on arrival, or as it is when the time has
 * passed; undefined if there is none that the caller may see.
 */
export async function waitForChange(
	watch: OrderWatch,
	caller: Caller,
	{ id, ifNoneMatch, wait = 0 }: GetParams,
	ticket: string | undefined,
): Promise<OrderView | undefined> {
	let known: readonly string[] | undefined = ifNoneMatch;
	const isOver = (order: OrderView): boolean => {
		if (!maySee(caller, order.owner)) return true;
		const etag = etagOf(viewToDto(order));
		if (known !== undefined) return !isKnown(etag, known);
		known = [etag];
		return false;
	};
	const order = await watch.wait({ orderId: id, isOver, timeout: wait * SECOND, ticket });
	return order !== undefined && maySee(caller, order.owner) ? order : undefined;
}
