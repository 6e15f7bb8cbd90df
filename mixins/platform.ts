/** What a process gives to its services, and how they find it. */
import type { EventEmitter } from 'node:events';
import type { Middleware, ServiceBroker } from 'moleculer';
import type { Raised } from '../domain/events.ts';
import type { ParcelService } from '../domain/ports.ts';
import type { PaymentProvider } from '../domain/provider.ts';
import type { Carrier, Groups } from './brokers/index.ts';
import type { Clock, Database, Reader } from './database/index.ts';
import type { Health, Metrics, StatusChange, Tracing } from './observability/index.ts';
import type { Log } from './runtime/index.ts';
import type { DatabaseAddress, Settings } from './settings/index.ts';

/** Signals within the process. They are for speed only; beside each there is a slow poll. */
export interface Signals {
	/** a committed transaction has stored messages of these orders in the outbox */
	'outbox.stored': [orderIds: readonly string[]];
	/** some of them are left to the relay */
	'outbox.unsent': [];
}

/** Something that opens to clients once the process has started, and closes first at a stop. */
export interface Entrance {
	/** resolves once it is open; `opened` resolves when the database can be used */
	open(opened: Promise<void>, signal: AbortSignal): Promise<void>;
	/** still serves, but sends clients elsewhere */
	leave(): void;
	/** undefined while it is closed */
	readonly url: string | undefined;
}

export interface Platform {
	readonly settings: Settings;
	readonly database: Database;
	/** the database's address, for connections of another kind */
	readonly address: DatabaseAddress;
	/** connections of another kind, which are checked and closed together with the pool's */
	readonly readers: Set<Reader>;
	readonly clock: Clock;
	/** which messages each consumer group takes; groups are declared in `created` */
	readonly groups: Groups;
	/** there from `started` on */
	readonly carrier: Carrier;
	readonly health: Health;
	readonly signals: EventEmitter<Signals>;
	readonly metrics: Metrics;
	readonly tracing: Tracing;
	/** where that goes which transactions raise */
	readonly outgoing: {
		/** called after its commit with what was raised, and with the orders that have changed their state */
		readonly stored: (raised: readonly Raised[], changes: readonly StatusChange[]) => void;
		/** called after a commit that has left messages to the relay */
		readonly unsent: () => void;
		/** that of the carrier, where it shares the database */
		readonly publishIn: Carrier['publishIn'] | undefined;
	};
	readonly provider: PaymentProvider;
	readonly parcels: ParcelService;
	readonly entrances: Set<Entrance>;
	readonly log: (name: string) => Log;
}

const platforms = new WeakMap<ServiceBroker, Platform>();

/** Gives a broker its platform, before its first service is made. Nothing of it is sent to other nodes. */
export const providePlatform = (platform: Platform): Middleware => ({
	name: 'Platform',
	created: (broker: ServiceBroker) => void platforms.set(broker, platform),
});

/** The platform of the broker that a service runs on. */
export function platformOf({ broker }: { readonly broker: ServiceBroker }): Platform {
	const platform = platforms.get(broker);
	if (platform === undefined) throw new Error('this broker has no platform: its options come from moleculer.config.ts');
	return platform;
}
