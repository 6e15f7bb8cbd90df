import type { Duration } from '../../domain/time.ts';
import type { BrokerUrl } from '../settings/index.ts';
import type { Linkable } from './linkable.ts';
import { LONGEST_CONNECT } from './transporter-options.ts';

/**
 * The transporter that links the processes over the broker of `BROKER_URL`. It carries calls, never business events.
 * A connect that takes more than `longestConnect` is given up for the next; on Redis each step has a time-out of its own.
 */
export async function transporterOf(broker: BrokerUrl, longestConnect: Duration = LONGEST_CONNECT): Promise<Linkable> {
	switch (broker.kind) {
		case 'amqp': {
			const { AmqpTransporter } = await import('./rabbitmq/index.ts');
			return new AmqpTransporter(broker.url, longestConnect);
		}
		case 'redis': {
			const { RedisTransporter } = await import('./redis/index.ts');
			return new RedisTransporter(broker.url);
		}
		case 'kafka': {
			const { KafkaTransporter } = await import('./kafka/index.ts');
			return new KafkaTransporter(broker, longestConnect);
		}
	}
}
