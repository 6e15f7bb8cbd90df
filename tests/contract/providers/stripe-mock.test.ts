/** Each request that the adapter makes is one that Stripe's published API takes. */
import { afterAll, beforeAll, describe, expect, it } from '@jest/globals';
import type { PaymentRequest } from '../../../domain/provider.ts';
import { StripeProvider } from '../../../mixins/providers/stripe/index.ts';
import { newId } from '../../../mixins/runtime/uuid.ts';
import { Recorder, STRIPE_MOCK, StripeMock } from '../../support/stripe/mock.ts';
import { STRIPE_AMOUNTS, STRIPE_CARDS, stripeSettings } from './stripe.harness.ts';

const requestOf = (more: Partial<PaymentRequest> = {}): PaymentRequest => ({
	...{ orderId: newId(Date.now()), idempotencyKey: newId(Date.now()), keyUsedAt: Date.now(), version: 1 },
	...{ amount: { minor: 1_990n, currency: 'USD' }, paymentMethod: STRIPE_CARDS.good, reference: null, refund: null },
	...more,
});

/** Every operation and every question, of payments and refunds whose names are known and of those whose are not. */
async function all(provider: StripeProvider): Promise<void> {
	const signal = AbortSignal.timeout(60_000);
	const known = { reference: 'pi_3OrderOfTheTest' };
	const refund = { id: newId(Date.now()), reference: null };
	for (const amount of STRIPE_AMOUNTS) await provider.authorize(requestOf({ amount }), signal);
	await provider.capture(requestOf(known), signal);
	await provider.void(requestOf(known), signal);
	await provider.refund(requestOf({ ...known, refund }), signal);
	for (const operation of ['authorize', 'capture', 'void'] as const) {
		await provider.find(operation, requestOf(), signal);
		await provider.find(operation, requestOf(known), signal);
	}
	await provider.find('refund', requestOf({ ...known, refund }), signal);
	await provider.find('refund', requestOf({ ...known, refund: { ...refund, reference: 're_3Refund' } }), signal);
	for await (const _ of provider.list(Date.now() - 1_000, Date.now(), signal));
}

const describeMock = STRIPE_MOCK === undefined ? describe.skip : describe;
const name = STRIPE_MOCK === undefined ? 'stripe-mock (not installed; see STRIPE_MOCK in .ci/run)' : 'stripe-mock';

describeMock(name, () => {
	let mock: StripeMock;
	beforeAll(async () => {
		mock = await StripeMock.start(STRIPE_MOCK ?? '');
	});
	afterAll(() => mock?.stop());

	it('takes every request of the adapter', async () => {
		await using recorder = new Recorder(mock.url);
		const apiBase = { protocol: 'http', host: '127.0.0.1', port: await recorder.open() } as const;
		await all(new StripeProvider(stripeSettings('sk_test_123', apiBase, 1_000), 10_000));
		const refused = recorder.passed.filter(({ status }) => status !== 200);
		expect(refused).toEqual([]);
		const kinds = new Set(recorder.passed.map(({ request }) => request.split(/[ ?]/, 2).join(' ')));
		expect([...kinds].sort()).toEqual([
			'GET /v1/payment_intents',
			'GET /v1/payment_intents/pi_3OrderOfTheTest',
			'GET /v1/refunds',
			'GET /v1/refunds/re_3Refund',
			'POST /v1/payment_intents',
			'POST /v1/payment_intents/pi_3OrderOfTheTest/cancel',
			'POST /v1/payment_intents/pi_3OrderOfTheTest/capture',
			'POST /v1/refunds',
		]);
	});

	it('would refuse a parameter that does not exist', async () => {
		const response = await fetch(`${mock.url}/v1/payment_intents`, {
			...{ method: 'POST', headers: { authorization: 'Bearer sk_test_123' } },
			body: new URLSearchParams({ amount: '100', currency: 'usd', colour: 'red' }),
		});
		expect(response.status).toBe(400);
	});
});
