import { kafka } from '../../../bin/brokers/kafka.ts';
import { describeBroker } from '../../support/brokers.ts';
import { carrierSuite } from '../carrier-suite.ts';
import { kafkaHarness } from './harness.ts';

await describeBroker(kafka, 'Kafka', () => carrierSuite('Kafka', kafkaHarness()));
