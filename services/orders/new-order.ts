/**
 * Reads the parameters of `orders.create`. A repeated request gets its first answer, even if a list or a default has
 * changed since. So two checks are kept apart: what a request says, which identifies a repeat; and whether such an
 * order may be placed today, which is checked for new orders only.
 */
import { hash } from 'node:crypto';
import { type Decimal, formatDecimal, moneyOf, parseDecimal } from '../../domain/money.ts';
import type { PlaceOrder } from '../../domain/order-record.ts';
import { CAPTURE_MARGIN } from '../../domain/payment.ts';
import type { ProviderTraits } from '../../domain/provider.ts';
import { ok, type Result, refuse } from '../../domain/result.ts';
import { formatDuration, parseDuration, type Settings } from '../../mixins/settings/index.ts';
import { compile, LIST_DATE, minorUnits } from '../../mixins/validation/index.ts';
import { AMOUNT_MESSAGES } from './amounts.ts';
import { invalid } from './errors.ts';
import type { IdempotencyKey } from './keys.ts';
import { CREATE_PARAMS, type CreateParams } from './params.ts';

export interface NewOrder {
	/** null without an `Idempotency-Key` */
	readonly idempotency: IdempotencyKey | null;
	/** what to place, or why it is refused today: a validation error */
	readonly command: Result<PlaceOrder, Error>;
}

const checkShape = compile(CREATE_PARAMS);

const CURRENCY_MESSAGE = `Must be a currency code of ISO 4217 in capitals, as of ${LIST_DATE}.`;

/** Throws a validation error that names every wrong field, for a request that was never acceptable. */
export function readNewOrder(
	params: CreateParams,
	owner: string,
	defaults: Pick<Settings, 'cancellationWindow' | 'defaultCurrency' | 'holdLimit'>,
	provider: ProviderTraits,
): NewOrder {
	const shape = checkShape(params);
	const currency = params.currency ?? defaults.defaultCurrency;
	const written = parseDecimal(String(params.amount));
	const amount = written.ok ? moneyOf(written.value, currency, minorUnits) : written;
	const messages = new Map(shape === true ? [] : shape.map(({ field, message }) => [field, message]));
	const complain = (field: string, message: string): void => {
		if (!messages.has(field)) messages.set(field, message);
	};
	if (minorUnits(currency) === undefined) complain('currency', CURRENCY_MESSAGE);
	if (!amount.ok && amount.error !== 'unknown-currency') complain('amount', AMOUNT_MESSAGES[amount.error]);
	if (shape !== true || !written.ok) throw invalid(Object.fromEntries(messages));

	const given = params.cancellationWindow === undefined ? undefined : parseDuration(params.cancellationWindow);
	const cancellationWindow = given ?? defaults.cancellationWindow;
	const { productName, paymentMethod = provider.defaultPaymentMethod } = params;
	const refusal = amount.ok ? provider.refuses(amount.value) : undefined;
	if (refusal !== undefined) complain(refusal.field, refusal.message);
	if (paymentMethod === null) complain('paymentMethod', 'Is missing.');
	const longest = provider.holdsFor - CAPTURE_MARGIN - defaults.holdLimit;
	if (cancellationWindow > longest) complain('cancellationWindow', `Must be at most ${formatDuration(longest)}.`);
	return {
		idempotency: idempotencyOf(params, written.value, given ?? null),
		command:
			amount.ok && paymentMethod !== null && messages.size === 0
				? ok({ owner, productName, amount: amount.value, paymentMethod, cancellationWindow })
				: refuse(invalid(Object.fromEntries(messages))),
	};
}

/** Bodies are compared as they are written, before any default that a setting could change. */
function idempotencyOf(params: CreateParams, amount: Decimal, window: number | null): IdempotencyKey | null {
	const { idempotencyKey: key, productName, currency, paymentMethod } = params;
	if (key === undefined) return null;
	const body = JSON.stringify([productName, formatDecimal(amount), currency ?? null, window, paymentMethod ?? null]);
	return { key, fingerprint: hash('sha256', body, 'base64') };
}
