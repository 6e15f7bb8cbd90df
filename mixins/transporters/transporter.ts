import type { BrokerUrl } from '../brokers/broker-url.ts';
import type { Linkable } from './linkable.ts';

/** The transporter that links the processes over the broker of `BROKER_URL`. It carries calls, never business events. */
export async function transporterOf(broker: BrokerUrl): Promise<Linkable> {
	switch (broker.kind) {
		case 'amqp': {
			const { AmqpTransporter } = await import('./amqp.ts');
			return new AmqpTransporter(broker.url);
		}
		case 'redis': {
			const { RedisTransporter } = await import('./redis.ts');
			return new RedisTransporter(broker.url);
		}
		case 'kafka': {
			const { KafkaTransporter } = await import('./kafka.ts');
			return new KafkaTransporter(broker);
		}
	}
}
