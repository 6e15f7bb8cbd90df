import { afterAll, afterEach, beforeAll, beforeEach, describe, jest } from '@jest/globals';
import { PATIENCE } from '../support/until.ts';
import { Bench, type Part } from './carrier-bench.ts';
import type { BrokerHarness } from './carrier-harness.ts';
import { consumingSuite } from './suite/consuming.ts';
import { delaySuite } from './suite/delays.ts';
import { failureSuite } from './suite/failures.ts';
import { faultSuite } from './suite/faults.ts';
import { publishingSuite } from './suite/publishing.ts';

/** The contract of `Carrier` that every carrier must keep, tried on a real broker. */
export function carrierSuite(name: string, harness: BrokerHarness): void {
	jest.setTimeout(3 * PATIENCE);
	describe(`the ${name} carrier`, () => {
		let current: Bench | undefined;
		const bench = (): Bench => {
			if (current === undefined) throw new Error('no test is running');
			return current;
		};

		beforeAll(() => harness.start());
		afterAll(() => harness.stop());
		beforeEach(async () => {
			current = await Bench.open(harness);
		});
		afterEach(() => current?.close());

		const part: Part = { harness, bench };
		describe('publishing', () => publishingSuite(part));
		describe('consuming', () => consumingSuite(part));
		describe('what fails', () => failureSuite(part));
		describe('delays', () => delaySuite(part));
		describe('broken brokers', () => faultSuite(part));
	});
}
