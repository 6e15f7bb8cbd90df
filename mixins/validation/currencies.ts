/** Currencies by ISO 4217's own list. Intl is no substitute: it gives 16 of them another number of decimals. */
import { data } from 'currency-codes';

/** The day of the list that new orders are taken by: the package's own, of 2024-06-25, with what ISO changed since. */
export const LIST_DATE = '2026-01-01';

/** Code → decimals: XCG by amendment 176 (2025-03-31), XAD by 179 (2025-05-12). */
const ADDED: Readonly<Record<string, number>> = { XCG: 2, XAD: 2 };

/**
 * Code → decimals of what is payable no more: CUC since 2021, ANG since 2025-03-31, BGN since 2026-01-01. Orders in them
 * are stored, so a code that goes never leaves this file.
 */
const WITHDRAWN: Readonly<Record<string, number>> = { ANG: 2, BGN: 2, CUC: 2 };

/** Codes whose minor unit ISO 4217 gives as "N.A.": metals, funds, test codes. Nobody pays with them. */
const NOT_PAYABLE: ReadonlySet<string> = new Set('XAG XAU XBA XBB XBC XBD XDR XPD XPT XSU XTS XUA XXX'.split(' '));

const EVER: ReadonlyMap<string, number> = new Map([
	...data.filter(({ code }) => !NOT_PAYABLE.has(code)).map(({ code, digits }): [string, number] => [code, digits]),
	...Object.entries(ADDED),
	...Object.entries(WITHDRAWN),
]);

/** Every code that an order can be placed in today, in order. */
export const CURRENCIES: readonly string[] = Object.freeze(
	[...EVER.keys()].filter((code) => !Object.hasOwn(WITHDRAWN, code)).sort(),
);

const TODAY: ReadonlySet<string> = new Set(CURRENCIES);

/**
 * The number of decimals of a currency that money can be paid in: 2 for `USD`, 0 for `JPY`, 3 for `KWD`.
 * `undefined` for everything else; codes are upper case, exactly as ISO 4217 writes them.
 */
export function minorUnits(code: string): number | undefined {
	return TODAY.has(code) ? EVER.get(code) : undefined;
}

/** The same for an order that is stored, whatever is payable today. */
export const storedUnits = (code: string): number => EVER.get(code) ?? 2;
