import type { EventEmitter } from 'node:events';
import type { ParcelService, PaymentProvider } from '../domain/ports.ts';
import type { Carrier } from './brokers/index.ts';
import type { Clock, Database } from './database/index.ts';
import type { DeadLetters } from './inbox/index.ts';
import type { Health, Metrics } from './observability/index.ts';
import type { OnStored } from './outbox/index.ts';
import type { Log } from './runtime/index.ts';
import type { Settings } from './settings/index.ts';

/** Said within the process; for speed only, a slow poll stands beside each. */
export interface Signals {
	/** a committed transaction has left something of these orders in the outbox */
	'outbox.stored': [orderIds: readonly string[]];
}

/** What the composition root gives to the services. */
export interface Platform {
	readonly settings: Settings;
	readonly database: Database;
	readonly clock: Clock;
	readonly carrier: Carrier;
	readonly deadLetters: DeadLetters;
	readonly health: Health;
	readonly signals: EventEmitter<Signals>;
	readonly metrics: Metrics;
	/** to be told what a committed transaction has raised */
	readonly stored: OnStored;
	readonly provider: PaymentProvider;
	readonly parcels: ParcelService;
	readonly log: (name: string) => Log;
}
