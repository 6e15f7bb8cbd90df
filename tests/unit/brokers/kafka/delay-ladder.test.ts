import { describe, expect, it } from '@jest/globals';
import fc from 'fast-check';
import { DAY, type Duration, HOUR, MINUTE, SECOND } from '../../../../domain/time.ts';
import { HOLDS, holdFor, holdsOf, LAST_WAIT, nextStep } from '../../../../mixins/brokers/kafka/delay-ladder.ts';

const delays = fc.oneof(
	fc.integer({ min: 0, max: 30 * SECOND }),
	fc.integer({ min: 0, max: HOUR }),
	fc.integer({ min: 0, max: 8 * DAY }),
);

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

	it('lets the messages of a rung go in the order in which they came, whenever they are due', () => {
		const appends = fc.array(fc.record({ after: fc.nat(2_000), extra: fc.nat(20 * MINUTE) }), { minLength: 2 });
		fc.assert(
			fc.property(fc.constantFrom(...HOLDS.slice(1)), appends, (hold, messages) => {
				let appended = 0;
				let before = 0;
				for (const { after, extra } of messages) {
					appended += after;
					const { at } = nextStep(hold, appended, appended + hold + extra);
					const letGo = appended + hold;
					// What is delivered from here waits its last seconds in memory, and holds up nobody.
					expect(at - letGo).toBeLessThanOrEqual(LAST_WAIT);
					expect(letGo).toBeGreaterThanOrEqual(before);
					before = letGo;
				}
			}),
		);
	});

	it('delivers to the millisecond, however late each rung was, and never before', () => {
		const lateness = fc.infiniteStream(fc.nat(3 * SECOND));
		fc.assert(
			fc.property(delays, lateness, (delay, late) => {
				let appended = 0;
				for (let hops = 0; ; hops += 1) {
					expect(hops).toBeLessThan(60);
					const hold = holdFor(Math.max(0, delay - appended));
					const { what, at } = nextStep(hold, appended, delay);
					if (what === 'deliver') {
						expect(at).toBe(Math.max(delay, appended));
						// Only what was late on its way is late at the end.
						if (appended <= delay) expect(at).toBe(delay);
						return;
					}
					expect(at).toBeLessThan(delay);
					appended = at + (late.next().value ?? 0);
				}
			}),
		);
	});

	it('never moves a message from the lowest rung to itself', () => {
		fc.assert(
			fc.property(delays, (delay) => {
				expect(nextStep(0, 1_000, 1_000 + delay)).toEqual({ what: 'deliver', at: 1_000 + delay });
			}),
		);
	});
});
