import { hash } from 'node:crypto';
import type { Instant } from '../../../domain/time.ts';
import { plainArray } from '../arrays.ts';
import { selected } from '../columns.ts';
import type { Database } from '../database.ts';
import { NOW } from '../instants.ts';
import { SHOWN_ORDER } from '../orders-columns.ts';
import { type OrderView, SHOWN_WITH_PAYMENT } from './changed-orders.ts';

/** What of the history is asked for: entries of transactions from `next` on, and of those in `open`, which are earlier. */
export interface Untold {
	readonly next: number;
	readonly open: readonly number[];
}

/** An entry of a history: its transaction, and its order as it is now. */
export type EntryView = Omit<OrderView, 'version'> & { readonly xact: number };

export interface NewEntries {
	/** in the order of their transactions, and within one always in the same order */
	readonly entries: readonly EntryView[];
	/** which database it was; nothing of it can be read from this */
	readonly database: string;
	/** all transactions below `next` had ended, except those in `open` */
	readonly seen: Untold;
	/** the database's clock at the reading */
	readonly now: Instant;
}

/**
 * The server's own number, the time line of its log (another one after a restore to a moment before), and the table's
 * number, which is another one in every logical copy.
 */
const DATABASE = `(SELECT system_identifier FROM pg_control_system()) || '/'
	|| left(pg_walfile_name(pg_current_wal_lsn()), 8) || '/' || 'order_events'::regclass::oid`;

/** A logical copy has the transactions of its origin in the column; `xmin` is always this server's own (manual, "System Columns"). */
const ENTRIES = 'SELECT xact, order_id, sequence FROM order_events WHERE xmin = xact::xid AND xact';
const IN_ORDER = 'ORDER BY xact, order_id, sequence LIMIT $3';

type Row = { readonly [Name in keyof EntryView]: Name extends 'xact' ? string | null : EntryView[Name] } & {
	readonly seen: string;
	readonly database: string;
};

/** The entries that are not told, at most so many; without `untold` none, but the present. */
export async function readNewEntries(
	database: Pick<Database, 'query'>,
	untold: Untold | undefined,
	most: number,
): Promise<NewEntries> {
	const { next, open } = untold ?? { next: 0, open: [] };
	const rows = await database.query<Row>({
		name: 'read-new-entries',
		text: `SELECT l.seen, l.database, l.now, e.xact::text, ${selected(SHOWN_ORDER, 'o')}, ${SHOWN_WITH_PAYMENT}
			FROM (SELECT pg_current_snapshot()::text AS seen, ${DATABASE} AS database, ${NOW} AS now) AS l
			LEFT JOIN LATERAL (
				(${ENTRIES} = ANY ($2::xid8[]) AND xact < $1::xid8 ${IN_ORDER})
				UNION ALL
				(${ENTRIES} >= $1::xid8 AND xact < pg_snapshot_xmax(pg_current_snapshot()) ${IN_ORDER})
				${IN_ORDER}) AS e ON true
			LEFT JOIN LATERAL (SELECT * FROM orders t WHERE t.id = e.order_id LIMIT 1) AS o ON true
			LEFT JOIN LATERAL (SELECT * FROM payments t WHERE t.order_id = e.order_id LIMIT 1) AS p ON true
			ORDER BY e.xact, e.order_id, e.sequence`,
		values: [next, plainArray(open), untold === undefined ? 0 : most],
	});
	const [row] = rows;
	if (row === undefined) throw new Error('the database has told nothing');
	return {
		entries: rows.flatMap(({ xact, ...entry }) => (xact === null ? [] : [{ ...entry, xact: Number(xact) }])),
		database: hash('sha256', row.database, 'base64url').slice(0, 11),
		seen: snapshotOf(row.seen),
		now: row.now,
	};
}

/** How many entries there are from a transaction on, counted no further than `most`. */
export async function countEntries(database: Pick<Database, 'query'>, next: number, most: number): Promise<number> {
	const [row] = await database.query<{ entries: number }>({
		name: 'count-entries',
		text: `SELECT count(*)::int AS entries FROM (SELECT FROM order_events
			WHERE xact >= $1::xid8 AND xact < pg_snapshot_xmax(pg_current_snapshot()) ORDER BY xact LIMIT $2) AS e`,
		values: [next, most],
	});
	return row?.entries ?? 0;
}

/** `xmin:xmax:open,open`, as the server writes a `pg_snapshot`. */
function snapshotOf(text: string): Untold {
	const [, next, open = ''] = text.split(':');
	return { next: Number(next), open: open === '' ? [] : open.split(',').map(Number) };
}
