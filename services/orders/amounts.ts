/** Amounts as clients write them: a JSON number's source text, counted in it, or a number where there is no text. */
import {
	type AmountError,
	type Decimal,
	LARGEST_AMOUNT,
	type Money,
	moneyOf,
	parseDecimal,
} from '../../domain/money.ts';
import type { ProviderTraits } from '../../domain/provider.ts';
import type { Result } from '../../domain/result.ts';
import { storedUnits } from '../../mixins/validation/index.ts';
import { invalid } from './errors.ts';

export const AMOUNT_MESSAGES: Readonly<Record<Exclude<AmountError, 'unknown-currency'>, string>> = {
	'not-a-number': 'Must be a number.',
	'not-positive': 'Must be above 0.',
	'too-large': `Must be at most ${LARGEST_AMOUNT}.`,
	'too-many-decimals': 'Has more decimals than the currency.',
};

const message = (error: AmountError): string => (error === 'unknown-currency' ? error : AMOUNT_MESSAGES[error]);

/** Throws a validation error for what is no amount in any currency. */
export function readAmount(written: string | number): Decimal {
	const amount = parseDecimal(String(written));
	if (!amount.ok) throw invalid({ amount: message(amount.error) });
	return amount.value;
}

/**
 * The amount in the currency of an order that is stored. Throws a validation error for more decimals than that has, and
 * for what the provider cannot take.
 */
export function inCurrency(amount: Decimal, currency: string, provider: ProviderTraits): Money {
	const money: Result<Money, AmountError> = moneyOf(amount, currency, storedUnits);
	if (!money.ok) throw invalid({ amount: message(money.error) });
	const refusal = provider.refuses(money.value);
	if (refusal !== undefined) throw invalid({ amount: refusal.message });
	return money.value;
}
