import { redis } from '../../../bin/brokers/redis.ts';
import { clusterChaosTest } from '../../support/cluster-chaos-test.ts';

await clusterChaosTest(redis);
