import { afterAll, beforeAll, beforeEach, describe, jest } from '@jest/globals';
import type { PaymentProvider } from '../../../domain/provider.ts';
import { PATIENCE } from '../../support/until.ts';
import type { ProviderHarness } from './harness.ts';
import type { Part } from './purchase.ts';
import { abortingSuite } from './suite/aborting.ts';
import { askingSuite } from './suite/asking.ts';
import { buyerSuite } from './suite/buyer.ts';
import { movingSuite } from './suite/moving.ts';
import { refundSuite } from './suite/refunds.ts';

/** What `domain/provider.ts` promises, tried on a real provider, or on what stands in for one. */
export function providerSuite(name: string, harness: ProviderHarness): void {
	jest.setTimeout(3 * PATIENCE);
	describe(`the payment provider ${name}`, () => {
		let provider: PaymentProvider | undefined;
		beforeAll(() => harness.start());
		afterAll(() => harness.stop());
		beforeEach(() => {
			provider = harness.open();
		});

		const part: Part = {
			harness,
			provider: () => {
				if (provider === undefined) throw new Error('no test is running');
				return provider;
			},
		};
		describe('moving money', () => movingSuite(part));
		describe('refunds', () => refundSuite(part));
		describe('the buyer and the bank', () => buyerSuite(part));
		describe('asking', () => askingSuite(part));
		describe('ending a call', () => abortingSuite(part));
	});
}
