import { carrierSuite } from '../carrier-suite.ts';
import { postgresHarness } from './harness.ts';

carrierSuite('PostgreSQL', postgresHarness());
