import { describe, expect, it } from '@jest/globals';
import fc from 'fast-check';
import { MINUTE, SECOND } from '../../../../domain/time.ts';
import { DueClock } from '../../../../mixins/brokers/rabbitmq/due-clock.ts';

/** The database's clock less the process's timer. */
const APART = 1_900_000_000_000;

describe('the moment at which messages are due', () => {
	it('is never before the database’s, and no later than the quickest way makes it', () => {
		const messages = fc.array(
			fc.record({ gap: fc.nat(5_000), rest: fc.nat(999), late: fc.nat(5_000) }), // how late it arrives
			{ minLength: 1, maxLength: 200 },
		);
		fc.assert(
			fc.property(messages, (arrivals) => {
				let now = 0;
				const clock = new DueClock(() => now);
				const ways: { at: number; late: number }[] = [];
				for (const { gap, rest, late } of arrivals) {
					now += gap;
					ways.push({ at: now, late });
					const deliverAt = APART + now + rest - late;
					const wait = clock.wait({ deliverAt, rest });
					const lateness = APART + now + wait - deliverAt;
					const quickest = Math.min(...ways.filter(({ at }) => now - at < 30 * SECOND).map((way) => way.late));
					expect(wait).toBeGreaterThanOrEqual(0);
					expect(wait).toBeLessThanOrEqual(rest);
					expect(lateness).toBeGreaterThanOrEqual(0);
					// What came after its moment cannot come in time any more.
					expect(lateness).toBeLessThanOrEqual(Math.max(quickest, late - rest));
				}
			}),
			{ numRuns: 300 },
		);
	});

	it('is not long believed once the database’s clock was set back, nor wrong by more than a second', () => {
		let now = 0;
		const clock = new DueClock(() => now);
		clock.wait({ deliverAt: APART + 500, rest: 500 });
		const setBack = APART - 10 * SECOND;
		now = SECOND;
		expect(clock.wait({ deliverAt: setBack + now + 1_100, rest: 1_100 })).toBe(100);
		now = 2 * MINUTE;
		expect(clock.wait({ deliverAt: setBack + now + 1_100, rest: 1_100 })).toBe(1_100);
	});
});
