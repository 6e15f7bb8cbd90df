import { setTimeout as pause } from 'node:timers/promises';
import type { Duration } from '../../domain/time.ts';
import type { BatchHandler, Delivery, Failure } from '../brokers/index.ts';
import type { Clock } from '../database/index.ts';

/**
 * Gives a handler no message before its moment, where a carrier may deliver up to `early` ms before it. It waits for
 * the rest by `clock`, before any transaction begins, so that no order is locked meanwhile. A message that comes
 * earlier than `early` is passed on at once, and the handler arms it again. So an error of the clock delays a message
 * by `early` at most, and decides nothing: the handler compares with the database's clock.
 */
export function notBefore(early: Duration, clock: Clock, handle: BatchHandler): BatchHandler {
	if (early === 0) return handle;
	return async (deliveries) => {
		const failures: Failure[] = [];
		let rest = deliveries;
		while (rest.length > 0) {
			const now = clock.now();
			const left = ({ deliverAt }: Delivery): Duration => (deliverAt === null ? 0 : deliverAt - now);
			const { due = [], waiting = [] } = Object.groupBy(rest, (delivery) =>
				left(delivery) > 0 && left(delivery) <= early ? 'waiting' : 'due',
			);
			if (due.length > 0) failures.push(...(await handle(due)));
			const next = now + Math.min(...waiting.map(left)) - clock.now();
			if (waiting.length > 0 && next > 0) await pause(Math.ceil(Math.min(next, early)));
			rest = waiting;
		}
		return failures;
	};
}
