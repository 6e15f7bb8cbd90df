/** What only Stripe's test mode can tell: what is assumed of it here, and how it is asked. */
import { randomUUID } from 'node:crypto';
import Stripe from 'stripe';
import { refusalOf } from '../../mixins/providers/stripe/index.ts';
import { CURRENCIES } from '../../mixins/validation/index.ts';
import type { Till } from './till.ts';

export interface Question {
	readonly about: string;
	readonly assumed: string;
	/** whether the answer is as assumed; undefined if nothing depends on it */
	readonly fits: (answer: string) => boolean | undefined;
	readonly ask: (till: Till) => Promise<string>;
}

const is =
	(...answers: readonly string[]) =>
	(answer: string): boolean =>
		answers.includes(answer);

/** What an error says that is looked at. */
export const errorText = ({ statusCode, code, param, rawType, headers }: Stripe.errors.StripeError): string => {
	const retry = headers?.['stripe-should-retry'];
	const details = [code ?? rawType, param && `param ${param}`, retry && `Stripe-Should-Retry: ${retry}`];
	return [statusCode ?? 'no answer', ...details.filter((one) => one)].join(', ');
};

/** The error that a call ends in. */
async function errorOf(call: Promise<unknown>): Promise<Stripe.errors.StripeError> {
	try {
		await call;
	} catch (error) {
		if (error instanceof Stripe.errors.StripeError) return error;
		throw error;
	}
	throw new Error('it was taken');
}

const HOURS = 3_600;

const held = (brand: string): Question => ({
	about: `how long the money of ${brand} is held`,
	assumed: 'at least 162 h',
	fits: (answer) => Number.parseInt(answer, 10) >= 162,
	ask: async (till) => {
		const intent = await till.pay({ payment_method: `pm_card_${brand}` });
		const charge = till.chargeOf(intent);
		const before = charge.payment_method_details?.card?.capture_before;
		return before === undefined ? 'it does not say' : `${Math.floor((before - charge.created) / HOURS)} h`;
	},
});

const BUYER_ACTS = { payment_method: 'pm_card_threeDSecure2Required' };

export const QUESTIONS: readonly Question[] = [
	{
		...{ about: 'a payment without return_url', assumed: 'requires_capture', fits: is('requires_capture') },
		ask: async (till) => (await till.pay()).status,
	},
	{
		...{ about: 'what the bank asks, without return_url', assumed: 'use_stripe_sdk', fits: is('use_stripe_sdk') },
		ask: async (till) => (await till.pay(BUYER_ACTS)).next_action?.type ?? 'nothing',
	},
	{
		...{ about: 'what the bank asks, with return_url', assumed: 'redirect_to_url', fits: () => undefined },
		ask: async (till) =>
			(await till.pay({ ...BUYER_ACTS, return_url: 'https://shop.example/' })).next_action?.type ?? 'nothing',
	},
	held('visa'),
	held('mastercard'),
	{
		...{ about: 'why a payment is canceled whose hold ended by itself', assumed: 'automatic or expired' },
		fits: () => undefined,
		ask: async () => 'cannot be asked: nothing grows older in test mode',
	},
	{
		...{ about: 'two calls at once under one key', assumed: '409, idempotency_key_in_use', fits: () => undefined },
		ask: async (till) => {
			const key = randomUUID();
			const calls = await Promise.allSettled([till.pay({}, key), till.pay({}, key), till.pay({}, key)]);
			const refused = calls.find((call) => call.status === 'rejected');
			return refused === undefined ? 'no conflict this time' : errorText(refused.reason);
		},
	},
	{
		...{
			about: 'the same key without expand',
			assumed: '400, idempotency_error',
			fits: (answer) => answer.startsWith('400, idempotency_error'),
		},
		ask: async (till) => {
			const key = randomUUID();
			await till.pay({}, key);
			return errorText(await errorOf(till.pay({ expand: [] }, key)));
		},
	},
	{
		...{ about: 'a declined payment again under its key', assumed: 'Idempotent-Replayed: true' },
		fits: is('Idempotent-Replayed: true'),
		ask: async (till) => {
			const key = randomUUID();
			const declined = { payment_method: 'pm_card_visa_chargeDeclined' };
			await errorOf(till.pay(declined, key));
			const { headers } = await errorOf(till.pay(declined, key));
			return `Idempotent-Replayed: ${headers?.['idempotent-replayed']}`;
		},
	},
	{
		...{ about: 'a card that was used before', assumed: 'code payment_method_… or param payment_method' },
		fits: (answer) => answer === 'is taken again' || answer.includes('payment_method'),
		ask: async (till) => {
			const { id } = await till.call(({ paymentMethods }) =>
				paymentMethods.create({ type: 'card', card: { token: 'tok_visa' } }),
			);
			await till.pay({ payment_method: id });
			try {
				await till.pay({ payment_method: id });
				return 'is taken again';
			} catch (error) {
				if (error instanceof Stripe.errors.StripeError) return errorText(error);
				throw error;
			}
		},
	},
	{
		...{ about: 'after a capture of 8.00 of 10.50: refunded is', assumed: '250', fits: is('250') },
		ask: async (till) => {
			const { id } = await till.pay();
			await till.capture(id, { amount_to_capture: 800 });
			return String(till.chargeOf(await till.look(id)).amount_refunded);
		},
	},
	{
		...{ about: 'after a void: refunded is', assumed: '1050', fits: is('1050') },
		ask: async (till) => {
			const { id } = await till.pay();
			await till.void(id);
			return String(till.chargeOf(await till.look(id)).amount_refunded);
		},
	},
	{
		...{ about: 'a payment in the list, right after it was made', assumed: 'is there', fits: is('is there') },
		ask: async (till) => {
			const { id, created } = await till.pay();
			const { data } = await till.call(({ paymentIntents }) =>
				paymentIntents.list({ created: { gte: created }, limit: 100 }),
			);
			return data.some((one) => one.id === id) ? 'is there' : 'is not there';
		},
	},
	{
		...{ about: 'a capture after a void', assumed: 'payment_intent_unexpected_state, canceled' },
		fits: is('payment_intent_unexpected_state, canceled'),
		ask: async (till) => {
			const { id } = await till.pay();
			await till.void(id);
			const error = await errorOf(till.capture(id));
			return `${error.code}, ${error.payment_intent?.status ?? 'without the payment'}`;
		},
	},
	{
		...{ about: 'a refund of more than was taken', assumed: '400, param amount' },
		fits: (answer) => answer.includes('param amount') || answer.includes('charge_already_refunded'),
		ask: async (till) => {
			const { id } = await till.pay();
			await till.capture(id);
			return errorText(await errorOf(till.refund({ payment_intent: id, amount: 1051 })));
		},
	},
	{
		...{ about: 'currencies', assumed: 'as listed here', fits: is('as listed here') },
		ask: async (till) => {
			const { country } = await till.call(({ accounts }) => accounts.retrieveCurrent());
			const spec = await till.call(({ countrySpecs }) => countrySpecs.retrieve(country ?? 'US'));
			const theirs = new Set(spec.supported_payment_currencies.map((code) => code.toUpperCase()));
			const ours = CURRENCIES.filter((currency) => refusalOf({ minor: 1_000n, currency }) === undefined);
			const more = CURRENCIES.filter((code) => theirs.has(code) && !ours.includes(code));
			const less = ours.filter((code) => !theirs.has(code));
			const found = [more.length > 0 && `also ${more.join(' ')}`, less.length > 0 && `not ${less.join(' ')}`];
			return found.filter((one) => one !== false).join('; ') || 'as listed here';
		},
	},
];
