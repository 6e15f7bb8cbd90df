import { kafka } from '../../../bin/brokers/kafka.ts';
import { describeBroker } from '../../support/brokers.ts';
import { webhookChaosTest } from '../../support/webhook-chaos-test.ts';

await describeBroker(kafka, `webhooks on ${kafka.scheme}`, () => webhookChaosTest(kafka));
