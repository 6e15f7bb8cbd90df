/** Currencies by ISO 4217's own list. Intl is no substitute: it gives 16 of them another number of decimals. */
import { data } from 'currency-codes';

/** Codes whose minor unit ISO 4217 gives as "N.A.": metals, funds, test codes. Nobody pays with them. */
const NOT_PAYABLE: ReadonlySet<string> = new Set('XAG XAU XBA XBB XBC XBD XDR XPD XPT XSU XTS XUA XXX'.split(' '));

const MINOR_UNITS: ReadonlyMap<string, number> = new Map(
	data.filter(({ code }) => !NOT_PAYABLE.has(code)).map(({ code, digits }) => [code, digits]),
);

/**
 * The number of decimals of a currency that money can be paid in: 2 for `USD`, 0 for `JPY`, 3 for `KWD`.
 * `undefined` for everything else; codes are upper case, exactly as ISO 4217 writes them.
 */
export function minorUnits(code: string): number | undefined {
	return MINOR_UNITS.get(code);
}

/** Every code that `minorUnits` knows, in order. */
export const CURRENCIES: readonly string[] = Object.freeze([...MINOR_UNITS.keys()].sort());
