/** Amounts in Stripe's units: nothing is rounded, and what Stripe cannot take is refused before there is an order. */
import { describe, expect, it } from '@jest/globals';
import fc from 'fast-check';
import { fromStripe, refusalOf, toStripe } from '../../../../mixins/providers/stripe/amounts.ts';
import { CURRENCIES, minorUnits } from '../../../../mixins/validation/index.ts';

const money = (minor: bigint, currency: string) => ({ minor, currency });
const taken = CURRENCIES.filter((currency) => refusalOf(money(1_000n, currency)) === undefined);

describe('an amount in Stripe’s units', () => {
	it.each<[string, bigint, number]>([
		['USD', 1050n, 1050],
		['JPY', 1050n, 1050],
		['KRW', 1n, 1],
		['HUF', 1050n, 1050],
		['TWD', 1050n, 1050],
		['ISK', 1050n, 105_000],
		['UGX', 7n, 700],
		['MGA', 105_000n, 1050],
		['KWD', 1050n, 1050],
		['BHD', 12_340n, 12_340],
		['IDR', 999_999_999_999n, 999_999_999_999],
		['USD', 99_999_999n, 99_999_999],
		['ISK', 999_999n, 99_999_900],
		['MGA', 9_999_999_900n, 99_999_999],
	])('%s %d is %d', (currency, minor, units) => {
		expect(refusalOf(money(minor, currency))).toBeUndefined();
		expect(toStripe(money(minor, currency))).toBe(units);
		expect(fromStripe(units, currency.toLowerCase())).toBe(minor);
	});

	it('comes back as it was, in every currency', () => {
		fc.assert(
			fc.property(fc.constantFrom(...taken), fc.bigInt({ min: 1n, max: 99_999_999_999n }), (currency, minor) => {
				fc.pre(refusalOf(money(minor, currency)) === undefined);
				const units = toStripe(money(minor, currency));
				expect(Number.isSafeInteger(units) && units > 0).toBe(true);
				expect(fromStripe(units, currency.toLowerCase())).toBe(minor);
			}),
		);
	});

	it('that is no whole number of ours is rounded up, so that money never looks like none', () => {
		expect(fromStripe(1, 'isk')).toBe(1n);
		expect(fromStripe(101, 'ugx')).toBe(2n);
		expect(fromStripe(0, 'isk')).toBe(0n);
		expect(fromStripe(5, 'xxx')).toBe(5n);
	});
});

describe('refused', () => {
	it.each(['IQD', 'LYD', 'CLF', 'UYW', 'UYI', 'IRR', 'CUP', 'XXX', 'usd', ''])('currency %s', (currency) => {
		expect(refusalOf(money(1_000n, currency))).toEqual({
			field: 'currency',
			message: expect.stringMatching(/^Is .*\.$/),
		});
	});

	it.each<[string, bigint, RegExp]>([
		['MGA', 1050n, /^Has decimals/],
		['KWD', 1051n, /^Has a third decimal/],
		['BHD', 1n, /third/],
		['JOD', 9n, /third/],
		['OMR', 12_345n, /third/],
		['TND', 11n, /third/],
		['USD', 100_000_000n, /^Must be at most 999999.99\.$/],
		['JPY', 100_000_000n, /^Must be at most 99999999\.$/],
		['KWD', 100_000_000n, /^Must be at most 99999.99\.$/],
		['IDR', 1_000_000_000_000n, /^Must be at most 9999999999.99\.$/],
		['ISK', 1_000_000n, /^Must be at most 999999\.$/],
		['MGA', 10_000_000_000n, /^Must be at most 99999999\.$/],
		['USD', 99_999_999_999_999n, /at most/],
	])('%s %d', (currency, minor, message) => {
		expect(refusalOf(money(minor, currency))).toEqual({ field: 'amount', message: expect.stringMatching(message) });
	});

	it('what is named as the most is taken', () => {
		for (const currency of taken) {
			const message = refusalOf(money(10n ** 15n, currency))?.message ?? '';
			const [, whole = '', decimals = ''] = /^Must be at most (\d+)(?:\.(\d+))?\.$/.exec(message) ?? [];
			const most = BigInt(whole + decimals.padEnd(minorUnits(currency) ?? 0, '0'));
			expect([currency, refusalOf(money(most, currency))]).toEqual([currency, undefined]);
		}
	});

	it('amounts are never sent', () => {
		expect(() => toStripe(money(1050n, 'MGA'))).toThrow(RangeError);
		expect(() => toStripe(money(100_000_000n, 'USD'))).toThrow(RangeError);
	});

	it('no currency that is usual', () => {
		for (const currency of 'USD EUR GBP JPY CHF AUD CAD SEK NOK DKK PLN INR BRL MXN SGD HKD'.split(' ')) {
			expect(taken).toContain(currency);
		}
	});
});

it('only these currencies have other decimals at Stripe than in ISO 4217', () => {
	const other = taken.filter((currency) => {
		const one = 10n ** BigInt(minorUnits(currency) ?? 0);
		return toStripe(money(one, currency)) !== Number(one);
	});
	expect(other).toEqual(['ISK', 'MGA', 'UGX']);
	const three = taken.filter((currency) => minorUnits(currency) === 3);
	expect(three).toEqual(['BHD', 'JOD', 'KWD', 'OMR', 'TND']);
});
