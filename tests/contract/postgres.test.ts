import { carrierSuite } from './carrier-suite.ts';
import { postgresHarness } from './postgres-harness.ts';

carrierSuite('PostgreSQL', postgresHarness());
