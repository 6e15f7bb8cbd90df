import type { Clock, Database } from '../database/index.ts';
import type { Log } from '../runtime/index.ts';
import type { BrokerUrl } from '../settings/index.ts';
import type { Carrier, Topology } from './carrier.ts';
import { PostgresCarrier } from './postgres/index.ts';

/** What the process asks of a carrier beside its messages; a carrier without these has nothing to tell. */
export interface ProcessCarrier extends Carrier {
	/** what keeps it from its work, as one sentence; undefined if nothing does */
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
	/** what everything that the carrier keeps on a broker begins with */
	readonly prefix: string;
}

/** The carrier that `BROKER_URL` chooses. Only its own client is loaded: each takes its time. */
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
