import { describe, expect, it } from '@jest/globals';
import fc from 'fast-check';
import {
	type AmountError,
	formatAmount,
	formatDecimal,
	type Money,
	moneyOf,
	parseDecimal,
} from '../../../domain/money.ts';
import type { Result } from '../../../domain/result.ts';

const UNITS: Readonly<Record<string, number>> = { JPY: 0, USD: 2, BHD: 3, CLF: 4 };
const units = (currency: string): number | undefined => (Object.hasOwn(UNITS, currency) ? UNITS[currency] : undefined);
const parse = (text: string, currency = 'USD'): Result<Money, AmountError> => {
	const amount = parseDecimal(text);
	return amount.ok ? moneyOf(amount.value, currency, units) : amount;
};
const format = (minor: bigint, currency = 'USD') => formatAmount({ minor, currency }, (code) => UNITS[code] ?? 2);

describe('an amount', () => {
	it.each<[text: string, currency: string, minor: bigint]>([
		['1', 'USD', 100n],
		['10.5', 'USD', 1050n],
		['10.50', 'USD', 1050n],
		['0.01', 'USD', 1n],
		['0.1', 'USD', 10n],
		['19.99', 'USD', 1999n],
		['4.35', 'USD', 435n],
		['999999999999.99', 'USD', 99_999_999_999_999n],
		['999999999999', 'USD', 99_999_999_999_900n],
		['1', 'JPY', 1n],
		['999999999999', 'JPY', 999_999_999_999n],
		['1.234', 'BHD', 1234n],
		['0.001', 'BHD', 1n],
		['999999999999.99', 'BHD', 999_999_999_999_990n],
		['999999999999.990', 'BHD', 999_999_999_999_990n],
		['0.0001', 'CLF', 1n],
		['1e2', 'USD', 10_000n],
		['1E+2', 'JPY', 100n],
		['1.5e1', 'JPY', 15n],
		['1e-2', 'USD', 1n],
		['1e11', 'USD', 10_000_000_000_000n],
	])('reads %s %s as %s minor units', (text, currency, minor) => {
		expect(parse(text, currency)).toEqual({ ok: true, value: { minor, currency } });
	});

	it.each<[text: string, currency: string, error: string]>([
		['0', 'USD', 'not-positive'],
		['-0', 'USD', 'not-positive'],
		['0.00', 'USD', 'not-positive'],
		['0e5', 'USD', 'not-positive'],
		['-1', 'USD', 'not-positive'],
		['-0.01', 'USD', 'not-positive'],
		['1000000000000', 'USD', 'too-large'],
		['1000000000000', 'JPY', 'too-large'],
		['999999999999.991', 'BHD', 'too-large'],
		['999999999999.9901', 'CLF', 'too-large'],
		['1e12', 'USD', 'too-large'],
		['1e64', 'USD', 'too-large'],
		['10.500', 'USD', 'too-many-decimals'],
		['0.001', 'USD', 'too-many-decimals'],
		['1.0', 'JPY', 'too-many-decimals'],
		['1.00', 'JPY', 'too-many-decimals'],
		['0.0001', 'BHD', 'too-many-decimals'],
		['1e-3', 'USD', 'too-many-decimals'],
		['1', 'XXX', 'unknown-currency'],
		['1', 'usd', 'unknown-currency'],
		['1', '__proto__', 'unknown-currency'],
		['x', 'XXX', 'not-a-number'],
		// However long: the reason is what is wrong with it, and not its length.
		['1e65', 'USD', 'too-large'],
		['1e999999999', 'USD', 'too-large'],
		['9'.repeat(16_000), 'USD', 'too-large'],
		['1e-65', 'USD', 'too-many-decimals'],
		['1e-999999999', 'USD', 'too-many-decimals'],
		[`0.${'0'.repeat(15_000)}1`, 'USD', 'too-many-decimals'],
		[`1.${'0'.repeat(15_000)}`, 'USD', 'too-many-decimals'],
		[`${'9'.repeat(12)}.${'9'.repeat(40)}`, 'USD', 'too-large'],
		[`0.${'0'.repeat(63)}`, 'USD', 'not-positive'],
		[`-${'9'.repeat(16_000)}`, 'USD', 'not-positive'],
		['0e999999999', 'USD', 'not-positive'],
	])('refuses %s %s as %s', (text, currency, error) => {
		expect(parse(text, currency)).toEqual({ ok: false, error });
	});

	it.each([
		...['', ' ', 'x', 'NaN', 'Infinity', '-', '+1', '01', '-01', '.5', '5.', '1e', '1e+', '1e1.5', '0x10', '1_000'],
		...['1,5', ' 1', '1 ', '1\n', '"1"', 'null', '1n', '١', '--1', '1.2.3'],
	])('refuses %j as no number', (text) => {
		expect(parse(text)).toEqual({ ok: false, error: 'not-a-number' });
	});

	it('refuses a text of a million digits at once', () => {
		const begin = performance.now();
		for (const text of [`1${'0'.repeat(1_000_000)}`, `1.${'1'.repeat(1_000_000)}`, `1e${'9'.repeat(1_000_000)}`]) {
			expect(parse(text)).toMatchObject({ ok: false, error: expect.stringMatching(/^too-/) });
		}
		expect(performance.now() - begin).toBeLessThan(1_000);
	});

	it('uses no binary fraction: every cent up to 1,000 is exact', () => {
		for (let minor = 1; minor <= 100_000; minor++) {
			const text = `${Math.floor(minor / 100)}.${String(minor % 100).padStart(2, '0')}`;
			const parsed = parse(text);
			if (!parsed.ok || parsed.value.minor !== BigInt(minor)) throw new Error(`${text}: ${JSON.stringify(parsed)}`);
		}
	});
});

describe('formatAmount', () => {
	it.each<[minor: bigint, currency: string, text: string]>([
		[1050n, 'USD', '10.5'],
		[1000n, 'USD', '10'],
		[1n, 'USD', '0.01'],
		[10n, 'USD', '0.1'],
		[1005n, 'USD', '10.05'],
		[99_999_999_999_999n, 'USD', '999999999999.99'],
		[100n, 'JPY', '100'],
		[1n, 'JPY', '1'],
		[1n, 'BHD', '0.001'],
		[999_999_999_999_990n, 'BHD', '999999999999.99'],
		[1n, 'CLF', '0.0001'],
	])('writes %s %s as %s', (minor, currency, text) => {
		expect(format(minor, currency)).toBe(text);
	});
});

describe('every allowed amount', () => {
	const largest: Readonly<Record<string, bigint>> = {
		JPY: 999_999_999_999n,
		USD: 99_999_999_999_999n,
		BHD: 999_999_999_999_990n,
		CLF: 9_999_999_999_999_900n,
	};
	const money: fc.Arbitrary<Money> = fc
		.constantFrom('JPY', 'USD', 'BHD', 'CLF')
		.chain((currency) => fc.record({ minor: fc.bigInt(1n, largest[currency] ?? 1n), currency: fc.constant(currency) }));

	it('comes back from its text, which is a JSON number and as short as it can be', () => {
		fc.assert(
			fc.property(money, (amount) => {
				const text = format(amount.minor, amount.currency);
				expect(formatDecimal({ digits: amount.minor * 1_000n, decimals: (UNITS[amount.currency] ?? 0) + 3 })).toBe(
					text,
				);
				expect(parse(text, amount.currency)).toEqual({ ok: true, value: amount });
				expect(text).toMatch(/^(0|[1-9]\d*)(\.\d*[1-9])?$/);
				expect(JSON.stringify(JSON.parse(`[${text}]`))).toBe(`[${Number(text)}]`);
			}),
			{ numRuns: 2_000 },
		);
	});

	it('is refused one minor unit above the largest', () => {
		for (const [currency, minor] of Object.entries(largest)) {
			expect(parse(format(minor, currency), currency)).toMatchObject({ ok: true });
			expect(parse(format(minor + 1n, currency), currency)).toEqual({ ok: false, error: 'too-large' });
		}
	});

	it('takes no text that is not a JSON number', () => {
		const text = fc.oneof(
			fc.string({ unit: fc.constantFrom(...'0123456789.-+eE '), maxLength: 12 }),
			fc.string({ maxLength: 8 }),
		);
		fc.assert(
			fc.property(text, fc.constantFrom('JPY', 'USD', 'BHD'), (candidate, currency) => {
				if (!parse(candidate, currency).ok) return;
				expect(candidate).toBe(candidate.trim());
				expect(JSON.parse(candidate)).toBeGreaterThan(0);
			}),
			{ numRuns: 5_000 },
		);
	});
});
