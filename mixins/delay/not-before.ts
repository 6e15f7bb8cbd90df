import { setTimeout as pause } from 'node:timers/promises';
import type { Duration, Instant } from '../../domain/time.ts';
import type { BatchHandler, Delivery, Failure } from '../brokers/carrier.ts';

/**
 * Lets a handler see no message before its moment, where a carrier may deliver up to `early` ms before it. What is left
 * is asked of `clock`, the database's, and waited out on this process's monotonic one, before any transaction begins:
 * locked orders would refuse cancels that came in time. What comes earlier than that goes on at once, to be armed anew.
 */
export function inDueTime(early: Duration, clock: () => Promise<Instant>, handle: BatchHandler): BatchHandler {
	if (early === 0) return handle;
	return async (deliveries) => {
		const now = await startClock(clock);
		const failures: Failure[] = [];
		let rest = deliveries;
		for (let longest = early; rest.length > 0; longest = Number.POSITIVE_INFINITY) {
			const instant = now();
			const left = ({ deliverAt }: Delivery): Duration => (deliverAt === null ? 0 : deliverAt - instant);
			const { due = [], waiting = [] } = Object.groupBy(rest, (delivery) =>
				left(delivery) > 0 && left(delivery) <= longest ? 'waiting' : 'due',
			);
			if (due.length > 0) failures.push(...(await handle(due)));
			const next = instant + Math.min(...waiting.map(left)) - now();
			if (waiting.length > 0 && next > 0) await pause(Math.ceil(next));
			rest = waiting;
		}
		return failures;
	};
}

/** A clock that was set once and goes on by itself, never ahead of the one that it was set by. */
async function startClock(clock: () => Promise<Instant>): Promise<() => Instant> {
	const now = await clock();
	const since = performance.now();
	return () => now + (performance.now() - since);
}
