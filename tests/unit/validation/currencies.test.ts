import { readFileSync } from 'node:fs';
import { createRequire } from 'node:module';
import { describe, expect, it } from '@jest/globals';
import { CURRENCIES, LIST_DATE, minorUnits, storedUnits } from '../../../mixins/validation/currencies.ts';

describe('minorUnits', () => {
	/** ISO's own list as it was published; the package brings it along. Code → minor unit, "N.A." for none. */
	const listOne = readFileSync(createRequire(import.meta.url).resolve('currency-codes/iso-4217-list-one.xml'), 'utf8');
	const published = new Map(
		[...listOne.matchAll(/<Ccy>(.*?)<\/Ccy>\s*<CcyNbr>.*?<\/CcyNbr>\s*<CcyMnrUnts>(.*?)<\/CcyMnrUnts>/g)].map(
			([, code = '', units = '']) => [code, units],
		),
	);

	/** What ISO changed between the package's list and ours. */
	const WITHDRAWN = ['ANG', 'BGN', 'CUC'];
	const ADDED = ['XAD', 'XCG'];

	it(`is what ISO 4217 publishes, for every currency, with what it changed until ${LIST_DATE}`, () => {
		expect(published.size).toBeGreaterThan(170);
		const expected = [...published].map(([code, units]) => [
			code,
			units === 'N.A.' || WITHDRAWN.includes(code) ? undefined : Number(units),
		]);
		expect([...published.keys()].map((code) => [code, minorUnits(code)])).toEqual(expected);
		expect(CURRENCIES.filter((code) => !published.has(code))).toEqual(ADDED);
		expect(ADDED.map(minorUnits)).toEqual([2, 2]);
	});

	it('keeps the decimals of a currency for the orders in it, whatever becomes of it', () => {
		for (const code of CURRENCIES) expect([code, storedUnits(code)]).toEqual([code, minorUnits(code)]);
		expect([...WITHDRAWN, 'OLD'].map((code) => [minorUnits(code), storedUnits(code)])).toEqual(
			Array(4).fill([undefined, 2]),
		);
	});

	it.each<[string, number]>([
		...(['USD', 'EUR', 'HUF', 'IDR', 'COP', 'PKR'] as const).map((code): [string, number] => [code, 2]),
		['JPY', 0],
		['KRW', 0],
		['CLP', 0],
		['KWD', 3],
		['BHD', 3],
		['IQD', 3],
		['UYW', 4],
		['CLF', 4],
	])('%s has %d decimals', (code, units) => expect(minorUnits(code)).toBe(units));

	it('does not follow Intl, which has other decimals for 16 currencies', () => {
		const intl = (currency: string): number | undefined =>
			new Intl.NumberFormat('en', { style: 'currency', currency }).resolvedOptions().maximumFractionDigits;
		for (const code of ['HUF', 'IDR', 'IQD', 'PKR']) expect(minorUnits(code)).not.toBe(intl(code));
	});

	it.each('XAU XAG XPT XPD XBA XBB XBC XBD XDR XSU XUA XTS XXX'.split(' '))('%s cannot be paid in', (code) =>
		expect(minorUnits(code)).toBeUndefined(),
	);

	it.each(['usd', 'Usd', '', 'US', 'USD ', 'ZZZ', '840', '__proto__', 'constructor'])('%j is no currency', (code) =>
		expect(minorUnits(code)).toBeUndefined(),
	);
});
