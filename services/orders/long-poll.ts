/** Reading one order and its version, and waiting for a different version. */
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

/** The version of an order: it changes whenever what callers see changes. */
export const versionOf = (order: OrderDto): string => hash('sha256', JSON.stringify(order), 'base64url').slice(0, 22);

/** Whether the caller has this version. */
export const isKnown = (version: string, known: readonly string[]): boolean =>
	known.includes(version) || known.includes('*');

/**
 * Returns the order as soon as it differs from the versions in `known`, or, without them, from what it was on arrival;
 * at the latest when the time has passed. Throws if the caller may see no such order.
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
		const version = versionOf(viewToDto(order, caller));
		if (known !== undefined) return !isKnown(version, known);
		known = [version];
		return false;
	};
	const order = await watch.wait({ orderId: id, isOver, timeout: wait * SECOND, ticket });
	if (order === undefined || !maySee(caller, order.owner)) throw notFound();
	return order;
}
