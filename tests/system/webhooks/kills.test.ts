import { webhookChaosTest } from '../../support/webhook-chaos-test.ts';

webhookChaosTest(undefined);
