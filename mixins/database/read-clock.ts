import type { Instant } from '../../domain/time.ts';
import type { Database } from './database.ts';
import { CLOCK } from './orders-store.ts';

/** The database's clock outside any transaction, for what is only told or waited for; nothing is decided by it. */
export async function readClock(database: Pick<Database, 'query'>): Promise<Instant> {
	const [row] = await database.query<{ now: Instant }>(CLOCK);
	return row?.now ?? Number.NaN;
}
