import type { Moment } from '../../domain/commands.ts';
import type { Order } from '../../domain/order.ts';
import { isTransient } from '../database/index.ts';
import type { Outbox } from '../outbox/index.ts';
import { bisect, type Log, type TransactionName, tell } from '../runtime/index.ts';
import type { Done } from './calls.ts';

type Settle<C, O> = (
	order: Order,
	done: Done<C, O>,
	moment: Moment,
	afterCommit: (action: () => void) => void,
) => C | null;

/** What storing outcomes needs. */
interface Storing<C, O> {
	readonly outbox: Outbox;
	readonly settle: Settle<C, O>;
	readonly log: Log;
}

/**
 * Stores outcomes, many in one transaction, and in the same one the next intent of each order; returns for each outcome
 * the next call or null. One that cannot be stored does not harm the others; its call is repeated.
 */
export function storing<C extends { readonly orderId: string }, O>(
	transaction: TransactionName,
	{ outbox, settle, log }: Storing<C, O>,
): (done: readonly Done<C, O>[]) => Promise<readonly (C | null)[]> {
	const store = (group: readonly Done<C, O>[]): Promise<Map<Done<C, O>, C>> =>
		outbox.transaction(transaction, async (work, tx, tries) => {
			const ids = group.map(({ call }) => call.orderId);
			const { orders, busy } = await work.lockSoon(ids, tries === 1);
			for (const id of busy) log.warn(`an outcome of order ${id} is forgotten, and asked for again: somebody holds it`);
			const next = new Map<Done<C, O>, C>();
			for (const done of group) {
				const order = orders.get(done.call.orderId);
				if (done.cause !== null) work.trace(done.call.orderId, done.cause);
				const call = order && settle(order, done, work.moment, (action) => tx.afterCommit(action));
				if (call) next.set(done, call);
			}
			work.save();
			return next;
		});

	return async (all) => {
		const next = new Map<Done<C, O>, C>();
		await bisect(
			all,
			async (group) => {
				for (const [done, call] of await store(group)) next.set(done, call);
			},
			({ call }, error) => tell(log, 'error', `an outcome of order ${call.orderId} was not stored`, error),
			isTransient,
		);
		return all.map((done) => next.get(done) ?? null);
	};
}
