import { EventEmitter } from 'node:events';
import { type BrokerOptions, type LoggerConfig, ServiceBroker, type ServiceSchema } from 'moleculer';
import { type Duration, SECOND } from './domain/time.ts';
import { type Carrier, carrierOf, HEARTBEAT, REQUEST_TIMEOUT, transporterOf } from './mixins/brokers/index.ts';
import {
	CALL_POLICIES,
	type NodePlace,
	NodeSlot,
	nodeNameOf,
	OnceInTime,
	OneDatabase,
	TransporterLink,
	UnixSocketHub,
} from './mixins/cluster/index.ts';
import { startEmbeddedPostgres } from './mixins/database/embedded/index.ts';
import {
	type Clock,
	Database,
	DatabaseClock,
	DatabaseReadiness,
	meterConnections,
	SchemaGate,
} from './mixins/database/index.ts';
import { defineModels, type Models } from './mixins/database/reading/index.ts';
import { DeadLetters } from './mixins/inbox/index.ts';
import {
	ALIVE,
	Health,
	Metrics,
	meteredActions,
	type ProbeRoute,
	ProbeServer,
	type Readiness,
	readinessAnswer,
} from './mixins/observability/index.ts';
import type { Platform, Signals } from './mixins/platform.ts';
import { SandboxProvider, StandInParcels } from './mixins/providers/index.ts';
import { abortable, type Log, throttle } from './mixins/runtime/index.ts';
import {
	type BrokerUrl,
	type DatabaseAddress,
	SERVICE_NAMES,
	type ServiceName,
	type Settings,
} from './mixins/settings/index.ts';
import { SchemaValidator } from './mixins/validation/index.ts';
import { Admission } from './services/gateway/admission/admission.ts';
import { listenWhenReady } from './services/gateway/opening.ts';
import { gatewayOf, gatewayService } from './services/gateway.service.ts';
import { ordersService } from './services/orders.service.ts';
import { outboxRelayService } from './services/outbox-relay.service.ts';
import { settlementService } from './services/settlement.service.ts';
import { shippingService } from './services/shipping.service.ts';
import { TOPOLOGY } from './services/topology.ts';

/** However many transactions a second store messages, relays in other processes are woken at most this often. */
const WAKE_RELAYS_EVERY: Duration = 20;

const LONGEST_WORK: Duration = 4 * SECOND;

/** What Moleculer leaves unsafe or open by default, set. */
export function brokerOptions(settings: Settings): BrokerOptions {
	return {
		nodeID: 'protected-payment',
		logger: loggerOf(settings),
		// A call without a limit would wait for ever. Longer than the 5 s that a request waits for its Idempotency-Key.
		requestTimeout: REQUEST_TIMEOUT,
		...CALL_POLICIES,
		// Without it a stop drops the calls in hand.
		tracking: { enabled: true, shutdownTimeout: 5 * SECOND },
		dependencyTimeout: 30 * SECOND,
		validator: new SchemaValidator(),
		metrics: false,
		tracing: false,
		// The process's end is bin/start.ts's business.
		skipProcessEventRegistration: true,
	};
}

/** The same for one of several nodes. */
const nodeOptions = (settings: Settings, place: NodePlace): BrokerOptions => ({
	...brokerOptions(settings),
	...HEARTBEAT,
	...place,
	// The others have to hear that a node goes before it refuses their calls.
	registry: { stopDelay: SECOND / 2 },
});

/** Where there is a broker the link tells of its troubles; the framework would do it with each call. */
function loggerOf({ logLevel, broker }: Settings): LoggerConfig {
	const verbose = logLevel === 'debug' || logLevel === 'trace';
	const framework = verbose ? logLevel : 'warn';
	const calls = verbose ? logLevel : broker === undefined ? 'warn' : 'error';
	const transport = verbose ? logLevel : broker === undefined ? 'warn' : 'fatal';
	const modules = { BROKER: calls, REGISTRY: framework, DISCOVERY: framework, TRANSIT: transport, $NODE: framework };
	const level = { ...modules, TRANSPORTER: transport, '**': logLevel };
	return { type: 'Console', options: { formatter: 'short', level } };
}

/** Everything that one process runs. */
export interface Application {
	readonly broker: ServiceBroker;
	readonly platform: Platform;
	/** where the gateway listens; undefined before it does, and in a process without it */
	readonly url: string | undefined;
	/** resolves when the database can be used and the gateway listens; rejects, with nothing left running, if it cannot */
	readonly ready: Promise<void>;
	/** not ready from now on, though it serves on: for balancers */
	leave(): void;
	/** ends the work in hand, then everything else; resolves when nothing is left */
	stop(): Promise<void>;
}

export interface StartOptions {
	/** ends a start that waits for the database or the broker; it rejects then, and leaves nothing running */
	readonly signal?: AbortSignal;
	/** called with one line when this process has lost what it cannot do without; it has to end at once */
	readonly onLost?: (why: string) => void;
	/** called with the URL of `METRICS_PORT` as soon as it answers */
	readonly onProbe?: (url: string) => void;
}

/** What the parts of a start have in common. */
interface Start {
	readonly settings: Settings;
	readonly health: Health;
	readonly metrics: Metrics;
	readonly log: (name: string) => Log;
	/** what was made so far, to be ended in reverse order */
	readonly made: AsyncDisposableStack;
	readonly signal: AbortSignal | undefined;
	readonly onLost: (why: string) => void;
}

/** A service broker that is not started yet. */
interface Node {
	readonly broker: ServiceBroker;
	/** begins the name of all that the carrier keeps on a broker */
	readonly prefix: string;
	start(): Promise<void>;
}

/**
 * The composition root: makes every part and starts the services that the settings name. Without a broker it resolves
 * before the database can be used; with one, when the node has its slot and messages pass.
 */
export async function startApplication(settings: Settings, options: StartOptions = {}): Promise<Application> {
	const { signal, onLost = () => {}, onProbe = () => {} } = options;
	const runsAll = settings.services.length === SERVICE_NAMES.length;
	const log = logsOf(settings);
	const health = new Health({ goesOnWithoutBroker: runsAll, log: log('health') });
	const made = new AsyncDisposableStack();
	const metrics = new Metrics(log('metrics'));
	const start: Start = { settings, health, metrics, log, made, signal, onLost };
	let phase: 'starting' | 'stopping' | undefined = 'starting';
	health.register('process', () => phase);
	const closing = new AbortController();
	const stop = async (): Promise<void> => {
		phase = 'stopping';
		closing.abort();
		await made.disposeAsync();
	};

	try {
		if (settings.metricsPort !== undefined) onProbe(await openProbes(start, settings.metricsPort));
		const address = await connect(start);
		const database = new Database(address, log('database'));
		made.defer(() => database.close());
		const clock = new DatabaseClock(database, log('database'));
		made.defer(() => clock.stop());
		clock.start();
		meterConnections(metrics, database);
		const models = defineModels(address);
		made.defer(() => models.close());
		closing.signal.addEventListener('abort', () => cutOffLater(database, models));
		const reads = settings.services.includes('orders');
		const dbReadiness = new DatabaseReadiness(database, reads ? models.sequelize : undefined);
		const { migrate: migrates } = settings;
		const gate = new SchemaGate({ address, database, readiness: dbReadiness, migrates, log: log('database') });
		made.defer(() => gate.stop());
		health.register('database', () => gate.waitsFor ?? dbReadiness.check());
		gate.start();

		const node =
			settings.broker === undefined ? alone(start) : await amongOthers(start, settings.broker, address, gate);
		const { broker } = node;
		broker.middlewares.add(meteredActions(metrics));
		const place = { broker: settings.broker, database, clock, prefix: node.prefix };
		const carrier = await carrierOf(place, TOPOLOGY, log('carrier'));
		made.defer(() => carrier.close());
		health.register('carrier', () => carrier.waitsFor, 'broker');
		const platform = platformOf(start, { database, clock, carrier });
		made.defer(() => broker.stop());
		for (const name of settings.services) broker.createService(schemaOf(name, platform, models));
		if (settings.broker !== undefined && !settings.services.includes('outbox-relay')) wakeRelays(broker, platform);
		if (settings.services.includes('gateway')) {
			health.register('orders', () =>
				serves(broker, 'orders.create') ? undefined : 'the orders service is not there',
			);
		}
		await Promise.all([node.start(), abortable(carrier.trusted ?? Promise.resolve(), signal)]);
		phase = undefined;
		const opened = abortable(gate.opened, closing.signal);
		const look = (): Promise<Readiness> => health.readiness();
		const gateway = gatewayOf(broker);
		const opening =
			gateway === undefined
				? opened
				: listenWhenReady(gateway, { opened, look, log: log('gateway'), signal: closing.signal });
		const ready = opening.catch(async (error) => {
			await stop();
			throw error;
		});
		const leave = (): void => {
			phase = 'stopping';
			gatewayOf(broker)?.server.leave();
		};
		ready.catch(() => {}); // whoever stops it before may not be interested
		return {
			...{ broker, platform, ready, leave, stop },
			get url() {
				return urlOf(broker, settings);
			},
		};
	} catch (error) {
		await stop();
		throw error;
	}
}

/** Work that has had no answer for so long, since the stop began, has a dead line: it would hold the stop up. */
function cutOffLater(...lines: readonly { cutOff(): void }[]): void {
	setTimeout(() => {
		for (const line of lines) line.cutOff();
	}, LONGEST_WORK).unref();
}

/** A process on its own; REPLs of the same user join it through a socket. */
function alone({ settings, log }: Start): Node {
	const hub = new UnixSocketHub(settings.dataDir);
	const broker = new ServiceBroker({
		...brokerOptions(settings),
		transporter: hub,
		middlewares: [new OnceInTime().middleware],
	});
	const start = async (): Promise<void> => {
		await broker.start();
		await hub.open().catch((error: Error) => log('repl').warn(`npm run repl cannot join: ${error.message}`));
	};
	return { broker, prefix: '', start };
}

/** One of several processes, which find each other over the broker. Waits for the database and for a free slot. */
async function amongOthers(start: Start, url: BrokerUrl, address: DatabaseAddress, gate: SchemaGate): Promise<Node> {
	const { settings, health, log, made, signal, onLost } = start;
	const transporter = await transporterOf(url);
	const link = new TransporterLink(transporter, log('link'));
	health.register('transporter', () => link.trouble, 'broker');
	const name = nodeNameOf(settings.services);
	const slot = new NodeSlot({ connection: address, name, log: log('slot'), onLost });
	made.defer(() => slot.stop());
	health.register('slot', () => slot.trouble);
	const database = new OneDatabase({ server: () => slot.server, log: log('slot'), onUnwelcome: onLost });
	health.register('installation', () => database.trouble);
	await abortable(gate.opened, signal);
	slot.start();
	const place = await abortable(slot.taken, signal);
	const broker = new ServiceBroker({
		...nodeOptions(settings, place),
		transporter,
		middlewares: [new OnceInTime().middleware, link.middleware, database.middleware],
	});
	return { broker, prefix: place.namespace, start: () => abortable(broker.start(), signal) };
}

async function openProbes({ settings, health, metrics, log, made }: Start, port: number): Promise<string> {
	const routes = new Map<string, ProbeRoute>([
		['/health/live', () => ALIVE],
		['/health/ready', async () => readinessAnswer(await health.readiness())],
		['/metrics', () => metrics.expose()],
	]);
	const probes = new ProbeServer(routes, log('probes'));
	made.defer(() => probes.close());
	return probes.listen(settings.http.host, port);
}

async function connect({ settings, log, made, signal, onLost }: Start): Promise<DatabaseAddress> {
	const { database, dataDir } = settings;
	if (database.kind === 'url') return database.address;
	const postgres = await startEmbeddedPostgres({
		dataDir,
		...(signal === undefined ? {} : { signal }),
		log: log('postgres'),
		onLost: () => onLost(`another process has taken ${dataDir}`),
	});
	made.defer(() => postgres.stop());
	return postgres.connection;
}

/** Log lines have to be written before the service broker can be made: one that is never started writes them. */
export function logsOf(settings: Settings): (name: string) => Log {
	const options = { logger: loggerOf(settings), internalServices: false, skipProcessEventRegistration: true };
	const broker = new ServiceBroker(options);
	return (name) => broker.getLogger(name);
}

/** Lets relays in other processes know; for speed only. */
function wakeRelays(broker: ServiceBroker, { signals }: Platform): void {
	const wake = throttle(WAKE_RELAYS_EVERY, () => {
		broker.broadcast('outbox.stored', null, { groups: ['outbox-relay'] }).catch(() => {}); // they look by themselves too
	});
	signals.on('outbox.stored', wake);
}

const serves = (broker: ServiceBroker, action: string): boolean =>
	broker.registry.getActionEndpoints(action)?.hasAvailable() === true;

function platformOf(
	{ settings, health, log, metrics }: Start,
	{ database, clock, carrier }: { readonly database: Database; readonly clock: Clock; readonly carrier: Carrier },
): Platform {
	const signals = new EventEmitter<Signals>();
	return {
		settings,
		database,
		clock,
		log,
		carrier,
		deadLetters: new DeadLetters(database, log('inbox'), (group) => metrics.setAside(group)),
		health,
		signals,
		metrics,
		stored: (raised) => {
			metrics.raised(raised);
			signals.emit(
				'outbox.stored',
				raised.map(({ orderId }) => orderId),
			);
		},
		provider: new SandboxProvider(database, settings.sandboxLatency),
		parcels: new StandInParcels(database),
	};
}

function schemaOf(name: ServiceName, platform: Platform, models: Models): ServiceSchema {
	switch (name) {
		case 'gateway':
			return gatewayService({
				...platform.settings.http,
				opensLater: true,
				admission: openAdmission(platform),
				metrics: platform.metrics,
				health: () => platform.health.readiness(),
				documents: { auth: platform.settings.access.auth.kind === 'jwt' },
			});
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

function openAdmission({ settings, database, health, log }: Platform): Admission {
	const admission = new Admission(settings.access, database, log('gateway'));
	health.register('tokens', () => admission.waitsFor);
	return admission;
}

function urlOf(broker: ServiceBroker, { http }: Settings): string | undefined {
	const gateway = gatewayOf(broker);
	if (!gateway?.server.listening) return undefined;
	const host = http.host.includes(':') ? `[${http.host}]` : http.host;
	return `http://${host}:${gateway.address().port}`;
}
