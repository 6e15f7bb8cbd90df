import type { PaymentStatus } from '../../../domain/payment.ts';
import type { Instant } from '../../../domain/time.ts';
import { plainArray, textArray } from '../arrays.ts';
import { selected } from '../columns.ts';
import type { Database } from '../database.ts';
import { instant, NOW } from '../instants.ts';
import { SHOWN_ORDER, type ShownOrder } from '../orders-columns.ts';

/** An order as clients see it, read without a lock. */
export interface OrderView extends ShownOrder {
	readonly paymentStatus: PaymentStatus;
	readonly captureBefore: Instant | null;
	/** a `PaymentAction` as JSON */
	readonly action: string | null;
	readonly refundedMinor: bigint;
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

/** What is shown of the payment `p` of an order; it has no row before its first change. */
export const SHOWN_WITH_PAYMENT = `coalesce(p.status, 'Requested') AS "paymentStatus",
	${instant('p.capture_before', '"captureBefore"')}, p.action, coalesce(p.refunded_minor, 0) AS "refundedMinor"`;

/** The orders whose version differs from the known one, in one statement. Unchanged and missing orders are left out. */
export function readChanged(database: Database, known: readonly Known[]): Promise<OrderView[]> {
	return database.query<OrderView>({
		name: 'read-changed-orders',
		text: `SELECT ${selected(SHOWN_ORDER, 'o')}, ${SHOWN_WITH_PAYMENT},
				concat(o.xmin, '.', p.xmin) AS version, ${NOW} AS now
			FROM unnest($1::uuid[], $2::text[]) AS k (id, version)
			CROSS JOIN LATERAL (SELECT t.xmin, t.* FROM orders t WHERE t.id = k.id LIMIT 1) AS o
			LEFT JOIN LATERAL (SELECT t.xmin, t.* FROM payments t WHERE t.order_id = k.id LIMIT 1) AS p ON true
			WHERE k.version IS DISTINCT FROM concat(o.xmin, '.', p.xmin)`,
		values: [plainArray(known.map(({ id }) => id)), textArray(known.map(({ version }) => version))],
	});
}
