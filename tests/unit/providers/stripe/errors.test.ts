/** Each error of Stripe's, and what it means for the order. */
import { inspect } from 'node:util';
import { describe, expect, it } from '@jest/globals';
import Stripe from 'stripe';
import type { ProviderOperation } from '../../../../domain/provider.ts';
import { outcomeOfError } from '../../../../mixins/providers/stripe/errors.ts';
import { intent, request } from './scripted-stripe.ts';

const SECRETS = /pm_card|_secret_|sk_test|stripe\.com|127\.0\.0\.1/;

interface Raw {
	readonly status?: number;
	readonly type?: string;
	readonly code?: string;
	readonly decline_code?: string;
	readonly param?: string;
	readonly payment_intent?: object;
	readonly headers?: Readonly<Record<string, string>>;
}

const error = ({ status = 400, type = 'invalid_request_error', ...raw }: Raw): Stripe.errors.StripeError => {
	const message = `No such PaymentMethod: 'pm_card_visa' at https://api.stripe.com with sk_test_51Abc`;
	return Stripe.errors.StripeError.generate({
		...{ statusCode: status, type, message, requestId: 'req_9', headers: {} },
		...raw,
	} as never);
};

const ALL: readonly ProviderOperation[] = ['authorize', 'capture', 'void', 'refund'];
const of = (operation: ProviderOperation, raw: Raw) => outcomeOfError(error(raw), operation, request());

describe('whatever was asked', () => {
	it.each<[string, Stripe.errors.StripeError, string]>([
		['no answer', new Stripe.errors.StripeConnectionError({ message: 'connect 127.0.0.1' } as never), 'unknown'],
		['a page of a proxy', new Stripe.errors.StripeAPIError({ message: 'Invalid JSON' } as never), 'unknown'],
		['500', error({ status: 500, type: 'api_error' }), 'unknown'],
		['503', error({ status: 503, type: 'api_error' }), 'unknown'],
		['424', error({ status: 424, type: 'api_error', code: 'parameter_unknown' }), 'unknown'],
		['a key in use', error({ status: 409, code: 'idempotency_key_in_use' }), 'unknown'],
		['409 of another kind', error({ status: 409, type: 'idempotency_error' }), 'unknown'],
		['too many calls', error({ status: 429, code: 'rate_limit' }), 'unknown'],
		['too many calls, as 400', error({ status: 400, code: 'rate_limit' }), 'unknown'],
		['a lock', error({ status: 429, code: 'lock_timeout' }), 'unknown'],
		['another request under the key', error({ status: 400, type: 'idempotency_error' }), 'unknown'],
		['something new', error({ status: 400, code: 'moon_in_the_wrong_phase' }), 'unknown'],
		['a new status', error({ status: 418 }), 'unknown'],
		['a wrong key', error({ status: 401 }), 'refusesUs'],
		['a key that has expired', error({ status: 401, code: 'api_key_expired' }), 'refusesUs'],
		['a key without the right', error({ status: 403 }), 'refusesUs'],
		['the other mode', error({ status: 400, code: 'livemode_mismatch' }), 'refusesUs'],
		['a public key', error({ status: 400, code: 'secret_key_required' }), 'refusesUs'],
		['an unknown parameter', error({ code: 'parameter_unknown', param: 'colour' }), 'refusesUs'],
		['a missing parameter', error({ code: 'parameter_missing', param: 'return_url' }), 'refusesUs'],
		['a parameter that is gone', error({ code: 'payment_method_types_no_longer_supported' }), 'refusesUs'],
		['an unknown parameter of the card', error({ code: 'parameter_unknown', param: 'payment_method' }), 'refusesUs'],
	])('%s', (_, raised, kind) => {
		for (const operation of [...ALL, undefined]) {
			const outcome = outcomeOfError(raised, operation, request());
			expect(outcome).toMatchObject({ kind, reason: expect.stringMatching(/^[A-Z].*[.?]$/) });
			expect(inspect(outcome)).not.toMatch(SECRETS);
		}
	});

	it('a trail of it is kept', () => {
		expect(of('capture', { status: 500, type: 'api_error' })).toMatchObject({ requestId: 'req_9', code: null });
		expect(
			of('authorize', { status: 402, type: 'card_error', code: 'card_declined', decline_code: 'lost_card' }),
		).toEqual({
			...{ kind: 'declined', reason: 'The card was declined.', requestId: 'req_9', code: 'lost_card' },
		});
		expect(of('void', { status: 401, code: 'api_key_expired' })).toMatchObject({ code: 'api_key_expired' });
	});

	it('Stripe marks what it only remembers', () => {
		const headers = { 'idempotent-replayed': 'true' };
		expect(of('capture', { status: 500, type: 'api_error', headers })).toMatchObject({
			kind: 'unknown',
			remembered: true,
		});
		expect(of('capture', { status: 500, type: 'api_error' })).not.toHaveProperty('remembered');
	});
});

describe('an authorisation', () => {
	it.each<[Raw, RegExp]>([
		[{ status: 402, type: 'card_error', code: 'card_declined' }, /^The card was declined\.$/],
		[{ status: 402, type: 'card_error', code: 'card_declined', decline_code: 'insufficient_funds' }, /money/],
		[
			{ status: 402, type: 'card_error', code: 'card_declined', decline_code: 'stolen_card' },
			/^The card was declined\.$/,
		],
		[{ status: 402, type: 'card_error', code: 'expired_card' }, /expired/],
		[{ status: 402, type: 'card_error', code: 'authentication_required' }, /confirm/],
		[{ status: 402, type: 'api_error', code: 'something_new' }, /declined/],
		[{ code: 'amount_too_small', param: 'amount' }, /amount/],
		[{ code: 'amount_too_large', param: 'amount' }, /amount/],
		[{ code: 'invalid_charge_amount' }, /amount/],
		[{ code: 'invalid_charge_amount_no_decimal_compatible' }, /amount/],
		[{ status: 404, code: 'resource_missing', param: 'payment_method' }, /card/],
		[{ code: 'payment_method_unexpected_state' }, /card/],
		[{ code: 'parameter_invalid_string_blank', param: 'payment_method' }, /card/],
		[{ param: 'payment_method' }, /card/],
		[{ param: 'currency' }, /currency/],
	])('%j is declined', (raw, reason) => {
		expect(of('authorize', raw)).toMatchObject({ kind: 'declined', reason: expect.stringMatching(reason) });
	});

	it.each<Raw>([
		{ param: 'amount' },
		{ code: 'resource_missing', param: 'customer', status: 404 },
		{ code: 'payment_intent_unexpected_state', payment_intent: intent('canceled') },
		{},
	])('%j is not: nobody knows', (raw) => expect(of('authorize', raw).kind).toBe('unknown'));
});

describe('a capture', () => {
	const state = (status: string, changes: object = {}): Raw => ({
		code: 'payment_intent_unexpected_state',
		payment_intent: intent(status, changes),
	});

	it.each<[string, Raw, object]>([
		['done before', state('succeeded', { amount_received: 1050 }), { kind: 'succeeded', reference: 'pi_1' }],
		['of another amount', state('succeeded', { amount_received: 900 }), { kind: 'unknown' }],
		['of what is released', state('canceled'), { kind: 'gone', reason: 'The money was released at Stripe.' }],
		[
			'of what has lapsed',
			state('canceled', { cancellation_reason: 'automatic' }),
			{ kind: 'gone', reason: 'The hold has ended by itself.' },
		],
		['of what is held', state('requires_capture'), { kind: 'unknown' }],
		['in a new state', state('sleeping'), { kind: 'unknown' }],
		['without the intent', { code: 'payment_intent_unexpected_state' }, { kind: 'unknown' }],
		['too late', { code: 'charge_expired_for_capture' }, { kind: 'gone' }],
		['much too late', { code: 'capture_charge_authorization_expired' }, { kind: 'gone' }],
		['refused', { status: 402, type: 'card_error', code: 'card_declined' }, { kind: 'refused' }],
		['of another account', { status: 404, code: 'resource_missing' }, { kind: 'unknown' }],
		['of too much', { code: 'amount_too_large', param: 'amount_to_capture' }, { kind: 'unknown' }],
	])('%s', (_, raw, outcome) => expect(of('capture', raw)).toMatchObject(outcome));
});

describe('a void', () => {
	const state = (status: string, changes: object = {}): Raw => ({
		code: 'payment_intent_unexpected_state',
		payment_intent: intent(status, changes),
	});

	it.each<[string, Raw, object]>([
		['done before', state('canceled', { cancellation_reason: 'requested_by_customer' }), { kind: 'succeeded' }],
		['of what has lapsed', state('canceled', { cancellation_reason: 'expired' }), { kind: 'gone' }],
		['of what was taken', state('succeeded'), { kind: 'refused', reason: 'The money has been taken already.' }],
		['in between', state('processing'), { kind: 'unknown' }],
		['without the intent', { code: 'payment_intent_unexpected_state' }, { kind: 'unknown' }],
		['of another account', { status: 404, code: 'resource_missing' }, { kind: 'unknown' }],
		['refused by the bank', { status: 402, type: 'card_error' }, { kind: 'unknown' }],
	])('%s', (_, raw, outcome) => expect(of('void', raw)).toMatchObject(outcome));
});

describe('a refund', () => {
	it.each<[Raw, string]>([
		[{ code: 'charge_already_refunded' }, 'refused'],
		[{ code: 'charge_disputed' }, 'refused'],
		[{ code: 'refund_disputed_payment' }, 'refused'],
		[{ code: 'charge_not_refundable' }, 'refused'],
		[{ code: 'balance_insufficient' }, 'refused'],
		[{ param: 'amount' }, 'refused'],
		[{ status: 402, type: 'card_error' }, 'refused'],
		[{ status: 404, code: 'resource_missing', param: 'payment_intent' }, 'unknown'],
		[{}, 'unknown'],
	])('%j is %s', (raw, kind) => expect(of('refund', raw)).toMatchObject({ kind }));
});
