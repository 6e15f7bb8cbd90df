import { describe, expect, it } from '@jest/globals';
import fc from 'fast-check';
import { DAY, HOUR, MINUTE, SECOND } from '../../../domain/time.ts';
import { isGivenUp, nextAttempt, RETRY_DELAYS, saysGone } from '../../../domain/webhook.ts';

const NOW = 1_769_890_805_407;

describe('the schedule', () => {
	it.each([
		[1, 5 * SECOND],
		[2, 5 * MINUTE],
		[3, 30 * MINUTE],
		[4, 2 * HOUR],
		[5, 5 * HOUR],
		[6, 10 * HOUR],
		[7, 14 * HOUR],
		[8, 20 * HOUR],
		[9, 24 * HOUR],
	])('after failure %i comes the next attempt in %i ms, in the middle', (attempts, delay) => {
		expect(nextAttempt(attempts, NOW, 0.5)).toBe(NOW + delay);
	});

	it('ends with the tenth attempt', () => {
		expect(RETRY_DELAYS).toHaveLength(9);
		expect(nextAttempt(10, NOW, 0.5)).toBeNull();
	});

	it('is longer or shorter by a tenth at most, in whole milliseconds', () => {
		fc.assert(
			fc.property(fc.integer({ min: 1, max: 9 }), fc.double({ min: 0, max: 1, noNaN: true }), (attempts, random) => {
				const delay = RETRY_DELAYS[attempts - 1] ?? Number.NaN;
				const next = nextAttempt(attempts, NOW, random) ?? Number.NaN;
				return Number.isInteger(next) && Math.abs(next - NOW - delay) <= delay / 10;
			}),
		);
		expect([nextAttempt(1, NOW, 0), nextAttempt(1, NOW, 1)]).toEqual([NOW + 4_500, NOW + 5_500]);
	});
});

it('an endpoint is given up after five days of failures', () => {
	expect([isGivenUp(NOW, NOW + 5 * DAY - 1), isGivenUp(NOW, NOW + 5 * DAY)]).toEqual([false, true]);
});

it('410 alone says that an endpoint is gone', () => {
	const said = (responseStatus: number | null) => saysGone({ kind: 'refused', responseStatus, error: '' });
	expect([said(410), said(404), said(null)]).toEqual([true, false, false]);
});
