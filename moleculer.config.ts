import { EventEmitter } from 'node:events';
import { type BrokerOptions, ServiceBroker, type ServiceSchema } from 'moleculer';
import type { PoolConfig } from 'pg';
import { SECOND } from './domain/time.ts';
import { PostgresCarrier } from './mixins/brokers/postgres.ts';
import { Database } from './mixins/database/database.ts';
import { startEmbeddedPostgres } from './mixins/database/embedded-postgres.ts';
import { defineModels, type Models } from './mixins/database/models.ts';
import { SchemaGate } from './mixins/database/schema-gate.ts';
import { Health } from './mixins/health.ts';
import type { Log } from './mixins/loop.ts';
import { StandInParcels } from './mixins/parcels/stand-in.ts';
import { SandboxProvider } from './mixins/payments/sandbox.ts';
import type { Platform, Signals } from './mixins/platform.ts';
import type { ServiceName, Settings } from './mixins/settings.ts';
import { UnixSocketHub } from './mixins/unix-socket-transporter.ts';
import { boundAddress, gatewayService } from './services/gateway.service.ts';
import { ordersService } from './services/orders.service.ts';
import { outboxRelayService } from './services/outbox-relay.service.ts';
import { settlementService } from './services/settlement.service.ts';
import { shippingService } from './services/shipping.service.ts';
import { TOPOLOGY } from './services/topology.ts';

/** What Moleculer leaves unsafe or open by default, set. */
export function brokerOptions(settings: Settings): BrokerOptions {
	const level = settings.logLevel;
	const framework = level === 'debug' || level === 'trace' ? level : 'warn';
	return {
		nodeID: 'protected-payment',
		logger: {
			type: 'Console',
			options: {
				formatter: 'short',
				level: { BROKER: framework, REGISTRY: framework, TRANSIT: framework, $NODE: framework, '**': level },
			},
		},
		// A call without a limit would wait for ever. Longer than the 5 s that a request waits for its Idempotency-Key.
		requestTimeout: 10 * SECOND,
		// An action that moves money must never be carried out again by the framework.
		retryPolicy: { enabled: false },
		// Without it a stop drops the calls in hand.
		tracking: { enabled: true, shutdownTimeout: 5 * SECOND },
		dependencyTimeout: 30 * SECOND,
		validator: true,
		metrics: false,
		tracing: false,
		// The process's end is bin/start.ts's business.
		skipProcessEventRegistration: true,
	};
}

/** Everything that one process runs. */
export interface Application {
	readonly broker: ServiceBroker;
	readonly platform: Platform;
	/** where the gateway listens; undefined in a process without it */
	readonly url: string | undefined;
	/** resolves when the database can be used */
	readonly ready: Promise<void>;
	/** ends the work in hand, then everything else; resolves when nothing is left */
	stop(): Promise<void>;
}

/** The composition root: makes every part and starts the services that the settings name. */
export async function startApplication(settings: Settings, onLost: () => void = () => {}): Promise<Application> {
	const hub = new UnixSocketHub(settings.dataDir);
	const broker = new ServiceBroker({ ...brokerOptions(settings), transporter: hub });
	const log = (name: string): Log => broker.getLogger(name);
	const postgres =
		settings.database.kind === 'embedded'
			? await startEmbeddedPostgres({
					dataDir: settings.dataDir,
					log: (level, message) => log('postgres')[level](message),
					onLost,
				})
			: undefined;
	const connection: PoolConfig = postgres?.connection ?? connectionOf(settings);
	const database = new Database(connection, log('database'));
	const gate = new SchemaGate(connection, database, settings.migrate, log('database'));
	const models = defineModels(connection);
	const platform = platformOf(settings, database, log);
	platform.health.register('database', async () => gate.waitsFor ?? (await reasonOf(database.ping())));

	async function stop(): Promise<void> {
		await broker.stop();
		await gate.stop();
		await platform.carrier.close();
		await models.sequelize.close();
		await database.close();
		await postgres?.stop();
	}

	try {
		for (const name of settings.services) broker.createService(schemaOf(name, platform, models));
		gate.start();
		await broker.start();
		await hub.open().catch((error: Error) => log('repl').warn(`npm run repl cannot join: ${error.message}`));
	} catch (error) {
		await stop();
		throw error;
	}
	return { broker, platform, url: urlOf(broker, settings), ready: gate.opened, stop };
}

function platformOf(settings: Settings, database: Database, log: (name: string) => Log): Platform {
	return {
		settings,
		database,
		log,
		carrier: new PostgresCarrier(database, TOPOLOGY, log('carrier')),
		health: new Health(),
		signals: new EventEmitter<Signals>(),
		provider: new SandboxProvider(database, settings.sandboxLatency),
		parcels: new StandInParcels(database),
	};
}

function schemaOf(name: ServiceName, platform: Platform, models: Models): ServiceSchema {
	switch (name) {
		case 'gateway':
			return gatewayService({ ...platform.settings.http, health: () => healthOf(platform.health) });
		case 'orders':
			return ordersService(platform, models);
		case 'outbox-relay':
			return outboxRelayService(platform);
		case 'settlement':
			return settlementService(platform);
		case 'shipping':
			return shippingService(platform);
	}
}

async function healthOf(health: Health) {
	const failing = await health.failing();
	return { ready: failing.length === 0, failing, degraded: [] };
}

const connectionOf = ({ database }: Settings): PoolConfig =>
	database.kind === 'url' ? { connectionString: database.url } : {};

async function reasonOf(check: Promise<void>): Promise<string | undefined> {
	try {
		await check;
		return undefined;
	} catch {
		return 'the database does not answer';
	}
}

function urlOf(broker: ServiceBroker, { services, http }: Settings): string | undefined {
	if (!services.includes('gateway')) return undefined;
	const host = http.host.includes(':') ? `[${http.host}]` : http.host;
	return `http://${host}:${boundAddress(broker).port}`;
}
