import { redis } from '../../../bin/brokers/redis.ts';
import { describeBroker } from '../../support/brokers.ts';
import { webhookChaosTest } from '../../support/webhook-chaos-test.ts';

await describeBroker(redis, `webhooks on ${redis.scheme}`, () => webhookChaosTest(redis));
