/** The adapter and a Stripe with a memory: whole payments, and what is known of them after each kind of fault. */
import { afterEach, beforeEach, describe, expect, it } from '@jest/globals';
import type { Money } from '../../../../domain/money.ts';
import type {
	Finding,
	PaymentRequest,
	ProviderOperation,
	ProviderOutcome,
	ProviderPayment,
} from '../../../../domain/provider.ts';
import { DAY, MINUTE } from '../../../../domain/time.ts';
import { StripeProvider } from '../../../../mixins/providers/stripe/index.ts';
import { newId } from '../../../../mixins/runtime/uuid.ts';
import { seeded } from '../../../support/random.ts';
import type { Fault } from '../../../support/stripe/faults.ts';
import { authenticate } from '../../../support/stripe/intents.ts';
import { StripeStandIn, TEST_KEY } from '../../../support/stripe/stand-in.ts';
import { until } from '../../../support/until.ts';

/** Generous: the machine may be busy, and what is late here is unknown. */
const TIMEOUT = 2_000;

let standIn: StripeStandIn;
let provider: StripeProvider;

beforeEach(async () => {
	standIn = await StripeStandIn.open({ patience: TIMEOUT, random: seeded(1) });
	const apiBase = { protocol: 'http', host: '127.0.0.1', port: Number(new URL(standIn.url).port) } as const;
	const settings = { apiKey: TEST_KEY, isLive: false, apiBase, webhookSecrets: [], callsPerSecond: 1_000 };
	provider = new StripeProvider(settings, TIMEOUT);
});
afterEach(() => standIn.close());

const { signal } = new AbortController();

/** One order's payment. */
class Payment {
	readonly orderId = newId(Date.now());
	reference: string | null = null;
	readonly #keyUsedAt = Date.now();
	readonly #amount: Money;
	readonly #card: string;

	constructor(card = 'pm_card_visa', amount: Money = { minor: 1990n, currency: 'USD' }) {
		this.#card = card;
		this.#amount = amount;
	}

	request(operation: ProviderOperation, minor = this.#amount.minor, key: string = operation): PaymentRequest {
		return {
			...{ orderId: this.orderId, idempotencyKey: `${this.orderId}:${key}`, keyUsedAt: this.#keyUsedAt, version: 1 },
			...{ amount: { ...this.#amount, minor }, paymentMethod: this.#card, reference: this.reference },
			refund: operation === 'refund' ? { id: key, reference: null } : null,
		};
	}

	async does(operation: ProviderOperation, minor?: bigint, key?: string): Promise<ProviderOutcome> {
		const outcome = await provider[operation](this.request(operation, minor, key), signal);
		if (operation === 'authorize' && 'reference' in outcome) this.reference = outcome.reference;
		return outcome;
	}

	finds(operation: ProviderOperation, minor?: bigint, key?: string): Promise<Finding> {
		return provider.find(operation, this.request(operation, minor, key), signal);
	}

	get book() {
		return standIn.book().get(this.orderId);
	}
}

async function listed(): Promise<ProviderPayment[]> {
	const payments: ProviderPayment[] = [];
	for await (const payment of provider.list(Date.now() - DAY, Date.now() + MINUTE, signal)) payments.push(payment);
	return payments;
}

describe('a payment', () => {
	it('is held, taken in part, and given back in part', async () => {
		const payment = new Payment();
		const authorized = await payment.does('authorize');
		expect(authorized).toMatchObject({ kind: 'succeeded', reference: expect.stringMatching(/^pi_/) });
		const { captureBefore } = authorized as { captureBefore: number };
		expect(Math.abs(captureBefore - Date.now() - 7 * DAY)).toBeLessThan(MINUTE);
		expect(await payment.finds('capture', 1500n)).toMatchObject({ kind: 'notDone' });
		expect(await payment.does('capture', 1500n)).toMatchObject({ kind: 'succeeded' });
		expect(await payment.finds('capture', 1500n)).toMatchObject({ kind: 'succeeded' });
		expect(await payment.finds('capture', 1990n)).toMatchObject({ kind: 'unknown' });
		expect(await payment.finds('void')).toMatchObject({ kind: 'refused' });
		expect(await payment.does('void')).toMatchObject({ kind: 'refused', code: 'payment_intent_unexpected_state' });
		expect(await payment.finds('refund', 600n, 'r1')).toMatchObject({ kind: 'notFound' });
		expect(await payment.does('refund', 600n, 'r1')).toMatchObject({
			...{ kind: 'succeeded', reference: expect.stringMatching(/^re_/) },
		});
		expect(await payment.finds('refund', 600n, 'r1')).toMatchObject({ kind: 'succeeded' });
		expect(await payment.does('refund', 901n, 'r2')).toMatchObject({ kind: 'refused' });
		expect(await payment.does('refund', 900n, 'r3')).toMatchObject({ kind: 'succeeded' });
		expect(await payment.does('refund', 1n, 'r4')).toMatchObject({ kind: 'refused', code: 'charge_already_refunded' });
		const { orderId, book } = payment;
		expect(book).toMatchObject({ authorized: 1990, captured: 1500, released: 490, refunded: 1500, held: 0 });
		expect(await listed()).toMatchObject([{ orderId, held: 0n, captured: 1500n, refunded: 1500n, waits: false }]);
	});

	it('is held, and released', async () => {
		const payment = new Payment();
		await payment.does('authorize');
		expect(await listed()).toMatchObject([{ orderId: payment.orderId, held: 1990n, captured: 0n, refunded: 0n }]);
		expect(await payment.does('void')).toMatchObject({ kind: 'succeeded' });
		expect(await payment.does('void', undefined, 'void:2')).toMatchObject({ kind: 'succeeded' });
		expect(await payment.finds('authorize')).toMatchObject({ kind: 'gone' });
		expect(await payment.does('capture')).toMatchObject({ kind: 'gone' });
		expect(await listed()).toMatchObject([{ held: 0n, captured: 0n, refunded: 0n, waits: false }]);
	});

	it.each<[string, bigint, number]>([
		['ISK', 500n, 50_000],
		['MGA', 150_000n, 1_500],
		['KWD', 1_230n, 1_230],
		['JPY', 500n, 500],
	])('in %s moves the exact amount', async (currency, minor, units) => {
		const payment = new Payment('pm_card_visa', { minor, currency });
		expect((await payment.does('authorize')).kind).toBe('succeeded');
		expect((await payment.does('capture')).kind).toBe('succeeded');
		expect(payment.book).toMatchObject({ currency: currency.toLowerCase(), captured: units });
		expect(await listed()).toMatchObject([{ currency, captured: minor }]);
	});

	it.each<[string, object]>([
		['pm_card_visa_chargeDeclined', { kind: 'declined', code: 'generic_decline' }],
		['pm_card_chargeDeclinedInsufficientFunds', { kind: 'declined', code: 'insufficient_funds' }],
		['pm_nobody_has_this', { kind: 'declined', code: 'resource_missing' }],
	])('with %s is declined', async (card, outcome) => {
		const payment = new Payment(card);
		expect(await payment.does('authorize')).toMatchObject(outcome);
		expect(await payment.does('authorize')).toMatchObject({ kind: 'declined' });
		expect(payment.book?.held ?? 0).toBe(0);
	});

	it('whose capture the bank refuses', async () => {
		const payment = new Payment('pm_standin_captureRefused');
		await payment.does('authorize');
		expect(await payment.does('capture')).toMatchObject({ kind: 'refused' });
	});

	it('below the least amount is declined', async () => {
		const payment = new Payment('pm_card_visa', { minor: 1n, currency: 'USD' });
		expect(await payment.does('authorize')).toMatchObject({ kind: 'declined', code: 'amount_too_small' });
	});

	it('that lapses is gone, seen or not', async () => {
		const [seen, unseen] = [new Payment(), new Payment()];
		await seen.does('authorize');
		standIn.advance(8 * DAY);
		expect(await seen.does('capture')).toMatchObject({ kind: 'gone' });
		expect(await seen.finds('void')).toMatchObject({ kind: 'gone' });
		await unseen.does('authorize');
		for (const { charge } of standIn.intentsOf(unseen.orderId)) if (charge !== null) charge.expired = true;
		expect(await unseen.does('capture')).toMatchObject({ kind: 'gone' });
	});
});

describe('the buyer', () => {
	const asked = async (): Promise<Payment> => {
		const payment = new Payment('pm_card_threeDSecure2Required');
		expect(await payment.does('authorize')).toMatchObject({
			...{ kind: 'actionRequired', reference: expect.stringMatching(/^pi_/) },
			action: { type: 'client_secret', url: null, clientSecret: expect.stringContaining('_secret_') },
		});
		expect(await payment.finds('authorize')).toMatchObject({ kind: 'actionRequired' });
		expect(await listed()).toMatchObject([{ held: 0n, waits: true }]);
		return payment;
	};
	const answers = (payment: Payment, isGood: boolean): void => {
		for (const intent of standIn.intentsOf(payment.orderId))
			authenticate(standIn.account, intent.id, isGood ? 'succeeded' : 'failed');
	};

	it('confirms', async () => {
		const payment = await asked();
		answers(payment, true);
		expect(await payment.finds('authorize')).toMatchObject({ kind: 'succeeded' });
	});

	it('does not', async () => {
		const payment = await asked();
		answers(payment, false);
		expect(await payment.finds('authorize')).toMatchObject({ kind: 'declined' });
	});

	it('is asked no longer', async () => {
		const payment = await asked();
		expect(await payment.finds('void')).toMatchObject({ kind: 'notDone' });
		expect(await payment.does('void')).toMatchObject({ kind: 'succeeded' });
		expect(await listed()).toMatchObject([{ held: 0n, waits: false }]);
	});
});

describe('after a fault', () => {
	it.each<Fault>(['timeout after', 'cut', 'trickle', 'reset', 'error after'])(
		'%s: an authorisation is unknown, and found',
		async (fault) => {
			const payment = new Payment();
			standIn.faults.order('create', fault);
			expect(await payment.does('authorize')).toMatchObject({ kind: 'unknown' });
			expect(payment.reference).toBeNull();
			expect(await payment.finds('authorize')).toMatchObject({ kind: 'succeeded', reference: expect.any(String) });
			expect(payment.book?.intents).toHaveLength(1);
		},
	);

	it.each<Fault>(['timeout before', 'gateway'])('%s: an authorisation is not found, and repeated', async (fault) => {
		const payment = new Payment();
		standIn.faults.order('create', fault);
		expect(await payment.does('authorize')).toMatchObject({ kind: 'unknown' });
		expect(await payment.finds('authorize')).toEqual({ kind: 'notFound' });
		expect(await payment.does('authorize')).toMatchObject({ kind: 'succeeded' });
		expect(payment.book?.intents).toHaveLength(1);
	});

	it('a remembered success is marked, and is one', async () => {
		const payment = new Payment();
		expect(await payment.does('authorize')).not.toHaveProperty('remembered');
		expect(await payment.does('authorize')).toMatchObject({ kind: 'succeeded', remembered: true });
		expect(payment.book?.intents).toHaveLength(1);
	});

	it.each(['capture', 'void'] as const)(
		'a remembered error of a %s is marked; the next key goes on',
		async (operation) => {
			const payment = new Payment();
			await payment.does('authorize');
			standIn.faults.order(operation === 'void' ? 'cancel' : 'capture', 'error before');
			const first = await payment.does(operation);
			expect(first).toMatchObject({ kind: 'unknown', requestId: expect.stringMatching(/^req_/) });
			expect(first).not.toHaveProperty('remembered');
			expect(await payment.does(operation)).toMatchObject({ kind: 'unknown', remembered: true });
			expect(await payment.finds(operation)).toMatchObject({ kind: 'notDone' });
			expect(await payment.does(operation, undefined, `${operation}:2`)).toMatchObject({ kind: 'succeeded' });
		},
	);

	it.each<Fault>(['timeout after', 'error after', 'reset'])(
		'%s: a refund is found, and not made twice',
		async (fault) => {
			const payment = new Payment();
			await payment.does('authorize');
			await payment.does('capture');
			standIn.faults.order('refund', fault);
			expect(await payment.does('refund', 500n, 'r1')).toMatchObject({ kind: 'unknown' });
			expect(await payment.finds('refund', 500n, 'r1')).toMatchObject({ kind: 'succeeded' });
			expect(payment.book).toMatchObject({ refunded: 500 });
		},
	);

	it('a key in use, and too many calls, say nothing of the order', async () => {
		const payment = new Payment();
		standIn.faults.order('create', 'slow');
		expect(await payment.does('authorize')).toMatchObject({ kind: 'unknown' });
		expect(await payment.does('authorize')).toMatchObject({ kind: 'unknown', code: 'idempotency_key_in_use' });
		await until(async () => (await payment.does('authorize')).kind === 'succeeded');
		standIn.faults.order('capture', 'burst');
		expect(await payment.does('capture')).toMatchObject({ kind: 'unknown', code: 'rate_limit' });
		await until(async () => (await payment.does('capture')).kind === 'succeeded');
	});

	it('another body under the same key is a question, not a refusal', async () => {
		const payment = new Payment();
		await payment.does('authorize');
		expect(await payment.does('authorize', 5n * 100n)).toMatchObject({ kind: 'unknown' });
	});

	it('a revoked key refuses us, whatever is called, and no order', async () => {
		const payment = new Payment();
		await payment.does('authorize');
		standIn.gate.revoke();
		for (const operation of ['authorize', 'capture', 'void'] as const) {
			expect(await payment.does(operation)).toMatchObject({
				kind: 'refusesUs',
				reason: expect.not.stringContaining('sk_'),
			});
			expect(await payment.finds(operation)).toMatchObject({ kind: 'refusesUs' });
		}
		standIn.gate.restore();
		expect(await payment.does('capture')).toMatchObject({ kind: 'succeeded' });
	});

	it('a refund that fails later is known to have failed', async () => {
		const payment = new Payment('pm_card_refundFail');
		await payment.does('authorize');
		await payment.does('capture');
		expect(await payment.does('refund', 500n, 'r1')).toMatchObject({ kind: 'succeeded' });
		standIn.settleRefunds();
		expect(await payment.finds('refund', 500n, 'r1')).toMatchObject({ kind: 'declined' });
		expect(payment.book).toMatchObject({ refunded: 0 });
	});
});
