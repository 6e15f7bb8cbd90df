import { rabbitmq } from '../../../bin/brokers/rabbitmq.ts';
import { describeBroker } from '../../support/brokers.ts';
import { carrierSuite } from '../carrier-suite.ts';
import { rabbitMqHarness } from './harness.ts';

await describeBroker(rabbitmq, 'RabbitMQ', () => carrierSuite('RabbitMQ', rabbitMqHarness()));
