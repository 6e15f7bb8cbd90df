import { stripeHarness } from './stripe.harness.ts';
import { providerSuite } from './suite.ts';

providerSuite('Stripe, on the stand-in', stripeHarness());
