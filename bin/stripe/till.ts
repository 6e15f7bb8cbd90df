import { randomUUID } from 'node:crypto';
import type Stripe from 'stripe';
import { requestsOf, StripeClient } from '../../mixins/providers/stripe/index.ts';
import type { StripeSettings } from '../../mixins/settings/index.ts';

const TIMEOUT = 30_000;

/** A payment of 10.50 dollars as the provider makes it, but of no order. */
const PAYMENT: Stripe.PaymentIntentCreateParams = {
	...requestsOf(1).authorize({
		...{ orderId: '', idempotencyKey: '', keyUsedAt: 0, version: 1, paymentMethod: 'pm_card_visa' },
		...{ amount: { minor: 1050n, currency: 'USD' }, reference: null, refund: null },
	}),
	metadata: { made_by: 'npm run stripe:check' },
};

/** Makes payments in Stripe's test mode, and ends them. */
export class Till {
	readonly #client: StripeClient;
	readonly #made = new Set<string>();

	constructor({ apiBase }: StripeSettings, apiKey: string) {
		this.#client = new StripeClient({ apiKey, apiBase, timeout: TIMEOUT, callsPerSecond: 10 });
	}

	call<T>(send: (stripe: Stripe) => Promise<T>): Promise<T> {
		return this.#client.call('create', AbortSignal.timeout(2 * TIMEOUT), send);
	}

	async pay(
		changes: Partial<Stripe.PaymentIntentCreateParams> = {},
		idempotencyKey: string = randomUUID(),
	): Promise<Stripe.PaymentIntent> {
		const params = { ...PAYMENT, ...changes };
		const intent = await this.call(({ paymentIntents }) => paymentIntents.create(params, { idempotencyKey }));
		this.#made.add(intent.id);
		return intent;
	}

	capture(id: string, params: Stripe.PaymentIntentCaptureParams = {}): Promise<Stripe.PaymentIntent> {
		return this.call(({ paymentIntents }) => paymentIntents.capture(id, params, { idempotencyKey: randomUUID() }));
	}

	void(id: string): Promise<Stripe.PaymentIntent> {
		return this.call(({ paymentIntents }) => paymentIntents.cancel(id, {}, { idempotencyKey: randomUUID() }));
	}

	refund(params: Stripe.RefundCreateParams): Promise<Stripe.Refund> {
		return this.call(({ refunds }) => refunds.create(params, { idempotencyKey: randomUUID() }));
	}

	look(id: string): Promise<Stripe.PaymentIntent> {
		return this.call(({ paymentIntents }) => paymentIntents.retrieve(id, { expand: ['latest_charge'] }));
	}

	chargeOf({ latest_charge: charge }: Stripe.PaymentIntent): Stripe.Charge {
		if (charge === null || typeof charge === 'string') throw new Error('there is no charge');
		return charge;
	}

	/** Leaves nothing held. */
	async clear(): Promise<void> {
		const ends = [...this.#made].map((id) => this.void(id));
		await Promise.allSettled(ends); // what was taken or cancelled already holds nothing
	}
}
