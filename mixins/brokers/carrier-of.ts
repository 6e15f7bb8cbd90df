import type { Database } from '../database/database.ts';
import type { Log } from '../loop.ts';
import type { BrokerUrl } from './broker-url.ts';
import type { Carrier, Topology } from './carrier.ts';
import { PostgresCarrier } from './postgres.ts';

export interface CarrierPlace {
	/** none: PostgreSQL carries */
	readonly broker: BrokerUrl | undefined;
	readonly database: Database;
	/** what everything that the carrier keeps on a broker begins with */
	readonly prefix: string;
}

/** The carrier that `BROKER_URL` chooses. */
export function carrierOf({ broker, database }: CarrierPlace, topology: Topology, log: Log): Carrier {
	switch (broker?.kind) {
		default:
			return new PostgresCarrier(database, topology, log);
	}
}
