/** One order as a provider gets to know it. */
import { expect } from '@jest/globals';
import type { Money } from '../../../domain/money.ts';
import type {
	Finding,
	PaymentProvider,
	PaymentRequest,
	ProviderOperation,
	ProviderOutcome,
	ProviderPayment,
} from '../../../domain/provider.ts';
import { MINUTE, SECOND } from '../../../domain/time.ts';
import { newId } from '../../../mixins/runtime/uuid.ts';
import type { ProviderHarness } from './harness.ts';

/** What the tests of the suite share: the harness, and the provider under test. */
export interface Part {
	readonly harness: ProviderHarness;
	readonly provider: () => PaymentProvider;
}

export const USD: Money = { minor: 1_990n, currency: 'USD' };

/** How long one call may take. */
const PATIENCE = 10 * SECOND;

export interface Asking {
	readonly key?: string;
	readonly amount?: Money;
	/** the id of the refund */
	readonly refund?: string;
	readonly signal?: AbortSignal;
}

export interface PurchaseOptions {
	readonly card?: string;
	readonly amount?: Money;
}

export class Purchase {
	readonly orderId = newId(Date.now());
	readonly amount: Money;
	readonly #card: string;
	readonly #begun = Date.now();
	readonly #part: Part;
	readonly #said: string[] = [];
	readonly #refunds = new Map<string, string>();
	/** as the provider named it */
	reference: string | null = null;

	constructor(part: Part, { card = part.harness.cards.good, amount = USD }: PurchaseOptions = {}) {
		this.#part = part;
		this.#card = card;
		this.amount = amount;
	}

	/** One that is authorised. */
	static async authorized(part: Part, options: PurchaseOptions = {}): Promise<Purchase> {
		const purchase = new Purchase(part, options);
		expect(await purchase.ask('authorize')).toMatchObject({ kind: 'succeeded' });
		return purchase;
	}

	/** A call without an answer has an unknown outcome. */
	async ask(operation: ProviderOperation, asking: Asking = {}): Promise<ProviderOutcome> {
		const { signal = AbortSignal.timeout(PATIENCE) } = asking;
		const request = this.request(operation, asking);
		const outcome = await this.#part
			.provider()
			[operation](request, signal)
			.catch((error): ProviderOutcome => ({ kind: 'unknown', reason: String(error) }));
		if ('reference' in outcome && outcome.reference !== null) this.#name(request, outcome.reference);
		return this.#heard(outcome);
	}

	async find(operation: ProviderOperation, asking: Asking = {}): Promise<Finding> {
		const { signal = AbortSignal.timeout(PATIENCE) } = asking;
		const request = this.request(operation, asking);
		const finding = await this.#part.provider().find(operation, request, signal);
		if ('reference' in finding && finding.reference !== null) this.#name(request, finding.reference);
		return this.#heard(finding);
	}

	/** The payment in the provider's list, as far back as `since`. There must not be two of one order. */
	async listed(since = this.#begun - MINUTE): Promise<ProviderPayment | undefined> {
		const found: ProviderPayment[] = [];
		const signal = AbortSignal.timeout(PATIENCE);
		for await (const payment of this.#part.provider().list(since, Date.now() + MINUTE, signal)) {
			if (payment.orderId === this.orderId) found.push(payment);
		}
		expect(found.length).toBeLessThan(2);
		return found[0];
	}

	request(operation: ProviderOperation, { key, amount = this.amount, refund }: Asking = {}): PaymentRequest {
		const path = refund === undefined ? operation : `refund:${refund}`;
		return {
			...{ orderId: this.orderId, idempotencyKey: key ?? `${this.orderId}:${path}`, keyUsedAt: this.#begun },
			...{ version: this.#part.provider().traits.requestVersion, amount, paymentMethod: this.#card },
			reference: this.reference,
			refund: refund === undefined ? null : { id: refund, reference: this.#refunds.get(refund) ?? null },
		};
	}

	/** The key after a remembered error of a capture or a void. */
	secondKey = (operation: ProviderOperation): string => `${this.orderId}:${operation}:2`;

	/** What the provider said of it, as it would be logged. A buyer's own secret is for the buyer. */
	get said(): string {
		return this.#said.join('\n');
	}

	#name(request: PaymentRequest, reference: string): void {
		if (request.refund === null) this.reference ??= reference;
		else this.#refunds.set(request.refund.id, reference);
	}

	#heard<T extends Finding>(said: T): T {
		const { action: _, ...shown } = { action: null, ...said };
		this.#said.push(JSON.stringify(shown));
		expect(this.#part.harness.secrets.filter((secret) => this.said.includes(secret))).toEqual([]);
		return said;
	}
}
