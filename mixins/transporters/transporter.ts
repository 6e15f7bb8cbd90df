import type { BrokerUrl } from '../brokers/broker-url.ts';
import { AmqpTransporter } from './amqp.ts';
import { KafkaTransporter } from './kafka.ts';
import type { Linkable } from './linkable.ts';
import { RedisTransporter } from './redis.ts';

/** The transporter that links the processes over the broker of `BROKER_URL`. It carries calls, never business events. */
export function transporterOf(broker: BrokerUrl): Linkable {
	switch (broker.kind) {
		case 'amqp':
			return new AmqpTransporter(broker.url);
		case 'redis':
			return new RedisTransporter(broker.url);
		case 'kafka':
			return new KafkaTransporter(broker);
	}
}
