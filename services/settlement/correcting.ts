/** Refunds that count as failed though the provider has given the money back: part of a reconciliation. */
import type { PaymentProvider, PaymentRequest } from '../../domain/provider.ts';
import { refundKey } from '../../domain/refunding.ts';
import type { Duration, Instant } from '../../domain/time.ts';
import { outside } from '../../mixins/calls/index.ts';
import { type Database, instant } from '../../mixins/database/index.ts';
import type { Outbox } from '../../mixins/outbox/index.ts';
import type { Platform } from '../../mixins/platform.ts';
import { type Log, tell } from '../../mixins/runtime/index.ts';
import type { PaymentDifference, ReconcileOptions } from './reconciliation.ts';

/** How many refunds are read with one statement. */
const PAGE = 200;
const BEFORE_ALL = '00000000-0000-0000-0000-000000000000';

interface FailedRefund {
	readonly id: string;
	readonly orderId: string;
	readonly amountMinor: bigint;
	readonly currency: string;
	readonly createdAt: Instant;
	/** the provider's name for it, if it was told */
	readonly reference: string | null;
	/** the provider's name for the payment */
	readonly payment: string | null;
}

interface Surroundings extends Pick<Platform, 'metrics' | 'tracing'> {
	readonly database: Database;
	readonly outbox: Outbox;
	readonly provider: PaymentProvider;
	readonly timeout: Duration;
	readonly log: Log;
}

/**
 * Asks the provider about each refund that has failed in this time: what it answered with an error, or what a person took
 * for undone, it may have done later. Such a refund is set back to succeeded, unless another in its place counts.
 */
export async function* correctRefunds(
	around: Surroundings,
	options: ReconcileOptions,
): AsyncGenerator<PaymentDifference> {
	for (let after: string | undefined = BEFORE_ALL; after !== undefined; ) {
		const failed: readonly FailedRefund[] = await around.database.query<FailedRefund>(failedBetween(options, after));
		for (const refund of failed) {
			options.signal.throwIfAborted();
			const reference = await given(around, refund, options.signal);
			if (reference !== undefined) yield await correct(around, refund, reference, options.dryRun);
		}
		after = failed.length < PAGE ? undefined : failed.at(-1)?.id;
	}
}

/** The provider's name for a refund that it has given; undefined if it has not, or does not answer. */
async function given(
	around: Surroundings,
	refund: FailedRefund,
	signal: AbortSignal,
): Promise<string | null | undefined> {
	const { provider, timeout, log } = around;
	try {
		const inTime = AbortSignal.any([signal, AbortSignal.timeout(timeout)]);
		const request = requestOf(refund, provider.traits.requestVersion);
		const asked = { operation: 'find', orderId: refund.orderId, cause: null } as const;
		const found = await outside(around, asked, () => provider.find('refund', request, inTime));
		return found.kind === 'succeeded' ? found.reference : undefined;
	} catch (error) {
		signal.throwIfAborted();
		tell(log, 'debug', `refund ${refund.id} of order ${refund.orderId} could not be asked for`, error);
		return undefined;
	}
}

const requestOf = (
	{ id, orderId, amountMinor: minor, currency, createdAt, reference, payment }: FailedRefund,
	version: number,
): PaymentRequest => ({
	...{ orderId, version, keyUsedAt: createdAt, paymentMethod: '' },
	idempotencyKey: refundKey(orderId, id),
	amount: { minor, currency },
	reference: payment,
	refund: { id, reference },
});

async function correct(
	{ outbox }: Surroundings,
	{ id, orderId, reference: known, payment }: FailedRefund,
	reference: string | null,
	dryRun: boolean,
): Promise<PaymentDifference> {
	const difference = {
		...{ orderId, reference: reference ?? known ?? payment ?? '' },
		...{ problem: `refund ${id} counts as failed, and the money was given back`, remedy: 'correct' as const },
	};
	if (dryRun) return { ...difference, outcome: null };
	const isCorrected = await outbox.transaction('settlement.outcome', async (work, _tx, tries) => {
		const { orders } = await work.lockSoon([orderId], tries === 1);
		const result = orders.get(orderId)?.correctRefund(id, reference, work.moment);
		work.save();
		return result;
	});
	// Where somebody else works on the order, the next reconciliation sees it again.
	return { ...difference, outcome: isCorrected === undefined ? 'unknown' : isCorrected ? 'succeeded' : 'refused' };
}

const failedBetween = ({ since, until }: ReconcileOptions, after: string) => ({
	name: 'refunds-failed',
	text: `SELECT r.id, r.order_id AS "orderId", r.amount_minor AS "amountMinor", o.currency,
			${instant('r.created_at', '"createdAt"')}, r.reference, p.reference AS payment
		FROM refunds r JOIN orders o ON o.id = r.order_id JOIN payments p ON p.order_id = r.order_id
		WHERE r.status = 'Failed' AND r.settled_at >= to_timestamp($1::float8 / 1000) AND r.settled_at < to_timestamp($2::float8 / 1000)
			AND r.id > $3::uuid
		ORDER BY r.id LIMIT ${PAGE}`,
	values: [since, until, after],
});
