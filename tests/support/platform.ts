/** Services of this project on brokers of a test's own. */
import { EventEmitter } from 'node:events';
import {
	type BrokerOptions,
	Loggers,
	type LogLevels,
	type Service,
	ServiceBroker,
	type ServiceSchema,
} from 'moleculer';
import type { Carrier } from '../../mixins/brokers/carrier.ts';
import { Groups } from '../../mixins/brokers/groups.ts';
import { drainFirst } from '../../mixins/cluster/drain-first.ts';
import type { Database } from '../../mixins/database/database.ts';
import { Health } from '../../mixins/observability/health.ts';
import { Metrics } from '../../mixins/observability/metrics.ts';
import { NO_TRACING } from '../../mixins/observability/tracing/tracing.ts';
import { type Entrance, type Platform, providePlatform, type Signals } from '../../mixins/platform.ts';
import { StandInParcels } from '../../mixins/providers/parcel-sandbox.ts';
import { SandboxProvider } from '../../mixins/providers/sandbox/provider.ts';
import type { Log } from '../../mixins/runtime/log.ts';
import { parseSettings } from '../../mixins/settings/settings.ts';
import { SchemaValidator } from '../../mixins/validation/index.ts';
import { TOPOLOGY } from '../../services/topology.ts';

/** Throws whatever is done with it. */
const missing = <T extends object>(what: string): T =>
	new Proxy({} as T, {
		get() {
			throw new Error(`this test has no ${what}`);
		},
	});

/** A platform of these parts; whatever else it is asked for is empty, or missing. */
export function testPlatform(parts: Partial<Platform>): Platform {
	const database = parts.database ?? missing<Database>('database');
	return {
		settings: parseSettings({ PORT: '0' }),
		address: { host: 'nowhere.invalid', port: 1, user: 'nobody', database: 'none' },
		clock: { isRead: true, now: () => Date.now() },
		carrier: missing<Carrier>('message broker'),
		readers: new Set(),
		groups: new Groups(TOPOLOGY),
		health: new Health(),
		signals: new EventEmitter<Signals>(),
		metrics: new Metrics(),
		tracing: NO_TRACING,
		outgoing: { stored: () => {}, unsent: () => {}, publishIn: undefined },
		provider: new SandboxProvider(database),
		parcels: new StandInParcels(database),
		entrances: new Set<Entrance>(),
		log: () => NO_LOG,
		...parts,
		database,
	};
}

const silent = (): void => {};
const NO_LOG: Log = { debug: silent, info: silent, warn: silent, error: silent };

/** A broker that is not started, for services on this platform. */
export const testBroker = (platform: Platform, options: BrokerOptions = {}): ServiceBroker =>
	new ServiceBroker({
		logger: false,
		validator: new SchemaValidator(),
		skipProcessEventRegistration: true,
		...options,
		internalMiddlewares: false,
		middlewares: [
			providePlatform(platform),
			...(options.middlewares ?? []),
			...ServiceBroker.INTERNAL_MIDDLEWARES,
			drainFirst,
		],
	});

/** A logger of Moleculer that gives what services say to `log`. */
export class LoggerInto extends Loggers.Base<{ level?: LogLevels }> {
	readonly #log: Log;

	constructor(log: Log) {
		super();
		this.#log = log;
	}

	override getLogHandler(bindings?: { readonly svc?: string }) {
		if (bindings?.svc === undefined) return null;
		return (type: string, args: unknown[]) => {
			const level = type === 'error' || type === 'fatal' ? 'error' : type === 'warn' ? 'warn' : 'debug';
			this.#log[level](String(args[0]), args[1]);
		};
	}
}

/** A service of this schema that is made and not started, with what its mixins hang on it. */
export function testService<T extends object>(
	schema: ServiceSchema,
	platform: Platform,
	log: Log = NO_LOG,
): Service & T {
	return testBroker(platform, { logger: new LoggerInto(log) }).createService(schema) as Service & T;
}
