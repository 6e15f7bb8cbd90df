/** Payments that may need a person, and the person's decision. */
import { type Context, Errors } from 'moleculer';
import type { PaymentOperation } from '../../domain/provider.ts';
import { RESOLUTION_OUTCOMES, type Resolution, type ResolutionOutcome } from '../../domain/resolving.ts';
import type { Instant } from '../../domain/time.ts';
import { Busy } from '../../mixins/cluster/index.ts';
import { instant, plainArray, type Statement, type Transaction } from '../../mixins/database/index.ts';
import type { WithOutbox } from '../../mixins/outbox/index.ts';
import { defineMixin, type Mixin } from '../../mixins/service.ts';
import { parseDuration } from '../../mixins/settings/index.ts';
import { ADMIN_SCOPE, callerOf, isAdmin, type Meta } from '../orders/caller.ts';
import { invalid, notFound, refusalError } from '../orders/errors.ts';
import { type OrderDto, orderToDto } from '../orders/order-dto.ts';

const UNDECIDED = ['Unknown', 'ActionRequired'] as const;
type Undecided = (typeof UNDECIDED)[number];

/** A payment that is `Unknown` or waits for the buyer. */
export interface UndecidedPayment {
	readonly orderId: string;
	readonly status: Undecided;
	readonly operation: PaymentOperation;
	/** RFC 3339 */
	readonly since: string;
}

interface ListParams {
	readonly status?: Undecided;
	readonly olderThan?: string;
}

interface ResolveParams {
	readonly orderId: string;
	readonly outcome: ResolutionOutcome;
	readonly reference?: string;
	readonly note: string;
}

const LIST_PARAMS = {
	$$strict: true,
	status: { type: 'enum', values: [...UNDECIDED], optional: true },
	olderThan: { type: 'string', max: 20, optional: true },
};

const RESOLVE_PARAMS = {
	$$strict: true,
	orderId: { type: 'uuid' },
	outcome: { type: 'enum', values: [...RESOLUTION_OUTCOMES] },
	reference: { type: 'string', min: 1, max: 255, pattern: /^[!-~]*$/, optional: true },
	note: { type: 'string', min: 1, max: 1_000, pattern: /^\P{Cc}*$/u },
};

/** The longest list; those that have waited longest stand first. */
const MOST = 1_000;

export interface WithDeciding {
	/** the order after the decision; throws if it is refused */
	decide: (orderId: string, resolution: Resolution, meta: Meta) => Promise<OrderDto>;
}

/** The actions `payments.list` and `payments.resolve`, and figures of the payments that are undecided. */
export const deciding = (): Mixin<WithDeciding> =>
	defineMixin<WithDeciding, object, WithOutbox>({
		actions: {
			'payments.list': {
				visibility: 'public',
				params: LIST_PARAMS,
				async handler({ params, meta }: Context<ListParams, Meta>): Promise<{ data: UndecidedPayment[] }> {
					operatorOf(meta);
					const rows = await this.platform.database.query<Row>(undecided(params));
					return { data: rows.map((row) => ({ ...row, since: new Date(row.since).toISOString() })) };
				},
			},
			'payments.resolve': {
				visibility: 'public',
				params: RESOLVE_PARAMS,
				handler({ params, meta }: Context<ResolveParams, Meta>): Promise<OrderDto> {
					const { orderId, outcome, reference = null, note } = params;
					return this.decide(orderId, { outcome, reference, note, by: operatorOf(meta) }, meta);
				},
			},
		},
		created() {
			const { database, metrics } = this.platform;
			metrics.read(FIGURES, async () => {
				const [row] = await database.query<Undecideds>(HOW_MANY);
				return {
					payments_undecided: row?.waiting ?? 0,
					payments_undecided_oldest_age_seconds: row?.oldest ?? 0,
					payments_unknown: row?.unknown ?? 0,
					payments_unknown_oldest_age_seconds: row?.oldestUnknown ?? 0,
				};
			});
			this.decide = (orderId, resolution, meta) =>
				this.outbox.transaction('orders.change', async (work, tx, tries) => {
					const { orders, busy } = await work.lockSoon([orderId], tries === 1);
					if (busy.has(orderId)) throw new Busy('Somebody else works on this order.');
					const order = orders.get(orderId);
					if (order === undefined) throw notFound();
					const result = order.resolvePayment(resolution, work.moment);
					if (!result.ok) {
						if (!(await isKnown(tx, orderId, resolution))) throw refusalError(result.error);
						return orderToDto(order, callerOf(meta));
					}
					work.save();
					const { by, note, outcome } = resolution;
					tx.afterCommit(() => {
						this.logger.warn(`${by} has decided the payment of order ${orderId}: ${outcome} (${note})`);
					});
					return orderToDto(order, callerOf(meta));
				});
		},
	});

/** The name of an operator; throws if the caller is none. */
function operatorOf(meta: Meta): string {
	const caller = callerOf(meta);
	if (isAdmin(caller)) return caller.subject;
	const message = `Only callers with the scope ${ADMIN_SCOPE} see or decide payments.`;
	throw new Errors.MoleculerClientError(message, 403, 'Auth.ScopeMissing');
}

type Row = Omit<UndecidedPayment, 'since'> & { readonly since: Instant };

/** A payment that was given up waits for its release, which has not begun. */
const undecided = ({ status, olderThan }: ListParams): Statement => ({
	name: 'undecided-payments',
	text: `SELECT order_id AS "orderId", status, coalesce(operation, 'void') AS operation, ${instant('undecided_since', 'since')}
		FROM payments WHERE undecided_since <= statement_timestamp() - $1::float8 * interval '1 millisecond'
			AND status = ANY ($2::text[]) ORDER BY undecided_since LIMIT ${MOST}`,
	values: [olderThan === undefined ? 0 : ageOf(olderThan), plainArray(status === undefined ? UNDECIDED : [status])],
});

function ageOf(text: string): number {
	const age = parseDuration(text);
	if (age === undefined) throw invalid({ olderThan: 'must be a duration such as 90s, 10m or 2h.' });
	return age;
}

/** True if the same was decided before: each outcome can be decided once for an order. */
async function isKnown(tx: Transaction, orderId: string, { outcome, reference }: Resolution): Promise<boolean> {
	const rows = await tx.query<{ reference: string | null }>({
		name: 'earlier-decision',
		text: `SELECT data ->> 'reference' AS reference FROM order_events
			WHERE order_id = $1 AND type = 'PaymentResolved' AND data ->> 'outcome' = $2`,
		values: [orderId, outcome],
	});
	return rows.some((row) => row.reference === reference);
}

interface Undecideds {
	readonly waiting: number;
	/** in seconds, like the other age */
	readonly oldest: number;
	readonly unknown: number;
	readonly oldestUnknown: number;
}

/** More are not counted: those that wait longest stand first, so that the ages are exact. */
const MOST_COUNTED = 200_000;
const AGE = 'coalesce(greatest(extract(epoch FROM clock_timestamp() - min(undecided_since)';

const HOW_MANY: Statement = {
	name: 'payments-undecided',
	text: `SELECT count(*)::int AS waiting, ${AGE}), 0), 0)::float8 AS oldest,
			(count(*) FILTER (WHERE status = 'Unknown'))::int AS unknown,
			${AGE} FILTER (WHERE status = 'Unknown')), 0), 0)::float8 AS "oldestUnknown"
		FROM (SELECT status, undecided_since FROM payments
			WHERE undecided_since IS NOT NULL AND status IN ('Unknown', 'ActionRequired')
			ORDER BY undecided_since LIMIT ${MOST_COUNTED}) AS undecided`,
	values: [],
};

const FIGURES = {
	payments_undecided: 'Payments whose outcome is not known, or that wait for the buyer.',
	payments_undecided_oldest_age_seconds: 'Since when the oldest of them has been undecided.',
	payments_unknown: 'Of them, those whose outcome is not known.',
	payments_unknown_oldest_age_seconds: 'Since when the oldest of these has been undecided.',
};
