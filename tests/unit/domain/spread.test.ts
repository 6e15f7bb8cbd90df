import { describe, expect, it } from '@jest/globals';
import { failedAttempt } from '../../../domain/shipment.ts';
import { MINUTE, SECOND, spread } from '../../../domain/time.ts';
import { at, outcome, place, START, TERMS } from './order.fixtures.ts';

const CHANCES = [0, 0.25, 0.5, 0.999, 1];

describe('a wait that is spread', () => {
	it('ends in its second half, evenly by chance', () => {
		expect(CHANCES.map((chance) => spread(MINUTE, chance))).toEqual([30_000, 37_500, 45_000, 59_970, 60_000]);
		expect(CHANCES.map((chance) => spread(0, chance))).toEqual([0, 0, 0, 0, 0]);
	});
});

/** When the next attempt may begin after this outcome, for orders that met it together. */
function nextOf(kind: 'unknown' | 'actionRequired', chance: number): number {
	const order = place();
	let now = START;
	for (let attempts = 0; attempts < 5; attempts += 1) {
		const call = order.beginPayment({ ...at(now), random: () => chance }, TERMS);
		if (call === null) throw new Error('no call is made');
		order.applyPaymentOutcome(call, outcome(kind), { ...at(now), random: () => chance });
		now = order.payment.open?.attemptUntil ?? Number.NaN;
		expect(order.record.sweepAt).toBe(now);
	}
	return now - START;
}

describe('orders that have met the same trouble together', () => {
	it.each([
		['unknown', 31 * SECOND],
		['actionRequired', 62 * SECOND],
	] as const)('%s: are not asked for together again', (kind, whole) => {
		expect(CHANCES.map((chance) => nextOf(kind, chance))).toEqual(CHANCES.map((chance) => spread(whole, chance)));
	});

	it('hand their parcels over apart', () => {
		const shipment = { attemptUntil: START, attempts: 3 };
		const next = CHANCES.map((chance) => failedAttempt(shipment, 3, START, chance).attemptUntil - START);
		expect(next).toEqual(CHANCES.map((chance) => spread(4 * SECOND, chance)));
	});
});
