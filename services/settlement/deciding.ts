/** `payments.list` and `payments.resolve`: payments and refunds that may need a person, and the person's decision. */
import { type Context, Errors } from 'moleculer';
import type { PaymentCall } from '../../domain/commands.ts';
import { PAYMENT_OUTCOMES, REFUND_OUTCOMES, RESOLUTION_OUTCOMES, type Resolution } from '../../domain/decision.ts';
import type { Refusal } from '../../domain/errors.ts';
import type { Order } from '../../domain/order.ts';
import type { Finding } from '../../domain/provider.ts';
import { MINUTE } from '../../domain/time.ts';
import { Busy } from '../../mixins/cluster/index.ts';
import type { Transaction } from '../../mixins/database/index.ts';
import type { UnitOfWork, WithOutbox } from '../../mixins/outbox/index.ts';
import { defineMixin, type Mixin } from '../../mixins/service.ts';
import { ADMIN_SCOPE, callerOf, isAdmin, type Meta } from '../orders/caller.ts';
import { invalid, notFound, refusalError } from '../orders/errors.ts';
import { type OrderDto, orderToDto } from '../orders/order-dto.ts';
import { askBefore } from './asking.ts';
import { termsOf } from './payment-calls.ts';
import {
	HOW_MANY,
	type ListParams,
	UNDECIDED,
	type UndecidedPayment,
	type UndecidedRow,
	type Undecideds,
	undecided,
} from './undecided.ts';

interface ResolveParams {
	readonly orderId: string;
	readonly refundId?: string;
	readonly outcome: Resolution['outcome'];
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
	refundId: { type: 'uuid', optional: true },
	outcome: { type: 'enum', values: [...RESOLUTION_OUTCOMES] },
	reference: { type: 'string', min: 1, max: 255, pattern: /^[!-~]*$/, optional: true },
	note: { type: 'string', min: 1, max: 1_000, pattern: /^\P{Cc}*$/u },
};

/** What has come of a step: the order, the question to ask, or why it is refused. */
interface Step {
	readonly order?: OrderDto;
	readonly call?: PaymentCall;
	readonly refusal?: Refusal;
}

/** Takes one step with the locked order. What it leaves is stored, also if it refuses. */
type TakeStep = (order: Order, work: UnitOfWork, tx: Transaction) => Promise<Step> | Step;

interface WithDeciding {
	readonly asking: AbortController;
	/** the order after the decision; throws if it is refused */
	decide: (orderId: string, resolution: Resolution, meta: Meta) => Promise<OrderDto>;
}

/**
 * The actions, and figures of what is undecided. A decision is taken in three parts: an intent to ask, so that nobody
 * calls the provider meanwhile; the question; and one transaction that applies the answer, or else the decision. If the
 * process dies between them, the sweeper goes on with the next attempt, and the person decides again.
 */
export const deciding = (): Mixin<WithDeciding> =>
	defineMixin<WithDeciding, object, WithOutbox>({
		actions: {
			'payments.list': {
				visibility: 'public',
				params: LIST_PARAMS,
				async handler({ params, meta }: Context<ListParams, Meta>): Promise<{ data: UndecidedPayment[] }> {
					operatorOf(meta);
					const rows = await this.platform.database.query<UndecidedRow>(undecided(params));
					return { data: rows.map((row) => ({ ...row, since: new Date(row.since).toISOString() })) };
				},
			},
			'payments.resolve': {
				visibility: 'public',
				timeout: 2 * MINUTE, // the provider is asked, which may take up to a minute
				params: RESOLVE_PARAMS,
				handler({ params, meta }: Context<ResolveParams, Meta>): Promise<OrderDto> {
					const by = operatorOf(meta);
					return this.decide(params.orderId, resolutionOf(params, by), meta);
				},
			},
		},
		created() {
			const { database, metrics } = this.platform;
			const asking = new AbortController();
			Object.assign(this, { asking });
			metrics.read(FIGURES, async () => {
				const [row] = await database.query<Undecideds>(HOW_MANY);
				return {
					payments_undecided: row?.waiting ?? 0,
					payments_undecided_oldest_age_seconds: row?.oldest ?? 0,
					payments_unknown: row?.unknown ?? 0,
					payments_unknown_oldest_age_seconds: row?.oldestUnknown ?? 0,
				};
			});
			const change = (orderId: string, take: TakeStep): Promise<Step> =>
				this.outbox.transaction('orders.change', async (work, tx, tries) => {
					const { orders, busy } = await work.lockSoon([orderId], tries === 1);
					if (busy.has(orderId)) throw new Busy('Somebody else works on this order.');
					const order = orders.get(orderId);
					if (order === undefined) throw notFound();
					const step = await take(order, work, tx);
					work.save();
					return step;
				});
			this.decide = async (orderId, resolution, meta) => {
				const toDto = (order: Order): OrderDto => orderToDto(order, callerOf(meta));
				const begun = await change(orderId, async (order, work, tx) => {
					const result = order.beginResolution(resolution, work.moment, termsOf(this.platform));
					if (result.ok) return { call: result.value };
					return (await isKnown(tx, orderId, resolution)) ? { order: toDto(order) } : { refusal: result.error };
				});
				const { call } = begun;
				if (call === undefined) return orderOf(begun);
				const found: Finding | null = await askBefore(this.platform, this.logger, call, resolution, asking.signal);
				const ended = await change(orderId, (order, { moment }, tx) => {
					const result = order.resolve(call, found, resolution, moment);
					if (!result.ok) return { refusal: result.error };
					const { by, note, outcome, refundId } = resolution;
					const what = refundId === null ? 'the payment' : `refund ${refundId}`;
					tx.afterCommit(() => {
						this.logger.warn(`${by} has decided ${what} of order ${orderId}: ${outcome} (${note})`);
					});
					return { order: toDto(order) };
				});
				return orderOf(ended);
			};
		},
		stopped() {
			this.asking.abort();
		},
	});

function orderOf({ order, refusal }: Step): OrderDto {
	if (order !== undefined) return order;
	throw refusal === undefined ? new Error('a decision has come to nothing') : refusalError(refusal);
}

/** Throws a validation error if what is decided cannot end so, whatever its state. */
function resolutionOf(params: ResolveParams, by: string): Resolution {
	const { outcome, refundId = null, reference = null, note } = params;
	const outcomes: readonly string[] = refundId === null ? PAYMENT_OUTCOMES : REFUND_OUTCOMES;
	if (!outcomes.includes(outcome)) throw invalid({ outcome: `must be one of ${outcomes.join(', ')}.` });
	return { refundId, outcome, reference, note, by };
}

/** The name of an operator; throws if the caller is none. */
function operatorOf(meta: Meta): string {
	const caller = callerOf(meta);
	if (isAdmin(caller)) return caller.subject;
	const message = `Only callers with the scope ${ADMIN_SCOPE} see or decide payments.`;
	throw new Errors.MoleculerClientError(message, 403, 'Auth.ScopeMissing');
}

/** True if the same was decided before: each outcome can be decided once for a payment or a refund. */
async function isKnown(
	tx: Transaction,
	orderId: string,
	{ outcome, reference, refundId }: Resolution,
): Promise<boolean> {
	const rows = await tx.query<{ reference: string | null }>({
		name: 'earlier-decision',
		text: `SELECT data ->> 'reference' AS reference FROM order_events
			WHERE order_id = $1 AND type = 'PaymentResolved' AND data ->> 'outcome' = $2
				AND data ->> 'refundId' IS NOT DISTINCT FROM $3`,
		values: [orderId, outcome, refundId],
	});
	return rows.some((row) => row.reference === reference);
}

const FIGURES = {
	payments_undecided: 'Payments and refunds whose outcome is not known, and payments that wait for the buyer.',
	payments_undecided_oldest_age_seconds: 'Since when the oldest of them has been undecided.',
	payments_unknown: 'Of them, those whose outcome is not known.',
	payments_unknown_oldest_age_seconds: 'Since when the oldest of these has been undecided.',
};
