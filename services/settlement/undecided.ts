/** Payments and refunds that may need a person, as they stand in the database. */
import type { ProviderOperation } from '../../domain/provider.ts';
import type { Instant } from '../../domain/time.ts';
import { instant, plainArray, type Statement } from '../../mixins/database/index.ts';
import { parseDuration } from '../../mixins/settings/index.ts';
import { invalid } from '../orders/errors.ts';

export const UNDECIDED = ['Unknown', 'ActionRequired'] as const;
type Undecided = (typeof UNDECIDED)[number];

/** A payment or a refund that is `Unknown`, or a payment that waits for the buyer. */
export interface UndecidedPayment {
	readonly orderId: string;
	/** the refund that it is; null: the payment itself */
	readonly refundId: string | null;
	readonly status: Undecided;
	readonly operation: ProviderOperation;
	/** RFC 3339 */
	readonly since: string;
}

export interface ListParams {
	readonly status?: Undecided;
	readonly olderThan?: string;
}

/** As they are read: `since` in milliseconds. */
export type UndecidedRow = Omit<UndecidedPayment, 'since'> & { readonly since: Instant };

/** The longest list; those that have waited longest stand first. */
const MOST = 1_000;

const OLDER = `undecided_since <= statement_timestamp() - $1::float8 * interval '1 millisecond' AND status = ANY ($2::text[])`;

/** A payment that was given up waits for its release, which has not begun. */
export const undecided = ({ status, olderThan }: ListParams): Statement => ({
	name: 'undecided-payments',
	text: `SELECT "orderId", "refundId", status, operation, ${instant('undecided_since', 'since')} FROM (
			(SELECT order_id AS "orderId", NULL::uuid AS "refundId", status, coalesce(operation, 'void') AS operation, undecided_since
				FROM payments WHERE ${OLDER} ORDER BY undecided_since LIMIT ${MOST})
			UNION ALL
			(SELECT order_id, id, status, 'refund', undecided_since
				FROM refunds WHERE ${OLDER} ORDER BY undecided_since LIMIT ${MOST})) AS u
		ORDER BY undecided_since LIMIT ${MOST}`,
	values: [olderThan === undefined ? 0 : ageOf(olderThan), plainArray(status === undefined ? UNDECIDED : [status])],
});

function ageOf(text: string): number {
	const age = parseDuration(text);
	if (age === undefined) throw invalid({ olderThan: 'must be a duration such as 90s, 10m or 2h.' });
	return age;
}

/** How many wait for an answer, and since when. */
export interface Undecideds {
	readonly waiting: number;
	/** in seconds, like the other age */
	readonly oldest: number;
	readonly unknown: number;
	readonly oldestUnknown: number;
}

/** More of each are not counted: those that wait longest stand first, so that the ages are exact. */
const MOST_COUNTED = 200_000;
const AGE = 'coalesce(greatest(extract(epoch FROM clock_timestamp() - min(undecided_since)';

export const HOW_MANY: Statement = {
	name: 'payments-undecided',
	text: `SELECT count(*)::int AS waiting, ${AGE}), 0), 0)::float8 AS oldest,
			(count(*) FILTER (WHERE status = 'Unknown'))::int AS unknown,
			${AGE} FILTER (WHERE status = 'Unknown')), 0), 0)::float8 AS "oldestUnknown"
		FROM ((SELECT status, undecided_since FROM payments
				WHERE undecided_since IS NOT NULL AND status IN ('Unknown', 'ActionRequired')
				ORDER BY undecided_since LIMIT ${MOST_COUNTED})
			UNION ALL
			(SELECT status, undecided_since FROM refunds WHERE undecided_since IS NOT NULL AND status = 'Unknown'
				ORDER BY undecided_since LIMIT ${MOST_COUNTED})) AS undecided`,
	values: [],
};
