import type { Database } from '../database/index.ts';

export interface OutboxBacklog {
	/** messages that wait to be sent; more are not counted than `MOST_COUNTED` */
	readonly unsent: number;
	/** seconds since the oldest of them was raised */
	readonly age: number;
	/** of them, those that could not be sent at least once */
	readonly failing: number;
}

/** A scrape must not read a backlog of millions, and above this number the exact figure does not matter. */
const MOST_COUNTED = 50_000;

/**
 * What waits in the outbox. A message's age is in its id: the first 48 bits of a UUID v7 are its milliseconds since
 * 1970 (RFC 9562, section 5.7). A message that is replayed keeps its age.
 */
export async function outboxBacklog(database: Database): Promise<OutboxBacklog> {
	const [row] = await database.query<OutboxBacklog>({
		name: 'outbox-backlog',
		text: `SELECT count(*)::int AS unsent, (count(*) FILTER (WHERE attempts > 0))::int AS failing,
				coalesce(greatest(0, extract(epoch FROM clock_timestamp()) - min(raised_at) / 1000.0), 0)::float8 AS age
			FROM (SELECT attempts, ('x' || translate(left(message_id::text, 13), '-', ''))::bit(48)::bigint AS raised_at
				FROM outbox_messages WHERE sent_at IS NULL LIMIT ${MOST_COUNTED}) AS waiting`,
		values: [],
	});
	return row ?? { unsent: 0, age: 0, failing: 0 };
}
