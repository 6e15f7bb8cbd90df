/** The adapter against a server of our own: what it sends, and what it makes of the answers. */
import { inspect } from 'node:util';
import { afterEach, beforeEach, describe, expect, it } from '@jest/globals';
import type { PaymentRequest, ProviderOutcome } from '../../../../domain/provider.ts';
import { DAY, HOUR } from '../../../../domain/time.ts';
import { StripeProvider } from '../../../../mixins/providers/stripe/index.ts';
import { type Answer, charge, intent, KEY, ORDER, request, ScriptedStripe } from './scripted-stripe.ts';

let stripe: ScriptedStripe;

beforeEach(async () => {
	stripe = new ScriptedStripe();
	await stripe.listen();
});
afterEach(() => stripe.close());

const { signal } = new AbortController();
const held = charge({ payment_method_details: { card: { capture_before: 1_800_600_000 } } });
const answer = (body: unknown, headers: Answer['headers'] = {}): void => {
	stripe.script = () => ({ body, headers });
};
const capturing = request({ reference: 'pi_1', idempotencyKey: `${ORDER}:capture` });
const refunding = request({
	...{ reference: 'pi_1', idempotencyKey: `${ORDER}:refund:r1`, amount: { minor: 500n, currency: 'USD' } },
	refund: { id: 'r1', reference: null },
});

describe('version 1 of the requests, which never changes', () => {
	const operations: readonly [string, PaymentRequest, string, object][] = [
		[
			'authorize',
			request(),
			'/v1/payment_intents',
			{
				...{
					amount: '1050',
					currency: 'usd',
					payment_method: 'pm_card_visa',
					capture_method: 'manual',
					confirm: 'true',
				},
				...{ 'allowed_payment_method_types[0]': 'card', 'metadata[order_id]': ORDER, 'expand[0]': 'latest_charge' },
			},
		],
		['capture', capturing, '/v1/payment_intents/pi_1/capture', { amount_to_capture: '1050' }],
		['void', request({ reference: 'pi_1' }), '/v1/payment_intents/pi_1/cancel', {}],
		[
			'refund',
			refunding,
			'/v1/refunds',
			{ payment_intent: 'pi_1', amount: '500', 'metadata[order_id]': ORDER, 'metadata[refund_id]': 'r1' },
		],
	];

	it.each(operations)('%s', async (operation, asked, path, form) => {
		answer(intent('requires_capture'));
		await stripe.provider()[operation as 'authorize'](asked, signal);
		expect(stripe.asked).toHaveLength(1);
		const [sent] = stripe.asked;
		expect(sent).toMatchObject({ method: 'POST', path });
		expect(sent?.form).toEqual(form);
		expect(sent?.headers).toMatchObject({
			...{ 'idempotency-key': asked.idempotencyKey, 'stripe-version': '2026-10-28.endive' },
			authorization: `Bearer ${KEY}`,
		});
		expect(sent?.headers).not.toHaveProperty('x-stripe-client-telemetry');
	});

	it('a version of a later release is not guessed at', async () => {
		await expect(stripe.provider().authorize(request({ version: 2 }), signal)).rejects.toThrow(/version 2/);
		expect(stripe.asked).toHaveLength(0);
	});

	it('what Stripe cannot take is not sent', async () => {
		const amount = { minor: 1050n, currency: 'MGA' };
		const provider = stripe.provider();
		expect((await provider.authorize(request({ amount }), signal)).kind).toBe('declined');
		expect((await provider.capture({ ...capturing, amount }, signal)).kind).toBe('refused');
		expect((await provider.refund({ ...refunding, amount }, signal)).kind).toBe('refused');
		expect(stripe.asked).toHaveLength(0);
	});
});

describe('the answer to an authorisation', () => {
	it.each<[string, object, Partial<ProviderOutcome>]>([
		[
			'held',
			intent('requires_capture', { latest_charge: held }),
			{ kind: 'succeeded', reference: 'pi_1', captureBefore: 1_800_600_000_000 },
		],
		[
			'held, and Stripe does not say until when',
			intent('requires_capture', { latest_charge: charge() }),
			{ kind: 'succeeded', captureBefore: 1_800_000_001_000 + 7 * DAY - 6 * HOUR },
		],
		['taken at once', intent('succeeded'), { kind: 'succeeded', reference: 'pi_1' }],
		['under way', intent('processing'), { kind: 'pending', reference: 'pi_1' }],
		[
			'the bank asks, and Stripe.js shows it',
			intent('requires_action', { next_action: { type: 'use_stripe_sdk', use_stripe_sdk: {} } }),
			{
				...{ kind: 'actionRequired', reference: 'pi_1' },
				action: { type: 'client_secret', url: null, clientSecret: 'pi_1_secret_xyz' },
			},
		],
		[
			'the bank asks at a page of its own',
			intent('requires_action', {
				next_action: { type: 'redirect_to_url', redirect_to_url: { url: 'https://hooks.stripe.com/3ds' } },
			}),
			{ kind: 'actionRequired', action: { type: 'redirect', url: 'https://hooks.stripe.com/3ds', clientSecret: null } },
		],
		['nothing done', intent('requires_confirmation'), { kind: 'unknown' }],
		['a state that nobody knows', intent('sleeping'), { kind: 'unknown', requestId: 'req_1' }],
	])('%s', async (_, body, outcome) => {
		answer(body);
		expect(await stripe.provider().authorize(request(), signal)).toMatchObject(outcome);
	});

	it('is marked if Stripe only remembers it', async () => {
		answer(intent('requires_capture', { latest_charge: held }), { 'Idempotent-Replayed': 'true' });
		const remembered = { kind: 'succeeded', remembered: true, requestId: 'req_1' };
		expect(await stripe.provider().authorize(request(), signal)).toMatchObject(remembered);
	});

	it('that is a decline names no card', async () => {
		stripe.script = () => ({
			status: 402,
			body: {
				error: {
					...{ type: 'card_error', code: 'card_declined', decline_code: 'do_not_honor', message: 'pm_card_visa' },
					payment_intent: intent('requires_payment_method'),
				},
			},
		});
		expect(await stripe.provider().authorize(request(), signal)).toEqual({
			...{ kind: 'declined', reason: 'The card was declined.', requestId: 'req_1', code: 'do_not_honor' },
		});
	});
});

describe('the answer to', () => {
	it('a capture', async () => {
		answer(intent('succeeded', { amount_received: 1050 }));
		expect(await stripe.provider().capture(capturing, signal)).toMatchObject({ kind: 'succeeded' });
		answer(intent('requires_capture'));
		expect(await stripe.provider().capture(capturing, signal)).toMatchObject({ kind: 'unknown' });
	});

	it('a void', async () => {
		answer(intent('canceled', { cancellation_reason: null }));
		expect(await stripe.provider().void(request({ reference: 'pi_1' }), signal)).toMatchObject({ kind: 'succeeded' });
	});

	it.each([
		['succeeded', 'succeeded'],
		['pending', 'pending'],
		['requires_action', 'pending'],
		['failed', 'declined'],
		['canceled', 'declined'],
		['new', 'unknown'],
	])('a refund: %s is %s', async (status, kind) => {
		answer({ id: 're_1', status });
		expect(await stripe.provider().refund(refunding, signal)).toMatchObject({ kind, requestId: 'req_1' });
	});
});

it('links to the page of a payment, in the mode of the key', () => {
	const of = (isLive: boolean | undefined): StripeProvider =>
		new StripeProvider(
			{ apiKey: undefined, isLive, apiBase: undefined, webhookSecrets: [], callsPerSecond: 20 },
			1_000,
		);
	expect(of(false).pageOf('pi_1')).toBe('https://dashboard.stripe.com/test/payments/pi_1');
	expect(of(true).pageOf('pi_1')).toBe('https://dashboard.stripe.com/payments/pi_1');
	expect(of(undefined).pageOf('pi_1')).toBeNull();
	expect(of(true).pageOf('pi_1/../x')).toBeNull();
});

it('says what it is like without a key, and calls nobody', async () => {
	const settings = { apiKey: undefined, isLive: undefined, apiBase: undefined, webhookSecrets: [], callsPerSecond: 20 };
	const provider = new StripeProvider(settings, 1_000);
	expect(provider.traits).toMatchObject({ name: 'stripe', requestVersion: 1, defaultPaymentMethod: null });
	expect(provider.traits.refuses({ minor: 1n, currency: 'IQD' })?.field).toBe('currency');
	await expect(provider.authorize(request(), signal)).rejects.toThrow(/STRIPE_API_KEY is not set in this process/);
	await expect(provider.find('capture', capturing, signal)).rejects.toThrow(/STRIPE_API_KEY/);
});

it('shows its key and the buyer’s secrets to nobody', async () => {
	stripe.script = ({ form }) => ({
		status: 400,
		body: {
			error: {
				...{ type: 'invalid_request_error', code: 'parameter_unknown', param: 'pm_card_visa pi_1_secret_xyz' },
				...{ message: `${form.payment_method} ${KEY}`, payment_intent: intent('requires_action') },
			},
		},
	});
	const provider = stripe.provider();
	const shown = [inspect(provider, { depth: 20, showHidden: true }), JSON.stringify(provider)];
	shown.push(inspect(await provider.authorize(request(), signal), { depth: 20 }));
	try {
		for await (const _ of provider.list(0, 1, signal)) throw new Error('listed');
	} catch (error) {
		expect((error as Error).message).toMatch(/^Stripe refuses our requests/);
		shown.push(inspect(error, { depth: 20, showHidden: true }));
	}
	expect(shown).toHaveLength(4);
	expect(shown.join()).not.toMatch(/sk_test|pm_card|_secret_/);
});
