import { setTimeout as pause } from 'node:timers/promises';
import type {
	Finding,
	PaymentProvider,
	PaymentRequest,
	ProviderOperation,
	ProviderOutcome,
	ProviderPayment,
	ProviderTraits,
} from '../../../domain/provider.ts';
import type { Duration, Instant } from '../../../domain/time.ts';
import type { Database } from '../../database/index.ts';
import { abortable, Batcher } from '../../runtime/index.ts';
import { HOLDS_FOR, type Note } from './book.ts';
import { type Answer, type Answered, type Asked, answerPage, perform } from './journal.ts';
import { ordersBetween, readBooks, readPage } from './tables.ts';

/** How many payments are read at once for `list`. */
const PAGE = 500;
const BEFORE_ALL = '00000000-0000-0000-0000-000000000000';

/**
 * A payment provider to try things with. It behaves as a real one does, also when the process is killed: it journals
 * what it did in a transaction of its own, gives the first answer to a key again, and can be slow. The card decides:
 * - `card_declined`: the authorisation is declined.
 * - `card_capture_refused`: authorised, then the capture is refused for good.
 * - `card_flaky`: does what it is asked, times out, and answers when asked again. Refunds have no such trouble.
 * - `card_authentication`: the buyer has to answer on a page (`answer`); nothing is held before.
 * - `card_remembered_error`: the first capture and the first void do nothing, and their keys answer an error for ever.
 * - `card_short_hold`: the money is held for 20 s.
 * Any other is good.
 */
export class SandboxProvider implements PaymentProvider {
	static readonly traits: ProviderTraits = {
		name: 'sandbox',
		requestVersion: 1,
		holdsFor: HOLDS_FOR,
		callsPerSecond: Number.POSITIVE_INFINITY,
		defaultPaymentMethod: 'card_ok',
		refuses: () => undefined,
	};
	readonly traits: ProviderTraits = SandboxProvider.traits;
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

	refund(request: PaymentRequest, signal: AbortSignal): Promise<ProviderOutcome> {
		return this.#ask('refund', request, signal);
	}

	async find(operation: ProviderOperation, request: PaymentRequest, signal: AbortSignal): Promise<Finding> {
		await this.#think(signal);
		const books = await abortable(readBooks(this.#database, [request.orderId]), signal);
		return books.of(request.orderId).find(operation, request);
	}

	async *list(since: Instant, until: Instant, signal: AbortSignal): AsyncIterable<ProviderPayment> {
		for (let after: string | undefined = BEFORE_ALL; after !== undefined; ) {
			await this.#think(signal);
			const orderIds: readonly string[] = await abortable(this.#ordersBetween(since, until, after), signal);
			for (const { payment } of await abortable(readBooks(this.#database, orderIds), signal)) {
				if (payment !== undefined && payment.createdAt >= since && payment.createdAt < until) yield payment;
			}
			after = orderIds.length < PAGE ? undefined : orderIds.at(-1);
		}
	}

	pageOf(): null {
		return null;
	}

	/** What the buyer is asked on a page; undefined if there is no such page. */
	question(page: string): Promise<Pick<Note, 'amount' | 'currency' | 'endedAs'> | undefined> {
		return readPage(this.#database, page);
	}

	/**
	 * The buyer's answer on a page. It does not count if the authorisation has ended: answered already, or cancelled.
	 * undefined if there is no such page.
	 */
	answer(page: string, outcome: 'succeeded' | 'failed'): Promise<Answered | undefined> {
		return this.#database.transaction('sandbox.journal', (tx) => answerPage(tx, page, outcome));
	}

	async #ordersBetween(since: Instant, until: Instant, after: string): Promise<readonly string[]> {
		const found = await this.#database.query<{ orderId: string }>(ordersBetween(since, until, after, PAGE));
		return found.map(({ orderId }) => orderId);
	}

	async #think(signal: AbortSignal): Promise<void> {
		if (this.#latency > 0) await pause(this.#latency, undefined, { signal });
		signal.throwIfAborted();
	}

	async #ask(operation: ProviderOperation, request: PaymentRequest, signal: AbortSignal): Promise<ProviderOutcome> {
		await this.#think(signal);
		const { outcome, isNew } = await abortable(this.#journal.add({ operation, request }), signal);
		const isFlaky = request.paymentMethod === 'card_flaky' && operation !== 'refund';
		if (isNew && isFlaky) throw new Error('the provider timed out');
		return outcome;
	}
}
