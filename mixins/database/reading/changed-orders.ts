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
	/** changes whenever one of its rows is written again, even if nothing above changed */
	readonly version: string;
	/** the database's clock at the reading */
	readonly now: Instant;
}

/** An order and the version that the client knows; null if it knows none. */
export interface Known {
	readonly id: string;
	readonly version: string | null;
}

/** The orders whose version differs from the known one, in one statement. Unchanged and missing orders are left out. */
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
