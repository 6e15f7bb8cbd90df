import { describe, expect, it } from '@jest/globals';
import fc from 'fast-check';
import { DAY, type Duration, HOUR, LONGEST_WINDOW, MINUTE, SECOND } from '../../../../domain/time.ts';
import {
	LEVELS,
	LONGEST_DELAY,
	lengthName,
	MARGIN,
	USUAL,
	wayThrough,
} from '../../../../mixins/brokers/rabbitmq/delay-ladder.ts';

const total = (lengths: readonly Duration[]): Duration => lengths.reduce((sum, length) => sum + length, 0);
const hops = (delay: Duration): Duration[] => {
	const { waits, usual } = wayThrough(delay);
	return usual === undefined ? waits.filter((wait) => wait > 0) : [usual];
};

describe('the ladder of delays', () => {
	it('holds a message exactly as long as it was asked to', () => {
		fc.assert(
			fc.property(fc.double({ min: 0, max: LONGEST_DELAY, noNaN: true, maxExcluded: true }), (delay) => {
				const { rest, waits, entry } = wayThrough(delay);
				expect(total(hops(delay)) + rest).toBeCloseTo(delay, 5);
				expect(rest).toBeGreaterThanOrEqual(0);
				expect(rest).toBeLessThan(SECOND + MARGIN);
				expect(rest).toBeGreaterThanOrEqual(Math.min(delay, MARGIN));
				for (const [index, wait] of waits.entries()) if (wait > 0) expect(LEVELS[index]).toContain(wait);
				expect(entry ?? -1).toBe(waits.findIndex((wait) => wait > 0));
			}),
			{ numRuns: 2_000 },
		);
	});

	it.each<[Duration, Duration[], Duration]>([
		[0, [], 0],
		[1, [], 1],
		[999.5, [], 999.5],
		[SECOND, [], SECOND],
		[1_200, [SECOND], 200],
		[3_700, [3 * SECOND], 700],
		[9_999, [9 * SECOND], 999],
		[59_990, [59 * SECOND], 990],
		[90 * SECOND, [MINUTE, 20 * SECOND, 9 * SECOND], SECOND],
		[599_950, [599 * SECOND], 950],
		[10 * MINUTE, [599 * SECOND], SECOND],
		[598_950, [9 * MINUTE, 50 * SECOND, 8 * SECOND], 950],
		[2 * HOUR, [2 * HOUR - SECOND], SECOND],
		[3 * HOUR + MARGIN, [2 * HOUR, HOUR], MARGIN],
		[DAY - 1, [DAY - SECOND], 999],
		[7 * DAY + MARGIN, [128 * HOUR, 32 * HOUR, 8 * HOUR], MARGIN],
	])('divides %d ms into %j and %d ms', (delay, expected, rest) => {
		expect(hops(delay)).toEqual(expected);
		expect(wayThrough(delay).rest).toBe(rest);
	});

	it('is passed in a few steps, in one for what is usual', () => {
		for (const window of [MINUTE, 10 * MINUTE, HOUR, DAY]) expect(hops(window - 30)).toHaveLength(1);
		for (const seconds of Array.from({ length: 3_600 }, (_, index) => index)) {
			expect(hops(seconds * SECOND + MARGIN).length).toBeLessThanOrEqual(4);
		}
	});

	it('is long enough for every window', () => {
		expect(LONGEST_DELAY).toBeGreaterThan(LONGEST_WINDOW);
		expect(total(hops(LONGEST_WINDOW + MARGIN))).toBe(LONGEST_WINDOW);
	});

	it('does not fail on a delay that is over', () => {
		expect(wayThrough(-5)).toMatchObject({ entry: undefined, usual: undefined, rest: 0 });
	});

	it('gives every length a name of its own', () => {
		const lengths = [...LEVELS.flat(), ...USUAL];
		expect(new Set(lengths.map(lengthName)).size).toBe(lengths.length);
		expect([0, SECOND, 50 * SECOND, 9 * MINUTE, HOUR, 599 * SECOND].map(lengthName)).toEqual([
			'0',
			'1s',
			'50s',
			'9m',
			'1h',
			'599s',
		]);
	});
});
