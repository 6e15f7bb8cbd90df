import { describe, expect, it } from '@jest/globals';
import fc from 'fast-check';
import { DAY, type Duration, HOUR, MINUTE, SECOND } from '../../../../domain/time.ts';
import { HOLDS, holdFor, LAST_WAIT, nextStep } from '../../../../mixins/brokers/kafka/delay-ladder.ts';

const delays = fc.oneof(
	fc.integer({ min: 0, max: 30 * SECOND }),
	fc.integer({ min: 0, max: HOUR }),
	fc.integer({ min: 0, max: 8 * DAY }),
);

/** The holds that a message goes through which is to wait so long, if nothing is ever late. */
function holdsOf(delay: Duration): readonly Duration[] {
	const hold = holdFor(delay);
	return nextStep(hold, delay - hold) === 'move' ? [hold, ...holdsOf(delay - hold)] : [hold];
}

describe('the ladder', () => {
	it.each<[name: string, delay: Duration, holds: readonly Duration[]]>([
		['1 s', SECOND, [0]],
		['3.7 s', 3_700, [0]],
		['10 s', 10 * SECOND, [5 * SECOND]],
		['90 s', 90 * SECOND, [55 * SECOND, 25 * SECOND, 5 * SECOND]],
		['10 min', 10 * MINUTE, [595 * SECOND]],
		['10 min, and the relay was 4.9 s late', 10 * MINUTE - 4_900, [595 * SECOND]],
		['24 h', DAY, [DAY - 5 * SECOND]],
		['7 d', 7 * DAY, [7 * DAY - 5 * SECOND]],
	])('takes the fewest rungs for a usual delay: %s', (_, delay, holds) => {
		expect(holdsOf(delay)).toEqual(holds);
	});

	it('puts a message on the highest rung that is not too high', () => {
		fc.assert(
			fc.property(delays, (delay) => {
				const hold = holdFor(delay);
				expect(hold).toBeLessThanOrEqual(delay);
				for (const other of HOLDS) if (other > hold) expect(other).toBeGreaterThan(delay);
			}),
		);
	});

	it('lets no message of a rung wait for long in memory, whenever it is due', () => {
		fc.assert(
			fc.property(fc.constantFrom(...HOLDS.slice(1)), fc.nat(20 * MINUTE), (hold, left) => {
				const step = nextStep(hold, left);
				if (step === 'wait') expect(left).toBeLessThanOrEqual(LAST_WAIT);
				expect(step === 'deliver').toBe(left === 0);
			}),
		);
	});

	it('delivers to the millisecond, however late each rung was, and never before', () => {
		const lateness = fc.infiniteStream(fc.nat(3 * SECOND));
		fc.assert(
			fc.property(delays, lateness, (delay, late) => {
				for (let now = 0, hops = 0; ; hops += 1) {
					expect(hops).toBeLessThan(60);
					const hold = holdFor(Math.max(0, delay - now));
					now += hold + (late.next().value ?? 0); // it is released
					const step = nextStep(hold, delay - now);
					expect(step === 'deliver').toBe(now >= delay);
					if (step !== 'move') return;
				}
			}),
		);
	});

	it('never moves a message from the lowest rung to itself', () => {
		fc.assert(fc.property(delays, (delay) => expect(nextStep(0, delay)).not.toBe('move')));
	});
});
