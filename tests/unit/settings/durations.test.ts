import { describe, expect, it } from '@jest/globals';
import fc from 'fast-check';
import { formatDuration, parseDuration } from '../../../mixins/settings/settings.ts';

describe('durations', () => {
	it.each<[string, number]>([
		['0ms', 0],
		['250ms', 250],
		['90s', 90_000],
		['10m', 600_000],
		['2h', 7_200_000],
		['1.5h', 5_400_000],
		['1.1s', 1100],
		['0.001s', 1],
		['0.5d', 43_200_000],
		['7d', 604_800_000],
		['010m', 600_000],
		['1.50s', 1500],
	])('%s is %d ms', (text, ms) => expect(parseDuration(text)).toBe(ms));

	it.each([
		...['', '10', 'm', '10 m', ' 10m', '10m ', '10m\n', '10M', '10min', '10mss', '1h30m', '-1s', '+1s', '.5h', '5.h'],
		...['1,5h', '1.5.5h', '1e3s', '0x1s', 'Infinitys', 'NaNs', '٣s', 'P1D', '0.5ms', '1.0005s', '9999999999999999d'],
		...['9007199254740992ms', `${'9'.repeat(100_000)}s`, `0.${'0'.repeat(100_000)}s`],
	])('%.30j is none', (text) => expect(parseDuration(text)).toBeUndefined());

	it.each<[number, string]>([
		[0, '0ms'],
		[1, '1ms'],
		[1500, '1500ms'],
		[90_000, '90s'],
		[600_000, '10m'],
		[5_400_000, '90m'],
		[86_400_000, '1d'],
		[604_800_000, '7d'],
	])('%d ms is written %s', (ms, text) => expect(formatDuration(ms)).toBe(text));

	it.each([-1, 0.5, Number.NaN, Number.POSITIVE_INFINITY])('%d ms is not written', (ms) =>
		expect(() => formatDuration(ms)).toThrow(RangeError),
	);

	it('is read as it was written', () => {
		fc.assert(fc.property(fc.maxSafeNat(), (ms) => expect(parseDuration(formatDuration(ms))).toBe(ms)));
	});
});
