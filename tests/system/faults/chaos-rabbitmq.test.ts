import { rabbitmq } from '../../../bin/brokers/rabbitmq.ts';
import { clusterChaosTest } from '../../support/cluster-chaos-test.ts';

await clusterChaosTest(rabbitmq);
