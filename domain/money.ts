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

/** Longer texts are refused before any arithmetic; no allowed amount needs more. */
const LONGEST_TEXT = 64;
const LARGEST_EXPONENT = 64;

interface Decimal {
	readonly digits: bigint;
	readonly decimals: number;
}

const LARGEST: Decimal = { digits: BigInt(LARGEST_AMOUNT.replace('.', '')), decimals: 2 };

function parseDecimal(text: string): Decimal | undefined {
	const match = text.length <= LONGEST_TEXT ? JSON_NUMBER.exec(text) : null;
	if (match === null) return undefined;
	const [, sign = '', whole = '', fraction = '', exponentText = '0'] = match;
	const exponent = Number(exponentText);
	if (Math.abs(exponent) > LARGEST_EXPONENT) return undefined;
	const digits = BigInt(`${sign}${whole}${fraction}`);
	const decimals = fraction.length - exponent;
	return decimals >= 0 ? { digits, decimals } : { digits: digits * 10n ** BigInt(-decimals), decimals: 0 };
}

const scale = ({ digits, decimals }: Decimal, to: number): bigint => digits * 10n ** BigInt(to - decimals);

/**
 * Reads an amount in major units from a JSON number's source text, exactly: no binary fraction takes part.
 * Decimals are counted as written, so `10.500` has three.
 */
export function parseAmount(text: string, currency: string, minorUnits: MinorUnits): Result<Money, AmountError> {
	const units = minorUnits(currency);
	if (units === undefined) return refuse('unknown-currency');
	const amount = parseDecimal(text);
	if (amount === undefined) return refuse('not-a-number');
	if (amount.digits <= 0n) return refuse('not-positive');
	const common = Math.max(amount.decimals, LARGEST.decimals);
	if (scale(amount, common) > scale(LARGEST, common)) return refuse('too-large');
	if (amount.decimals > units) return refuse('too-many-decimals');
	return ok({ minor: scale(amount, units), currency });
}

/** The amount in major units as the shortest JSON number text that is exact, e.g. `10.5`. */
export function formatAmount(money: Money, minorUnits: MinorUnits): string {
	const units = minorUnits(money.currency);
	if (units === undefined) throw new RangeError(`no such currency: ${money.currency}`);
	const digits = money.minor.toString().padStart(units + 1, '0');
	const whole = digits.slice(0, digits.length - units);
	const fraction = digits.slice(digits.length - units).replace(/0+$/, '');
	return fraction === '' ? whole : `${whole}.${fraction}`;
}
