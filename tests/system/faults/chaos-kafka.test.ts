import { kafka } from '../../../bin/brokers/kafka.ts';
import { clusterChaosTest } from '../../support/cluster-chaos-test.ts';

await clusterChaosTest(kafka);
