/** PaymentIntents with manual capture: what each request does to one. */
import type { Account, Charge, Intent } from './account.ts';
import { checkAmount } from './amounts.ts';
import { CARDS } from './cards.ts';
import {
	flagOf,
	integerOf,
	listOf,
	metadataOf,
	onlyKnown,
	type Params,
	requiredInteger,
	requiredText,
	textOf,
} from './params.ts';
import { declined, invalid, missing, type Refusal, refused, wrongState } from './refusal.ts';
import { showCharge, showIntent } from './shown.ts';

const CREATE = [
	...['amount', 'currency', 'payment_method', 'allowed_payment_method_types', 'capture_method', 'confirm'],
	...['confirmation_method', 'metadata', 'description', 'return_url', 'off_session', 'error_on_requires_action'],
	...['statement_descriptor_suffix', 'use_stripe_sdk', 'expand'],
];

/** What may be expanded in a PaymentIntent; throws for anything else. */
export function expandOf(params: Params, allowed: readonly string[] = ['latest_charge']): string[] {
	const expand = listOf(params, 'expand');
	const strange = expand.find((name) => !allowed.includes(name));
	if (strange !== undefined) throw invalid(`This property cannot be expanded (${strange}).`, undefined, 'expand');
	return expand;
}

/** Creates an intent and confirms it at once. A decline leaves the intent behind, as Stripe does. */
export function createIntent(account: Account, params: Params) {
	if (params.payment_method_types !== undefined) {
		const message = 'The payment_method_types parameter is no longer supported.';
		throw invalid(message, 'payment_method_types_no_longer_supported', 'payment_method_types');
	}
	onlyKnown(params, CREATE);
	if (textOf(params, 'capture_method') !== 'manual') throw invalid('This stand-in only knows capture_method=manual.');
	if (!flagOf(params, 'confirm')) throw invalid('This stand-in only knows confirm=true.');
	const expand = expandOf(params);
	const amount = requiredInteger(params, 'amount');
	const currency = requiredText(params, 'currency');
	const allowedTypes = listOf(params, 'allowed_payment_method_types');
	const returnUrl = textOf(params, 'return_url') ?? null;
	if (allowedTypes.length === 0 && returnUrl === null) {
		throw refused('This PaymentIntent is configured to accept payment methods that redirect: give a return_url.');
	}
	const metadata = metadataOf(params);
	const description = textOf(params, 'description') ?? null;
	checkAmount(amount, currency);
	const paymentMethod = requiredText(params, 'payment_method');
	const card = CARDS.get(paymentMethod);
	if (card === undefined) throw missing('PaymentMethod', paymentMethod, 'payment_method');
	const id = account.id('pi');
	const given = { amount, currency, metadata, description, allowedTypes, paymentMethod, card, returnUrl };
	const intent = newIntent(account, id, given);
	account.intents.set(id, intent);
	account.tell('payment_intent.created', showIntent(account, intent));
	if (card.declines !== undefined) throw decline(account, intent, ...card.declines);
	if (card.authenticates) {
		if (flagOf(params, 'off_session')) throw decline(account, intent, 'authentication_required');
		intent.status = 'requires_action';
		account.tell('payment_intent.requires_action', showIntent(account, intent));
	} else hold(account, intent);
	return showIntent(account, intent, expand);
}

/** One that waits for its money, without an order; nobody is told. */
export function foreignIntent(account: Account): string {
	const id = account.id('pi');
	account.intents.set(id, newIntent(account, id, { amount: 1_000, currency: 'usd', paymentMethod: 'pm_card_visa' }));
	return id;
}

type Given = Pick<Intent, 'amount' | 'currency' | 'paymentMethod'> & Partial<Intent>;

function newIntent(account: Account, id: string, given: Given): Intent {
	return {
		...{ id, clientSecret: `${id}_secret_${account.id('s').slice(2)}`, metadata: {}, description: null, card: {} },
		...{ allowedTypes: ['card'], returnUrl: null, createdAt: account.now(), status: 'requires_payment_method' },
		...{ canceledAt: null, cancellationReason: null, lastError: null, charge: null },
		...given,
	};
}

function hold(account: Account, intent: Intent): void {
	const createdAt = account.now();
	intent.charge = {
		...{ id: account.id('ch'), amount: intent.amount, createdAt, captureBefore: createdAt + account.holdsFor },
		...{ captured: 0, refunded: 0, released: false, expired: false },
	};
	intent.status = 'requires_capture';
	intent.lastError = null;
	account.move(intent, 'authorize', intent.amount);
	account.tell('payment_intent.amount_capturable_updated', showIntent(account, intent));
}

function decline(account: Account, intent: Intent, code: string, declineCode = code): Refusal {
	intent.status = 'requires_payment_method';
	intent.lastError = { code, decline_code: declineCode, message: 'Your card was declined.' };
	account.move(intent, 'authorize', intent.amount, 'declined');
	const shown = showIntent(account, intent);
	account.tell('payment_intent.payment_failed', shown);
	return declined(code, declineCode, shown);
}

/** The intent with what time has done to it. */
export function intentOf(account: Account, id: string): Intent {
	const intent = account.intents.get(id);
	if (intent === undefined) throw missing('payment_intent', id, 'intent');
	age(account, intent);
	return intent;
}

/** Lets go what the bank holds no longer. */
export function age(account: Account, intent: Intent): void {
	if (intent.charge !== null && intent.charge.captureBefore <= account.now()) lapse(account, intent);
}

/** The bank lets the money go. With `unseen` the intent shows it only later. */
export function lapse(account: Account, intent: Intent, unseen = false): void {
	const { charge } = intent;
	if (charge === null || intent.status !== 'requires_capture') return;
	if (!charge.expired) {
		charge.expired = true;
		account.move(intent, 'lapse', charge.amount);
		account.tell('charge.expired', showCharge(account, intent, charge));
	}
	if (unseen) return;
	end(account, intent, charge, 'automatic');
}

function end(account: Account, intent: Intent, charge: Charge | null, reason: string | null): void {
	intent.status = 'canceled';
	intent.canceledAt = account.now();
	intent.cancellationReason = reason;
	if (charge !== null) {
		charge.released = true;
		account.tell('charge.refunded', showCharge(account, intent, charge));
	}
	account.tell('payment_intent.canceled', showIntent(account, intent));
}

export function captureIntent(account: Account, id: string, params: Params) {
	onlyKnown(params, ['amount_to_capture', 'final_capture', 'metadata', 'statement_descriptor_suffix', 'expand']);
	const expand = expandOf(params);
	const asked = integerOf(params, 'amount_to_capture');
	const intent = intentOf(account, id);
	const { charge } = intent;
	if (intent.status !== 'requires_capture' || charge === null) {
		const message = `This PaymentIntent could not be captured because it has a status of ${intent.status}.`;
		throw wrongState(message, showIntent(account, intent));
	}
	const amount = asked ?? intent.amount;
	if (amount < 1 || amount > intent.amount) {
		throw refused('The amount_to_capture is not possible.', 'amount_too_large', 'amount_to_capture');
	}
	if (charge.expired) {
		throw refused('The authorization has expired and can no longer be captured.', 'charge_expired_for_capture');
	}
	if (intent.card.refusesCapture) {
		account.move(intent, 'capture', amount, 'refused');
		throw declined('card_declined', 'generic_decline', showIntent(account, intent));
	}
	charge.captured = amount;
	intent.status = 'succeeded';
	account.move(intent, 'capture', amount);
	account.tell('payment_intent.succeeded', showIntent(account, intent));
	return showIntent(account, intent, expand);
}

const REASONS = ['duplicate', 'fraudulent', 'requested_by_customer', 'abandoned'];

export function cancelIntent(account: Account, id: string, params: Params) {
	onlyKnown(params, ['cancellation_reason', 'expand']);
	const expand = expandOf(params);
	const reason = textOf(params, 'cancellation_reason') ?? null;
	if (reason !== null && !REASONS.includes(reason)) {
		throw invalid(`Invalid cancellation_reason: ${reason}`, undefined, 'cancellation_reason');
	}
	const intent = intentOf(account, id);
	if (intent.status === 'canceled' || intent.status === 'succeeded') {
		const message = `You cannot cancel this PaymentIntent because it has a status of ${intent.status}.`;
		throw wrongState(message, showIntent(account, intent));
	}
	const held = intent.status === 'requires_capture' && !intent.charge?.expired;
	account.move(intent, held ? 'void' : 'cancel', held ? intent.amount : 0);
	end(account, intent, intent.charge, reason);
	return showIntent(account, intent, expand);
}

export type Authentication = 'succeeded' | 'failed' | 'declined';

/**
 * The buyer's part: the bank is satisfied, or not, or satisfied and then says no. A browser that has the client secret
 * may also try again with another card after a failure, for as long as the intent is not cancelled. False if there was
 * nothing to do.
 */
export function authenticate(account: Account, id: string, outcome: Authentication): boolean {
	const intent = account.intents.get(id);
	const waits = intent?.status === 'requires_action' || (intent?.card.authenticates && intent.lastError !== null);
	if (intent === undefined || !waits || intent.status === 'canceled') return false;
	if (intent.status !== 'requires_action' && intent.status !== 'requires_payment_method') return false;
	if (outcome === 'succeeded') hold(account, intent);
	else if (outcome === 'declined') decline(account, intent, 'card_declined', 'insufficient_funds');
	else decline(account, intent, 'payment_intent_authentication_failure');
	return true;
}
