/** What one process has beside its services: database, message broker, providers, health, metrics, in the order of a start. */
import { EventEmitter } from 'node:events';
import type { Middleware, ServiceBroker } from 'moleculer';
import { type Duration, SECOND } from '../../domain/time.ts';
import { type Carrier, carrierOf, Groups, type ProcessCarrier, type Topology } from '../brokers/index.ts';
import { alone, amongOthers, type Node, type Surroundings } from '../cluster/index.ts';
import { startEmbeddedPostgres } from '../database/embedded/index.ts';
import {
	Database,
	DatabaseClock,
	DatabaseReadiness,
	meterConnections,
	type Reader,
	SchemaGate,
} from '../database/index.ts';
import { Health, logsOf, Metrics, openProbes, openTracing, orderLog } from '../observability/index.ts';
import { type Entrance, type Platform, providePlatform, type Signals } from '../platform.ts';
import { StandInParcels } from '../providers/index.ts';
import { abortable, throttle } from '../runtime/index.ts';
import { type DatabaseAddress, SERVICE_NAMES, type Settings } from '../settings/index.ts';
import { providerOf } from './provider-of.ts';

/** Relays in other processes are woken at most this often, however many transactions store messages. */
const WAKE_RELAYS_EVERY: Duration = 20;

/** Database work that has no answer this long after the stop began is cut: its connection may be dead. */
const LONGEST_WORK: Duration = 4 * SECOND;

export interface ProcessOptions {
	/** ends a start that waits for the database or the broker; it rejects then, and leaves nothing running */
	readonly signal?: AbortSignal;
	/** called with one line when the process has lost something that it needs; the process must end at once */
	readonly onLost?: (why: string) => void;
	/** called with the URL of `METRICS_PORT` as soon as it answers */
	readonly onProbe?: (url: string) => void;
}

/** Lives and ends with the broker that is made of it. */
export interface Process {
	readonly platform: Platform;
	readonly node: Node;
	/** to be the first of the broker's middlewares, and the last */
	readonly middlewares: { readonly first: readonly Middleware[]; readonly last: readonly Middleware[] };
	/** resolves when the database can be used and the entrances are open */
	readonly ready: Promise<void>;
	/** rejects if the message broker turns out to be one that messages must not be trusted to */
	readonly unfit: Promise<never>;
	/** what it is and where, as one line for the operator */
	readonly greeting: string;
	readonly isStopping: boolean;
	/** not ready from now on, but still serving, for balancers */
	leave(): void;
	/** stops the services, then everything else; resolves when nothing is left */
	stop(): Promise<void>;
}

const processes = new WeakMap<ServiceBroker, Process>();

/** The process that a broker runs in. */
export function processOf(broker: ServiceBroker): Process {
	const process = processes.get(broker);
	if (process === undefined) throw new Error('the options of this broker do not come from moleculer.config.ts');
	return process;
}

/**
 * Opens everything that is needed before there can be a service broker. Without a message broker it does not wait for the
 * database; with one, the process has its place among the nodes then.
 */
export async function openProcess(
	settings: Settings,
	topology: Topology,
	{ signal, onLost = () => {}, onProbe = () => {} }: ProcessOptions = {},
): Promise<Process> {
	const log = logsOf(settings);
	const health = new Health({
		goesOnWithoutBroker: settings.services.length === SERVICE_NAMES.length,
		log: log('health'),
	});
	const metrics = new Metrics(log('metrics'));
	const made = new AsyncDisposableStack();
	const start: Surroundings = { settings, health, log, made, signal, onLost };
	let phase: 'starting' | 'stopping' | undefined = 'starting';
	health.register('process', () => phase);
	const closing = new AbortController();
	const beginStop = (): void => {
		phase = 'stopping';
		closing.abort();
	};
	const close = async (): Promise<void> => {
		beginStop();
		await made.disposeAsync();
	};
	try {
		if (settings.metricsPort !== undefined) onProbe(await openProbes(start, metrics, settings.metricsPort));
		const tracing = await openTracing(settings, log('tracing'), metrics);
		made.defer(() => tracing.close());
		const openProvider = await providerOf(settings);
		const address = await connect(start);
		const database = new Database(address, log('database'));
		made.defer(() => database.close());
		const clock = new DatabaseClock(database, log('database'));
		made.defer(() => clock.stop());
		clock.start();
		meterConnections(metrics, database);
		const readers = new Set<Reader>();
		closing.signal.addEventListener('abort', () => cutOffLater(() => [database, ...readers]));
		const readiness = new DatabaseReadiness(database, readers);
		const gate = new SchemaGate({ address, database, readiness, migrates: settings.migrate, log: log('database') });
		made.defer(() => gate.stop());
		health.register('database', () => gate.waitsFor ?? readiness.check());
		gate.start();
		const place = { address, gate };
		const node = settings.broker === undefined ? alone(start) : await amongOthers(start, settings.broker, place);

		let carrier: ProcessCarrier | undefined;
		health.register('carrier', () => carrier?.waitsFor, 'broker');
		const ready = Promise.withResolvers<void>();
		ready.promise.catch(() => {}); // its rejection may have no listener
		const unfit = Promise.withResolvers<never>();
		unfit.promise.catch(() => {});
		const platform: Platform = {
			...{
				settings,
				database,
				clock,
				address,
				readers,
				health,
				metrics,
				tracing,
				log,
			},
			...signalling(metrics, orderLog(settings), () => carrier),
			...{ groups: new Groups(topology), entrances: new Set<Entrance>() },
			provider: openProvider(database),
			parcels: new StandInParcels(database),
			get carrier() {
				if (carrier === undefined) throw new Error('the message broker is there once services are started');
				return carrier;
			},
		};
		let broker: ServiceBroker | undefined;
		const stopping: Middleware = { name: 'ProcessStopping', stopping: async () => beginStop() };
		const lifetime: Middleware = {
			name: 'Process',
			created: (made: ServiceBroker) => {
				broker = made;
				processes.set(made, process);
			},
			starting: async (broker: ServiceBroker) => {
				const where = { broker: settings.broker, database, clock, prefix: node.prefix };
				carrier = await carrierOf(where, platform.groups.topology, log('carrier'));
				made.defer(() => carrier?.close());
				carrier.trusted?.catch(unfit.reject);
				if (settings.broker !== undefined) wakeRelays(broker, platform);
			},
			started: async () => {
				await abortable(carrier?.trusted ?? Promise.resolve(), signal);
				phase = undefined;
				const opened = abortable(gate.opened, closing.signal);
				const entrances = Array.from(platform.entrances, (entrance) => entrance.open(opened, closing.signal));
				ready.resolve(Promise.all([opened, ...entrances]).then(() => {}));
			},
			stopped: close,
		};
		const process: Process = {
			...{ platform, node, ready: ready.promise, unfit: unfit.promise },
			middlewares: { first: [lifetime, providePlatform(platform), ...node.middlewares], last: [stopping] },
			get greeting() {
				return greetingOf(platform, node);
			},
			get isStopping() {
				return closing.signal.aborted;
			},
			leave: () => {
				phase = 'stopping';
				for (const entrance of platform.entrances) entrance.leave();
			},
			stop: async () => {
				beginStop();
				await broker?.stop();
				await close();
			},
		};
		return process;
	} catch (error) {
		await close();
		throw error;
	}
}

function greetingOf({ settings, entrances }: Platform, { options }: Node): string {
	const [url] = Array.from(entrances, (entrance) => entrance.url);
	const what = url === undefined ? `runs ${settings.services.join(', ')}` : `listens on ${url}`;
	const node = settings.broker === undefined ? '' : ` node ${options.nodeID};`;
	return `Protected Payment ${what};${node} payment provider: ${settings.paymentProvider}`;
}

function cutOffLater(lines: () => readonly { cutOff(): void }[]): void {
	setTimeout(() => {
		for (const line of lines()) line.cutOff();
	}, LONGEST_WORK).unref();
}

async function connect({ settings, log, made, signal, onLost }: Surroundings): Promise<DatabaseAddress> {
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

function signalling(
	metrics: Metrics,
	tell: ReturnType<typeof orderLog>,
	carrier: () => Carrier | undefined,
): Pick<Platform, 'signals' | 'outgoing'> {
	const signals = new EventEmitter<Signals>();
	const stored: Platform['outgoing']['stored'] = (raised, changes) => {
		metrics.raised(raised);
		tell(changes);
		signals.emit(
			'outbox.stored',
			raised.map(({ orderId }) => orderId),
		);
	};
	return {
		signals,
		outgoing: {
			stored,
			unsent: () => void signals.emit('outbox.unsent'),
			get publishIn() {
				const shared = carrier();
				return shared?.publishIn?.bind(shared);
			},
		},
	};
}

/** Wakes relays in other processes, if none runs here; for speed only. */
function wakeRelays(broker: ServiceBroker, { signals }: Platform): void {
	if (broker.services.some(({ name }) => name === 'outbox-relay')) return;
	const wake = throttle(WAKE_RELAYS_EVERY, () => {
		broker.broadcast('outbox.stored', null, { groups: ['outbox-relay'] }).catch(() => {}); // they also poll
	});
	signals.on('outbox.unsent', wake);
}
