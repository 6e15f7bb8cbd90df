import type { PaymentStatus } from '../../../domain/payment.ts';
import type { Instant } from '../../../domain/time.ts';
import { plainArray, textArray } from '../arrays.ts';
import { selected } from '../columns.ts';
import type { Database } from '../database.ts';
import { NOW } from '../instants.ts';
import { SHOWN_ORDER, type ShownOrder } from '../orders-columns.ts';

/** An order as clients see it, read without a lock. */
export interface OrderView extends ShownOrder {
	readonly paymentStatus: PaymentStatus;
	/** another one whenever one of its rows was written again, also where nothing of the above changed */
	readonly version: string;
	/** the database's clock at the reading */
	readonly now: Instant;
}

/** An order that somebody knows; null for a version that nobody has seen. */
export interface Known {
	readonly id: string;
	readonly version: string | null;
}

/** The orders whose version is another than the one known, in one statement; others, and those that do not exist, are missing. */
export function readChanged(database: Database, known: readonly Known[]): Promise<OrderView[]> {
	return database.query<OrderView>({
		name: 'read-changed-orders',
		text: `SELECT ${selected(SHOWN_ORDER, 'o')}, coalesce(p.status, 'Requested') AS "paymentStatus",
				concat(o.xmin, '.', p.xmin) AS version, ${NOW} AS now
			FROM unnest($1::uuid[], $2::text[]) AS k (id, version)
			CROSS JOIN LATERAL (SELECT t.xmin, t.* FROM orders t WHERE t.id = k.id LIMIT 1) AS o
			LEFT JOIN LATERAL (SELECT t.xmin, t.status FROM payments t WHERE t.order_id = k.id LIMIT 1) AS p ON true
			WHERE k.version IS DISTINCT FROM concat(o.xmin, '.', p.xmin)`,
		values: [plainArray(known.map(({ id }) => id)), textArray(known.map(({ version }) => version))],
	});
}
