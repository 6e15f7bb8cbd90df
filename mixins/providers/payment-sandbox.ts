import { setTimeout as pause } from 'node:timers/promises';
import type {
	Finding,
	PaymentOperation,
	PaymentProvider,
	PaymentRequest,
	ProviderOperation,
	ProviderOutcome,
	ProviderPayment,
	ProviderTraits,
} from '../../domain/provider.ts';
import { DAY, type Duration } from '../../domain/time.ts';
import { type Database, plainArray, type Transaction, textArray } from '../database/index.ts';
import { Batcher } from '../runtime/index.ts';

interface Asked {
	readonly operation: PaymentOperation;
	readonly request: PaymentRequest;
}

type Outcome = 'succeeded' | 'declined' | 'refused';

interface JournalRow {
	idempotency_key: string;
	order_id: string;
	operation: PaymentOperation;
	outcome: Outcome;
}

interface Answer {
	readonly outcome: ProviderOutcome;
	/** this call did it, not one before */
	readonly isNew: boolean;
}

/**
 * A payment provider to try things with. It behaves as a real one does, also when the process is killed: it journals
 * what it did in a transaction of its own, knows idempotency keys, moves an order's money once, and can be slow. The
 * card decides: `card_declined` (authorisation declined), `card_capture_refused` (authorised, then refused for good),
 * `card_flaky` (does it, times out, and answers when asked again), anything else is good.
 */
export class SandboxProvider implements PaymentProvider {
	readonly traits: ProviderTraits = {
		...{ name: 'sandbox', requestVersion: 1, holdsFor: 7 * DAY, callsPerSecond: Number.POSITIVE_INFINITY },
		...{ defaultPaymentMethod: 'card_ok', refuses: () => undefined },
	};
	readonly #database: Database;
	readonly #latency: Duration;
	/** Requests that reach the provider at the same time share a transaction. */
	readonly #journal: Batcher<Asked, Answer>;

	constructor(database: Database, latency: Duration = 0) {
		this.#database = database;
		this.#latency = latency;
		this.#journal = new Batcher({ size: 500, inFlight: 2 }, (asked) =>
			database.transaction('sandbox.journal', (tx) => perform(tx, asked)),
		);
	}

	authorize(request: PaymentRequest, signal: AbortSignal): Promise<ProviderOutcome> {
		return this.#ask('authorize', request, signal);
	}

	capture(request: PaymentRequest, signal: AbortSignal): Promise<ProviderOutcome> {
		return this.#ask('capture', request, signal);
	}

	void(request: PaymentRequest, signal: AbortSignal): Promise<ProviderOutcome> {
		return this.#ask('void', request, signal);
	}

	refund(): Promise<ProviderOutcome> {
		return Promise.resolve({ kind: 'refused', reason: 'This provider gives nothing back.' });
	}

	async *list(): AsyncIterable<ProviderPayment> {}

	pageOf(): null {
		return null;
	}

	async find(operation: ProviderOperation, request: PaymentRequest): Promise<Finding> {
		const rows = await this.#database.query<JournalRow>({
			name: 'sandbox-find',
			text: `SELECT idempotency_key, order_id, operation, outcome FROM sandbox_operations
				WHERE order_id = $1 AND operation = $2 ORDER BY created_at LIMIT 1`,
			values: [request.orderId, operation],
		});
		const [row] = rows;
		if (row !== undefined) return toOutcome(row.operation, row.outcome, request.orderId);
		return { kind: operation === 'authorize' ? 'notFound' : 'notDone' };
	}

	async #ask(operation: PaymentOperation, request: PaymentRequest, signal: AbortSignal): Promise<ProviderOutcome> {
		if (this.#latency > 0) await pause(this.#latency, undefined, { signal });
		signal.throwIfAborted();
		const { outcome, isNew } = await this.#journal.add({ operation, request });
		if (isNew && request.paymentMethod === 'card_flaky') throw new Error('the provider timed out');
		return outcome;
	}
}

async function perform(tx: Transaction, asked: readonly Asked[]): Promise<Answer[]> {
	const history = await readJournal(tx, asked);
	const done = new Map<string, Outcome>();
	for (const rows of history.values()) for (const row of rows) done.set(row.idempotency_key, row.outcome);
	const fresh = new Map<string, Asked & { readonly outcome: Outcome }>();
	for (const one of asked) {
		const key = one.request.idempotencyKey;
		if (!done.has(key) && !fresh.has(key)) {
			fresh.set(key, { ...one, outcome: decide(one, history.get(one.request.orderId) ?? []) });
		}
	}
	const written = fresh.size > 0 ? await writeJournal(tx, [...fresh.values()]) : new Set<string>();
	return asked.map(({ operation, request }) => {
		const outcome = done.get(request.idempotencyKey) ?? fresh.get(request.idempotencyKey)?.outcome ?? 'refused';
		return { outcome: toOutcome(operation, outcome, request.orderId), isNew: written.has(request.idempotencyKey) };
	});
}

/** What a provider says to an operation that it has not seen, given what it did for that order before. */
function decide({ operation, request }: Asked, history: readonly JournalRow[]): Outcome {
	const succeeded = new Set(history.filter(({ outcome }) => outcome === 'succeeded').map((row) => row.operation));
	if (operation === 'authorize') return request.paymentMethod === 'card_declined' ? 'declined' : 'succeeded';
	if (!succeeded.has('authorize') || succeeded.has('capture') || succeeded.has('void')) return 'refused';
	return operation === 'capture' && request.paymentMethod === 'card_capture_refused' ? 'refused' : 'succeeded';
}

function toOutcome(operation: PaymentOperation, outcome: Outcome, orderId: string): ProviderOutcome {
	if (outcome === 'succeeded')
		return { kind: 'succeeded', reference: operation === 'authorize' ? `auth_${orderId}` : null };
	const reason = outcome === 'declined' ? 'The card was declined.' : `The provider refused to ${operation}.`;
	return { kind: outcome, reason };
}

async function readJournal(tx: Transaction, asked: readonly Asked[]): Promise<Map<string, JournalRow[]>> {
	const rows = await tx.query<JournalRow>({
		name: 'sandbox-history',
		text: `SELECT idempotency_key, order_id, operation, outcome FROM sandbox_operations WHERE order_id = ANY($1::uuid[])`,
		values: [plainArray([...new Set(asked.map(({ request }) => request.orderId))])],
	});
	return Map.groupBy(rows, ({ order_id }) => order_id);
}

/** Returns the keys that were written; a key that another call wrote meanwhile stays as it is. */
async function writeJournal(tx: Transaction, rows: readonly (Asked & { outcome: Outcome })[]): Promise<Set<string>> {
	const sorted = [...rows].sort((a, b) => (a.request.idempotencyKey < b.request.idempotencyKey ? -1 : 1));
	const written = await tx.query<{ idempotency_key: string }>({
		name: 'sandbox-write',
		text: `INSERT INTO sandbox_operations (idempotency_key, order_id, operation, amount, outcome)
			SELECT * FROM unnest($1::text[], $2::uuid[], $3::text[], $4::bigint[], $5::text[])
			ON CONFLICT DO NOTHING RETURNING idempotency_key`,
		values: [
			textArray(sorted.map(({ request }) => request.idempotencyKey)),
			plainArray(sorted.map(({ request }) => request.orderId)),
			plainArray(sorted.map(({ operation }) => operation)),
			plainArray(sorted.map(({ request }) => request.amount.minor)),
			plainArray(sorted.map(({ outcome }) => outcome)),
		],
	});
	return new Set(written.map(({ idempotency_key }) => idempotency_key));
}
