import { ok, type Result, refuse } from './result.ts';

/** An amount in minor units (cents, say) of an ISO 4217 currency. */
export interface Money {
	readonly minor: bigint;
	readonly currency: string;
}

/** How many decimals a currency has by ISO 4217, or undefined for a code that is not payable. */
export type MinorUnits = (currency: string) => number | undefined;

export type AmountError = 'not-a-number' | 'not-positive' | 'too-large' | 'too-many-decimals' | 'unknown-currency';

/** The largest amount in major units. */
export const LARGEST_AMOUNT = '999999999999.99';

/** The grammar of a number in JSON (RFC 8259, section 6). */
const JSON_NUMBER = /^(-?)(0|[1-9]\d*)(?:\.(\d+))?(?:[eE]([+-]?\d+))?$/;

/** A number above 0, exactly as it was written: `digits` / 10^`decimals`. */
export interface Decimal {
	readonly digits: bigint;
	readonly decimals: number;
}

const LARGEST: Decimal = { digits: BigInt(LARGEST_AMOUNT.replace('.', '')), decimals: 2 };
const MOST_WHOLE_DIGITS = LARGEST_AMOUNT.indexOf('.');
/** More decimals than any currency has; a text with more is refused before any arithmetic. */
const MOST_DECIMALS = 64;

const scale = ({ digits, decimals }: Decimal, to: number): bigint => digits * 10n ** BigInt(to - decimals);

/**
 * Reads an amount in major units from a JSON number's source text, exactly: no binary fraction takes part. Decimals are
 * counted as written, so `10.500` has three. The length of the text costs only the time to read it.
 */
export function parseDecimal(text: string): Result<Decimal, AmountError> {
	const match = JSON_NUMBER.exec(text);
	if (match === null) return refuse('not-a-number');
	const [, sign, whole = '', fraction = '', exponent = '0'] = match;
	const digits = `${whole}${fraction}`.replace(/^0+/, '');
	if (sign === '-' || digits === '') return refuse('not-positive');
	const decimals = fraction.length - Number(exponent);
	if (digits.length - decimals > MOST_WHOLE_DIGITS) return refuse('too-large');
	if (decimals > MOST_DECIMALS) return refuse('too-many-decimals');
	const amount =
		decimals < 0
			? { digits: BigInt(digits) * 10n ** BigInt(-decimals), decimals: 0 }
			: { digits: BigInt(digits), decimals };
	if (digits.length - decimals < MOST_WHOLE_DIGITS) return ok(amount);
	const common = Math.max(amount.decimals, LARGEST.decimals);
	return scale(amount, common) > scale(LARGEST, common) ? refuse('too-large') : ok(amount);
}

/** The amount in a currency's minor units. */
export function moneyOf(amount: Decimal, currency: string, minorUnits: MinorUnits): Result<Money, AmountError> {
	const units = minorUnits(currency);
	if (units === undefined) return refuse('unknown-currency');
	if (amount.decimals > units) return refuse('too-many-decimals');
	return ok({ minor: scale(amount, units), currency });
}

/** The shortest JSON number text that is exact, e.g. `10.5`. */
export function formatDecimal({ digits, decimals }: Decimal): string {
	const text = digits.toString().padStart(decimals + 1, '0');
	const whole = text.slice(0, text.length - decimals);
	const fraction = text.slice(text.length - decimals).replace(/0+$/, '');
	return fraction === '' ? whole : `${whole}.${fraction}`;
}

/** The same of an amount in major units; `units` is how many decimals its currency has. */
export const formatAmount = ({ minor, currency }: Money, units: (currency: string) => number): string =>
	formatDecimal({ digits: minor, decimals: units(currency) });
