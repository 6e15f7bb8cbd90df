import { sandboxHarness } from './sandbox.harness.ts';
import { providerSuite } from './suite.ts';

providerSuite('sandbox', sandboxHarness());
