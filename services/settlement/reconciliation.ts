import type { OrderStatus } from '../../domain/order-record.ts';
import type { PaymentProvider, PaymentRequest, ProviderOutcome, ProviderPayment } from '../../domain/provider.ts';
import type { Duration, Instant } from '../../domain/time.ts';
import { outside } from '../../mixins/calls/index.ts';
import { type Database, instant, plainArray } from '../../mixins/database/index.ts';
import type { Outbox } from '../../mixins/outbox/index.ts';
import type { Platform } from '../../mixins/platform.ts';
import { errorMessage, type Log } from '../../mixins/runtime/index.ts';
import { correctRefunds } from './correcting.ts';

/** How many payments are looked up with one statement. */
const PAGE = 200;
/** The most differences that are told; the rest is only counted, and logged. */
const MOST_TOLD = 1_000;
const UUID = /^[0-9a-f]{8}-[0-9a-f]{4}-7[0-9a-f]{3}-[89ab][0-9a-f]{3}-[0-9a-f]{12}$/;

/** An order whose money is not at the provider as we have it. */
export interface PaymentDifference {
	readonly orderId: string;
	/** the provider's name for the payment */
	readonly reference: string;
	readonly problem: string;
	/** what was done about it, or would be in a dry run (`correct`: in our book); null if a person has to look */
	readonly remedy: 'void' | 'refund' | 'correct' | null;
	/** what the provider said to the remedy, or if our book could be corrected; null in a dry run, and where there is none */
	readonly outcome: ProviderOutcome['kind'] | null;
}

export interface Reconciled {
	/** payments of ours that the provider has from this time */
	readonly checked: number;
	/** holds that were released, or would be in a dry run */
	readonly voided: number;
	/** captures that were given back, or would be in a dry run */
	readonly refunded: number;
	readonly differences: readonly PaymentDifference[];
	/** true if there are more differences than are told */
	readonly more: boolean;
}

export interface ReconcileOptions {
	readonly since: Instant;
	readonly until: Instant;
	/** changes nothing */
	readonly dryRun: boolean;
	readonly signal: AbortSignal;
}

/** What we have of a payment. */
interface Ours {
	readonly id: string;
	readonly status: OrderStatus;
	readonly amount: bigint;
	readonly reference: string | null;
	readonly refundedMinor: bigint;
}

/** What the comparison needs to know of our side. */
type Judged = Pick<Ours, 'status' | 'amount' | 'reference' | 'refundedMinor'>;

interface Surroundings extends Pick<Platform, 'metrics' | 'tracing'> {
	readonly database: Database;
	readonly outbox: Outbox;
	readonly provider: PaymentProvider;
	readonly timeout: Duration;
	readonly log: Log;
}

interface Finding {
	readonly problem: string;
	readonly remedy: 'void' | 'refund' | null;
}

/**
 * Compares the provider's list with our orders. It touches only payments that carry the id of an order of ours, and of
 * them only those whose order has ended, or that no order belongs to (an old backup was restored, say): what such an order
 * still holds is released, and what was taken for it though it was cancelled is given back. Refunds that count as failed
 * and were given are set right. Everything else is told.
 */
export async function reconcile(around: Surroundings, options: ReconcileOptions): Promise<Reconciled> {
	const { provider, log } = around;
	const total = { checked: 0, voided: 0, refunded: 0 };
	const differences: PaymentDifference[] = [];
	let more = false;
	const note = (difference: PaymentDifference): void => {
		const { orderId, problem, reference } = difference;
		log.warn(`order ${orderId}: ${problem} (${reference})${toldOf(difference)}`);
		if (differences.length < MOST_TOLD) differences.push(difference);
		else more = true;
	};
	for await (const difference of correctRefunds(around, options)) note(difference);
	const madeAt = await readMadeAt(around.database);
	for await (const page of pagesOf(provider.list(options.since, options.until, options.signal))) {
		const ours = await read(around.database, page);
		for (const payment of page) {
			total.checked += 1;
			const order = ours.get(payment.orderId);
			const found = judge(payment, order, madeAt);
			if (found === undefined) continue;
			const difference = await mend(around, payment, found, options);
			if (difference.remedy === 'void' && settles(difference)) total.voided += 1;
			if (difference.remedy === 'refund' && settles(difference)) total.refunded += 1;
			note(difference);
		}
		log.debug(`reconciliation: ${total.checked} payments compared`);
		options.signal.throwIfAborted();
	}
	return { ...total, differences, more };
}

/** True if the remedy has done what it should, or would be tried. */
const settles = ({ outcome }: PaymentDifference): boolean => outcome === null || outcome === 'succeeded';

const toldOf = ({ remedy, outcome }: PaymentDifference): string =>
	remedy === null
		? '; a person must look at it'
		: outcome === null
			? `; it needs a ${remedy === 'correct' ? 'correction in our book' : remedy}`
			: `; ${remedy}: ${outcome}`;

type OfOrder = ProviderPayment & { readonly orderId: string };

async function* pagesOf(payments: AsyncIterable<ProviderPayment>): AsyncGenerator<readonly OfOrder[]> {
	let page: OfOrder[] = [];
	for await (const payment of payments) {
		const { orderId } = payment;
		if (orderId === null || !UUID.test(orderId)) continue; // not one of ours
		page.push({ ...payment, orderId });
		if (page.length < PAGE) continue;
		yield page;
		page = [];
	}
	if (page.length > 0) yield page;
}

async function read(database: Database, page: readonly OfOrder[]): Promise<ReadonlyMap<string, Ours>> {
	const rows = await database.query<Ours>({
		name: 'reconcile-orders',
		text: `SELECT o.id, o.status, o.amount, p.reference,
				coalesce(p.refunded_minor, 0) AS "refundedMinor"
			FROM orders o LEFT JOIN payments p ON p.order_id = o.id WHERE o.id = ANY($1::uuid[])`,
		values: [plainArray([...new Set(page.map(({ orderId }) => orderId))])],
	});
	return new Map(rows.map((row) => [row.id, row]));
}

/** When this database was made; that of a backup is in the backup. */
async function readMadeAt(database: Database): Promise<Instant> {
	const [row] = await database.query<{ made: Instant }>({
		name: 'database-made-at',
		text: `SELECT ${instant('min(applied_at)', 'made')} FROM schema_migrations`,
		values: [],
	});
	return row?.made ?? Number.POSITIVE_INFINITY;
}

/** What is wrong, and what helps; undefined if both agree, or if the order is still on its way. */
export function judge(payment: ProviderPayment, order: Judged | undefined, madeAt: Instant): Finding | undefined {
	const { held, captured, refunded, waits, createdAt } = payment;
	const left = captured - refunded;
	if (order === undefined) {
		// A database that is younger than the payment cannot know its order: it may be another system's.
		if (createdAt < madeAt) return { problem: 'the payment is older than this database', remedy: null };
		if (held > 0n || waits) return { problem: 'money is held for an order that nobody knows', remedy: 'void' };
		return left > 0n ? { problem: 'money was taken for an order that nobody knows', remedy: null } : undefined;
	}
	if (order.status === 'Cancelled' || order.status === 'PaymentFailed') {
		const end = order.status === 'Cancelled' ? 'was cancelled' : 'has failed';
		if (left > 0n) return { problem: `money was taken for an order that ${end}`, remedy: 'refund' };
		return held > 0n || waits ? { problem: `money is held for an order that ${end}`, remedy: 'void' } : undefined;
	}
	if (order.status !== 'Shipped') return undefined;
	const isOther = order.reference !== null && order.reference !== payment.reference;
	if (isOther && (held > 0n || waits)) return { problem: 'money is held a second time', remedy: 'void' };
	if (isOther) return left > 0n ? { problem: 'money was taken a second time', remedy: null } : undefined;
	if (captured !== order.amount) {
		return { problem: `the provider took ${captured}, not ${order.amount} minor units`, remedy: null };
	}
	if (refunded === order.refundedMinor) return undefined;
	return { problem: `the provider gave back ${refunded}, not ${order.refundedMinor} minor units`, remedy: null };
}

async function mend(
	around: Surroundings,
	payment: OfOrder,
	{ problem, remedy }: Finding,
	{ dryRun, signal }: ReconcileOptions,
): Promise<PaymentDifference> {
	const { provider, timeout, metrics } = around;
	const { orderId, reference } = payment;
	if (remedy === 'refund' && !dryRun) metrics.breached();
	if (remedy === null || dryRun) return { orderId, reference, problem, remedy, outcome: null };
	const inTime = AbortSignal.any([signal, AbortSignal.timeout(timeout)]);
	const request = requestOf(payment, remedy, provider.traits.requestVersion);
	const asked = outside(around, { operation: remedy, orderId, cause: null }, () => provider[remedy](request, inTime));
	const { kind } = await asked.catch((error: unknown) => ({ kind: 'unknown' as const, reason: errorMessage(error) }));
	return { orderId, reference, problem, remedy, outcome: kind };
}

/**
 * What was given back already is part of a refund's key: a repetition gives back what is left then, once. A void needs no
 * such care; its key is of this hour, because a provider may remember an error for a day.
 */
function requestOf(payment: OfOrder, remedy: 'void' | 'refund', version: number): PaymentRequest {
	const { orderId, reference, currency, held, captured, refunded } = payment;
	const now = Date.now();
	const hour = new Date(now).toISOString().slice(0, 13);
	return {
		...{ orderId, reference, version, keyUsedAt: now, paymentMethod: '' },
		idempotencyKey: `${orderId}:reconcile:${remedy}:${remedy === 'void' ? hour : refunded}`,
		amount: { minor: remedy === 'void' ? held : captured - refunded, currency },
		refund: remedy === 'refund' ? { id: orderId, reference: null } : null,
	};
}
