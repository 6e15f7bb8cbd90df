/** Reading one order by its versions, and waiting for another one. */
import { hash } from 'node:crypto';
import { SECOND } from '../../domain/time.ts';
import type { OrderView } from '../../mixins/database/reading/index.ts';
import { type Caller, maySee } from './caller.ts';
import { notFound } from './errors.ts';
import { type OrderDto, viewToDto } from './order-dto.ts';
import type { OrderWatch } from './order-watch.ts';
import type { GetParams } from './params.ts';

/** The event by which a gateway ends waits: `{tickets}`, of clients that have gone or must be answered now. */
export const WAITS_OVER = 'orders.waits.over';

/** Tells one state of an order from another, as callers see them. */
export const versionOf = (order: OrderDto): string => hash('sha256', JSON.stringify(order), 'base64url').slice(0, 22);

/** Whether the caller has this version. */
export const isKnown = (version: string, known: readonly string[]): boolean =>
	known.includes(version) || known.includes('*');

/**
 * The order as soon as it is another than those `known`, or else than it was on arrival, or as it is when the time has
 * passed; throws if there is none that the caller may see.
 */
export async function waitForChange(
	watch: OrderWatch,
	caller: Caller,
	{ id, known: had, wait = 0 }: GetParams,
	ticket: string | undefined,
): Promise<OrderView> {
	let known: readonly string[] | undefined = had;
	const isOver = (order: OrderView): boolean => {
		if (!maySee(caller, order.owner)) return true;
		const version = versionOf(viewToDto(order));
		if (known !== undefined) return !isKnown(version, known);
		known = [version];
		return false;
	};
	const order = await watch.wait({ orderId: id, isOver, timeout: wait * SECOND, ticket });
	if (order === undefined || !maySee(caller, order.owner)) throw notFound();
	return order;
}
