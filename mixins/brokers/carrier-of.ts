import type { Clock, Database } from '../database/index.ts';
import type { Log } from '../runtime/index.ts';
import type { BrokerUrl } from '../settings/index.ts';
import type { Carrier, Topology } from './carrier.ts';
import { PostgresCarrier } from './postgres/index.ts';

/** What the process asks a carrier beside carrying messages; both are optional. */
export interface ProcessCarrier extends Carrier {
	/** what is wrong, as one sentence; undefined if nothing does */
	readonly waitsFor?: string | undefined;
	/** rejects with one sentence if the broker is one that messages must not be trusted to */
	readonly trusted?: Promise<void>;
}

export interface CarrierPlace {
	/** none: PostgreSQL carries */
	readonly broker: BrokerUrl | undefined;
	readonly database: Database;
	/** the database's, carried on by this process */
	readonly clock: Clock;
	/** the prefix of all names that the carrier uses on a broker */
	readonly prefix: string;
}

/** The carrier that `BROKER_URL` chooses. Only its client library is loaded, because loading takes time. */
export async function carrierOf(
	{ broker, database, clock, prefix }: CarrierPlace,
	topology: Topology,
	log: Log,
): Promise<ProcessCarrier> {
	switch (broker?.kind) {
		case undefined:
			return new PostgresCarrier(database, topology, log);
		case 'redis': {
			const { RedisCarrier } = await import('./redis/index.ts');
			return new RedisCarrier(broker, topology, log, { prefix, clock });
		}
		case 'amqp': {
			const { RabbitMqCarrier } = await import('./rabbitmq/index.ts');
			return new RabbitMqCarrier(broker.url, topology, log, { prefix, clock });
		}
		case 'kafka': {
			const { KafkaCarrier } = await import('./kafka/index.ts');
			return new KafkaCarrier(broker, topology, log, { prefix, clock });
		}
	}
}
