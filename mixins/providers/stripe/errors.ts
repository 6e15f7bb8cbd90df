/** What Stripe's errors mean for an order. Stripe's own sentences are not passed on: they name tokens and parts of keys. */
import Stripe from 'stripe';
import type { PaymentRequest, ProviderOperation, ProviderOutcome, Trail } from '../../../domain/provider.ts';
import { declineReason } from './declines.ts';
import { findingOf } from './intents.ts';

type Outcome<K extends ProviderOutcome['kind']> = Extract<ProviderOutcome, { readonly kind: K }>;
type Failure = Outcome<'declined' | 'refused' | 'gone' | 'unknown' | 'refusesUs'>;

const unknown = (reason: string): Failure => ({ kind: 'unknown', reason });
const refusesUs = (reason: string): Failure => ({ kind: 'refusesUs', reason });

/** Codes by which Stripe says that it does not want to talk to us, or cannot read what we send. */
const OURS_TO_MEND: ReadonlySet<string> = new Set([
	...['account_closed', 'account_invalid', 'api_key_expired', 'livemode_mismatch', 'platform_account_required'],
	...['platform_api_key_expired', 'secret_key_required', 'testmode_charges_only', 'tls_version_unsupported'],
	...['parameter_invalid_empty', 'parameter_invalid_integer', 'parameter_invalid_string_blank', 'parameter_missing'],
	...['parameter_invalid_string_empty', 'parameter_unknown', 'parameters_exclusive', 'url_invalid'],
	...['payment_method_configuration_failures', 'payment_method_types_no_longer_supported'],
]);

/** The money that a capture asks for is there no more. */
const LAPSED: ReadonlySet<string> = new Set(['charge_expired_for_capture', 'capture_charge_authorization_expired']);

/** Why a refund cannot be. */
const REFUND_REFUSALS: Readonly<Record<string, string>> = {
	balance_insufficient: 'The balance at Stripe is too low for this refund.',
	charge_already_refunded: 'All of the payment has been given back already.',
	charge_disputed: 'The buyer disputes this payment at the bank.',
	charge_not_refundable: 'Stripe cannot give this payment back.',
	refund_disputed_payment: 'The buyer disputes this payment at the bank.',
};

/**
 * The outcome of an operation that ended in an error of Stripe's; without an operation, of a question. What is not known
 * here is `unknown`: only what stands on a list ends an order, and only what concerns every order is `refusesUs`.
 */
export function outcomeOfError(
	error: Stripe.errors.StripeError,
	operation?: ProviderOperation,
	request?: PaymentRequest,
): ProviderOutcome {
	const outcome = failureOf(error) ?? (operation && request && OPERATIONS[operation](error, request));
	return { ...(outcome ?? unknown('Stripe gave an answer that is not understood.')), ...trailOfError(error) };
}

function trailOfError({ requestId, decline_code, code, headers }: Stripe.errors.StripeError): Trail {
	const remembered = headers?.['idempotent-replayed'] === 'true' ? { remembered: true } : {};
	return { requestId: requestId ?? null, code: decline_code || code || null, ...remembered };
}

/** What an error means whatever was asked; undefined if that depends. */
function failureOf(error: Stripe.errors.StripeError): Failure | undefined {
	const { code = '', statusCode } = error;
	if (error instanceof Stripe.errors.StripeConnectionError) return unknown('Stripe did not answer.');
	if (error instanceof Stripe.errors.StripeRateLimitError) return unknown('Stripe asks for fewer calls.');
	if (statusCode === 409) return unknown('Another call for this payment is under way at Stripe.');
	if (error instanceof Stripe.errors.StripeAPIError) return unknown('Stripe had an error of its own.');
	if (error instanceof Stripe.errors.StripeIdempotencyError || error.rawType === 'idempotency_error') {
		return unknown('Stripe has seen another request under this key.');
	}
	if (statusCode === 401) return refusesUs('Stripe does not accept the API key.');
	if (statusCode === 403) return refusesUs('The API key has no right to this call.');
	if (!OURS_TO_MEND.has(code) || isOfCard(error)) return undefined;
	const param = /^[\w[\]]{1,60}$/.test(error.param ?? '') ? `, ${error.param}` : '';
	return refusesUs(`Stripe refuses our requests (${code}${param}).`);
}

/** The token came from the buyer. That there is such a parameter is our business. */
const isOfCard = ({ param, code }: Stripe.errors.StripeError): boolean =>
	param === 'payment_method' && code !== 'parameter_unknown' && code !== 'parameter_missing';

type OfOperation = (error: Stripe.errors.StripeError, request: PaymentRequest) => ProviderOutcome | undefined;

const OPERATIONS: Readonly<Record<ProviderOperation, OfOperation>> = {
	authorize: (error) => {
		const { code = '', decline_code, statusCode } = error;
		if (statusCode === 402) return { kind: 'declined', reason: declineReason(decline_code || code) };
		if (isOfCard(error) || code.startsWith('payment_method_'))
			return { kind: 'declined', reason: 'The card cannot be used.' };
		if (/^(?:amount_too_(?:large|small)|invalid_charge_amount.*|charge_exceeds_.*_limit)$/.test(code)) {
			return { kind: 'declined', reason: 'This amount cannot be paid by card.' };
		}
		return error.param === 'currency' ? { kind: 'declined', reason: 'This currency cannot be paid in.' } : undefined;
	},
	capture: (error, request) => {
		if (error.statusCode === 402) return { kind: 'refused', reason: 'The bank refused to pay what it held.' };
		if (LAPSED.has(error.code ?? '')) return { kind: 'gone', reason: 'The bank holds the money no longer.' };
		return error.code === 'payment_intent_unexpected_state' ? ofState('capture', error, request) : missing(error);
	},
	void: (error, request) =>
		error.code === 'payment_intent_unexpected_state' ? ofState('void', error, request) : missing(error),
	refund: (error) => {
		const reason = REFUND_REFUSALS[error.code ?? ''];
		if (reason !== undefined) return { kind: 'refused', reason };
		if (error.param === 'amount') return { kind: 'refused', reason: 'Stripe does not give back this amount.' };
		return error.statusCode === 402 ? { kind: 'refused', reason: 'The refund was refused.' } : missing(error);
	},
};

/** The intent is in another state than the operation needs; the error brings it along. */
function ofState(
	operation: 'capture' | 'void',
	{ payment_intent: intent }: Stripe.errors.StripeError,
	request: PaymentRequest,
): ProviderOutcome | undefined {
	const found = intent && findingOf(operation, intent, request);
	return found?.kind === 'notDone' || found?.kind === 'notFound' ? undefined : found;
}

const missing = ({ code }: Stripe.errors.StripeError): Failure | undefined =>
	code === 'resource_missing'
		? unknown('Stripe does not know this payment: is the API key of another account, or of the other mode?')
		: undefined;
