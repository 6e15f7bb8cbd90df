import { rabbitmq } from '../../../bin/brokers/rabbitmq.ts';
import { describeBroker } from '../../support/brokers.ts';
import { webhookChaosTest } from '../../support/webhook-chaos-test.ts';

await describeBroker(rabbitmq, `webhooks on ${rabbitmq.scheme}`, () => webhookChaosTest(rabbitmq));
