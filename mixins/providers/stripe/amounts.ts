/** Amounts in Stripe's units, which differ from ISO 4217's minor units for some currencies (docs.stripe.com/currencies). */
import { formatAmount, type Money } from '../../../domain/money.ts';
import type { ProviderTraits } from '../../../domain/provider.ts';
import { storedUnits } from '../../validation/index.ts';

type Refusal = NonNullable<ReturnType<ProviderTraits['refuses']>>;

/** What Stripe takes payments in, of Stripe's list of 2023; a code that has come since is one word here. */
const CURRENCIES: ReadonlySet<string> = new Set(
	(
		'AED AFN ALL AMD ANG AOA ARS AUD AWG AZN BAM BBD BDT BGN BHD BIF BMD BND BOB BRL BSD BWP BYN BZD CAD CDF CHF CLP CNY ' +
		'COP CRC CVE CZK DJF DKK DOP DZD EGP ETB EUR FJD FKP GBP GEL GIP GMD GNF GTQ GYD HKD HNL HTG HUF IDR ILS INR ISK JMD ' +
		'JOD JPY KES KGS KHR KMF KRW KWD KYD KZT LAK LBP LKR LRD LSL MAD MDL MGA MKD MMK MNT MOP MUR MVR MWK MXN MYR MZN NAD ' +
		'NGN NIO NOK NPR NZD OMR PAB PEN PGK PHP PKR PLN PYG QAR RON RSD RUB RWF SAR SBD SCR SEK SGD SHP SLE SOS SRD STD SZL ' +
		'THB TJS TND TOP TRY TTD TWD TZS UAH UGX USD UYU UZS VND VUV WST XAF XCD XOF XPF YER ZAR ZMW'
	).split(' '),
);

/** Currencies without decimals that Stripe writes with two, always 00: one unit of ours is 100 of Stripe's. */
const IN_HUNDREDTHS: ReadonlySet<string> = new Set(['ISK', 'UGX']);
/** The other way round: two decimals in ISO 4217, none at Stripe. */
const WITHOUT_DECIMALS: ReadonlySet<string> = new Set(['MGA']);
/** Three decimals, of which the last has to be 0. */
const LAST_DIGIT_ZERO: ReadonlySet<string> = new Set(['BHD', 'JOD', 'KWD', 'OMR', 'TND']);

/** The most that Stripe takes, in its units: eight digits, twelve for IDR, less what has to be 0. */
function largest(currency: string): bigint {
	const digits = 10n ** (currency === 'IDR' ? 12n : 8n) - 1n;
	return digits - (digits % (IN_HUNDREDTHS.has(currency) ? 100n : LAST_DIGIT_ZERO.has(currency) ? 10n : 1n));
}

/** The exact amount in Stripe's units; undefined if there is none. */
function convert({ minor, currency }: Money): bigint | undefined {
	if (IN_HUNDREDTHS.has(currency)) return minor * 100n;
	if (WITHOUT_DECIMALS.has(currency)) return minor % 100n === 0n ? minor / 100n : undefined;
	return minor;
}

/** Why Stripe cannot take this amount, as a sentence for the client; undefined if it can. */
export function refusalOf(amount: Money): Refusal | undefined {
	const { currency } = amount;
	if (!CURRENCIES.has(currency)) return { field: 'currency', message: 'Is not a currency that payments are taken in.' };
	const units = convert(amount);
	if (units === undefined)
		return { field: 'amount', message: 'Has decimals, which payments in this currency cannot have.' };
	if (LAST_DIGIT_ZERO.has(currency) && units % 10n !== 0n) {
		return { field: 'amount', message: 'Has a third decimal, which has to be 0 in payments.' };
	}
	if (units <= largest(currency)) return undefined;
	const most = { minor: inOurUnits(largest(currency), currency), currency };
	return { field: 'amount', message: `Must be at most ${formatAmount(most, storedUnits)}.` };
}

/** The amount as Stripe's requests have it. Throws a `RangeError` for one that Stripe cannot take: see `refusalOf`. */
export function toStripe(amount: Money): number {
	const units = convert(amount);
	if (units === undefined || units > largest(amount.currency)) throw new RangeError('Stripe cannot take this amount.');
	return Number(units);
}

/**
 * An amount of Stripe's in our minor units. What is no whole number of them (a payment that is not ours) is rounded up,
 * so that money is never shown as none.
 */
export const fromStripe = (units: number, currency: string): bigint =>
	inOurUnits(BigInt(units), currency.toUpperCase());

function inOurUnits(units: bigint, currency: string): bigint {
	if (IN_HUNDREDTHS.has(currency)) return (units + 99n) / 100n;
	return WITHOUT_DECIMALS.has(currency) ? units * 100n : units;
}
