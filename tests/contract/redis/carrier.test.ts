import { redis } from '../../../bin/brokers/redis.ts';
import { describeBroker } from '../../support/brokers.ts';
import { carrierSuite } from '../carrier-suite.ts';
import { redisHarness } from './harness.ts';

await describeBroker(redis, 'Redis', () => carrierSuite('Redis', redisHarness()));
