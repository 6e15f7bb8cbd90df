/**
 * For batches in which one item makes a statement take too long: short time-outs, and a limit on the search for that
 * item.
 */
import { performance } from 'node:perf_hooks';
import { type Duration, SECOND } from '../../domain/time.ts';
import { DatabaseUnavailable, isTransient } from './database.ts';
import type { Statement } from './statement.ts';

/** How long each statement of a transaction may take that begins with `IMPATIENT`; they take milliseconds. */
const STATEMENT: Duration = 3 * SECOND;
/** How long the search for the failing items may take. A transaction that waits for its end may be idle for 30 s. */
const LOOK: Duration = 15 * SECOND;

/** Shortens every wait in this transaction, also in the server. */
export const IMPATIENT: Statement = {
	name: 'impatient',
	text: `SELECT set_config('statement_timeout', $1, true)`,
	values: [String(STATEMENT)],
};

/** SQLSTATE of a statement that was cancelled, which is how its time-out ends it. */
const CANCELLED = '57014';

/**
 * True if a statement took too long, by the server's limit or ours: the database is slow, or one item makes it slow.
 */
export function isTimeOut(error: unknown): boolean {
	if (!(error instanceof Error)) return false;
	return ('code' in error && error.code === CANCELLED) || isTimeOut(error.cause);
}

/** For the search for failing items, in which a time-out counts as a failure of the item. */
export const isNobodysFault = (error: unknown): boolean => isTransient(error) && !isTimeOut(error);

/** Lets work begin for a while, and then throws what `isNobodysFault`. */
export function limited<T>(work: (group: readonly T[]) => Promise<void>): (group: readonly T[]) => Promise<void> {
	const end = performance.now() + LOOK;
	return (group) => {
		if (performance.now() > end) throw new DatabaseUnavailable('the look for what takes too long has taken too long');
		return work(group);
	};
}
