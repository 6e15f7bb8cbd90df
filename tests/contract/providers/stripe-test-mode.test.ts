import { describe, it } from '@jest/globals';
import { StripeProvider } from '../../../mixins/providers/stripe/index.ts';
import type { ProviderHarness } from './harness.ts';
import { IMPOSSIBLE, STRIPE_AMOUNTS, STRIPE_CARDS, stripeSettings } from './stripe.harness.ts';
import { providerSuite } from './suite.ts';

/** Stripe itself, with a test key of whoever runs this. It cannot be made to fail, nor to let money go early. */
const testMode = (apiKey: string): ProviderHarness => ({
	...{
		cards: STRIPE_CARDS,
		amounts: STRIPE_AMOUNTS,
		impossible: IMPOSSIBLE,
		secrets: [apiKey, 'pm_', '_secret_'],
		keptErrors: [],
	},
	start: async () => {},
	stop: async () => {},
	open: () => new StripeProvider(stripeSettings(apiKey, undefined, 5), 30_000),
});

const { STRIPE_TEST_KEY: key = '' } = process.env;
if (/^(?:sk|rk)_test_\w+$/.test(key)) providerSuite("Stripe's test mode", testMode(key));
else
	describe("the payment provider Stripe's test mode", () => {
		// Stripe's test mode needs an account: who has none, CI among them, tests on the stand-in, and the report names this one.
		it.skip('needs a test key of yours in STRIPE_TEST_KEY', () => {});
	});
