import { EventEmitter } from 'node:events';
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import type { ServiceBroker } from 'moleculer';
import { MODEL } from '../../docs/model/tlc.ts';
import { KEY_LIFETIME } from '../../domain/payment.ts';
import { type Duration, HOUR } from '../../domain/time.ts';
import type { CarrierMessage } from '../../mixins/brokers/carrier.ts';
import type { Database, Transaction } from '../../mixins/database/database.ts';
import { Metrics } from '../../mixins/observability/metrics.ts';
import { OutboxRelay } from '../../mixins/outbox/relay.ts';
import type { OnStored } from '../../mixins/outbox/unit-of-work.ts';
import type { Platform, Signals } from '../../mixins/platform.ts';
import { StandInParcels } from '../../mixins/providers/parcel-sandbox.ts';
import { SandboxProvider } from '../../mixins/providers/sandbox/provider.ts';
import { parseSettings, type Settings } from '../../mixins/settings/settings.ts';
import { SchemaValidator } from '../../mixins/validation/schema-validator.ts';
import type { Meta } from '../../services/orders/caller.ts';
import orders from '../../services/orders.service.ts';
import { META } from '../support/application.ts';
import { memoryLog, type TestDatabase } from '../support/database.ts';
import { LoggerInto, testBroker, testPlatform } from '../support/platform.ts';
import { Bank } from './bank.ts';
import { Held, HeldCarrier } from './carrier.ts';
import { Clock } from './clock.ts';
import type { Measures } from './compare.ts';
import { Names } from './names.ts';
import type { Ask } from './outside.ts';
import { ProcessDatabase } from './process.ts';
import { RelayProcess } from './relay-process.ts';
import { constant, SCENARIOS, type Scenario } from './scenarios.ts';
import { type Shared, Slot } from './slot.ts';
import type { Message, NetCall, Trace } from './trace.ts';

/** Where keys do not age, a tick is so long that none does within a trace, and far longer than every back-off. */
const PLAIN_TICK = 2.5 * HOUR;

/** A call on its way to the outside. */
export interface Travelling {
	readonly call: NetCall;
	readonly ask: Ask;
}

type Mutable<T> = { -readonly [name in keyof T]: T[name] };

/** The real parts for one trace, and what lies between them. Begun anew for each trace. */
export class World {
	readonly server: TestDatabase;
	readonly clock: Clock;
	readonly buyer: ProcessDatabase;
	readonly log = memoryLog();
	names = new Names();
	held = new Held();
	/** the model's clock */
	now = 0;
	measures: Measures = { tick: PLAIN_TICK, keepsEnd: false, keepsFirst: false, messages: true };
	travelling: Travelling[] = [];
	/** whether relays are a part of the trace; if not, what is raised is with the carrier at once */
	hasRelays = false;
	readonly relays = new Map<string, RelayProcess>();
	readonly #slots = new Map<string, Slot>();
	readonly #settings: Mutable<Settings>;
	#broker: ServiceBroker | undefined;
	readonly #signals = new EventEmitter<Signals>();
	readonly #configuration = readFileSync(join(MODEL, 'Replay.cfg'), 'utf8');
	#provider: Bank | undefined;
	#trace: Trace | undefined;
	#raised = false;
	#begun = 0;
	#sharesDatabase = false;

	readonly #shared: Database;

	private constructor(server: TestDatabase, shared: Database, clock: Clock) {
		this.server = server;
		this.clock = clock;
		this.#shared = shared;
		this.buyer = new ProcessDatabase(shared);
		this.#settings = { ...parseSettings({ LOG_LEVEL: 'fatal', MIGRATE: 'off', DATABASE_URL: server.url }) };
		this.#signals.setMaxListeners(0);
		this.#signals.on('outbox.stored', () => {
			this.#raised = true;
		});
	}

	/** `shared` is the database as all processes have it: for tests that break it. */
	static async create(server: TestDatabase, shared: Database = server.database): Promise<World> {
		const world = new World(server, shared, await Clock.create(server));
		const own = { database: world.buyer, carrier: world.#carrier(), log: () => world.log };
		const platform = testPlatform({ ...world.#common(), ...own, address: server.connection });
		const options = { logger: new LoggerInto(world.log), validator: new SchemaValidator() };
		world.#broker = testBroker(platform, options);
		world.#broker.createService(orders);
		await world.#broker.start();
		world.clock.install();
		return world;
	}

	async stop(): Promise<void> {
		this.#killAll();
		this.clock.remove();
		await this.#broker?.stop();
	}

	/** Empty tables, new processes, and the scenario's windows and limits. */
	async begin(trace: Trace, sharesDatabase: boolean): Promise<void> {
		const scenario = SCENARIOS.find(({ name }) => name === trace.scenario);
		if (scenario === undefined) throw new Error(`no scenario ${trace.scenario}`);
		this.#trace = trace;
		this.#killAll();
		await this.#empty();
		this.#measure(scenario);
		this.names = new Names();
		this.held = new Held();
		this.now = 0;
		this.travelling = [];
		this.log.lines.length = 0;
		this.#raised = false;
		this.#sharesDatabase = sharesDatabase;
		this.clock.begin();
	}

	/** What will become of the money of an order: the card is chosen by it. */
	futureOf(order: number): string[] {
		return this.#trace?.steps.flatMap(({ state }) => state.bank[order - 1]?.hold ?? []) ?? [];
	}

	/** True if the carrier has the message now. */
	holds(message: Message): boolean {
		return this.names.has(message) && this.held.ids.includes(this.names.idOf(message));
	}

	/** The carrier takes the message off its list. */
	drop(message: Message): void {
		this.held.drop(this.names.idOf(message));
	}

	/** True while a transaction waits for another one's lock. */
	async isSomebodyWaiting(): Promise<boolean> {
		const rows = await this.server.query(
			`SELECT FROM pg_stat_activity WHERE datname = current_database() AND wait_event_type = 'Lock'`,
		);
		return rows.length > 0;
	}

	/** Time passes within a tick of the model's clock. */
	async pass(length: Duration): Promise<void> {
		await this.clock.pass(length);
		this.held.shift(length);
	}

	/** The model's clock goes on by one. */
	async tick(): Promise<void> {
		await this.clock.tick(this.measures.tick);
		this.held.shift(this.measures.tick);
	}

	get retention(): number {
		return this.#settings.retention;
	}

	/** Calls an action, and answers with what it said of itself too. */
	async call<T>(action: string, params: object): Promise<{ readonly value: T; readonly meta: Meta }> {
		if (this.#broker === undefined) throw new Error('the world was not created');
		const calling = this.#broker.call<T, object>(action, params, { meta: { ...META } });
		const { ctx } = calling as typeof calling & { readonly ctx: { readonly meta: Meta } };
		return { value: await calling, meta: ctx.meta };
	}

	/** The slot by its name in the model, `s…` of settlement, `h…` of shipping; it is made when it is first needed. */
	async slot(name: string): Promise<Slot> {
		const known = this.#slots.get(name);
		if (known !== undefined) return known;
		const kind = name.startsWith('h') ? 'shipping' : 'settlement';
		const surroundings = { shared: this.#shared, platform: this.#common(), log: this.log };
		const slot = await Slot.start(surroundings, kind);
		this.#slots.set(name, slot);
		return slot;
	}

	/** The process dies; another one takes its place when it is needed. */
	kill(name: string): void {
		this.#slots.get(name)?.die();
		this.#slots.delete(name);
	}

	/** Calls that have left a process and that the trace knows nothing of. */
	get unclaimed(): readonly string[] {
		return [...this.#slots].flatMap(([name, { asks }]) => asks.unclaimed.map((ask) => `${name} calls ${ask.name}`));
	}

	relay(name: string): RelayProcess {
		const relay = new RelayProcess(this.#shared, this.server, this.held);
		this.relays.set(name, relay);
		return relay;
	}

	/** Where relays are no part of the trace: what was raised goes to the carrier. */
	async forward(): Promise<void> {
		if (this.hasRelays || !this.#raised) return;
		this.#raised = false;
		await new OutboxRelay(this.server.database, this.#carrier()).step();
	}

	#common(): Pick<Platform, Shared> {
		const provider = this.#provider ?? this.#bank({ keyLife: 0, authLife: 0 });
		const parcels = new StandInParcels(this.server.database);
		const stored: OnStored = (raised) => {
			this.#signals.emit(
				'outbox.stored',
				raised.map(({ orderId }) => orderId),
			);
		};
		const clock = { isRead: true, now: () => this.now };
		return {
			settings: this.#settings,
			clock,
			signals: this.#signals,
			outgoing: { stored, unsent: () => {}, publishIn: undefined },
			metrics: new Metrics(),
			provider,
			parcels,
		};
	}

	#bank(lives: { readonly keyLife: number; readonly authLife: number }): Bank {
		const sandbox = new SandboxProvider(this.server.database);
		return new Bank(sandbox, this.server, { now: () => this.now, ...lives });
	}

	/** As a broker is, or as one that shares the database. */
	#carrier(): HeldCarrier {
		const { held } = this;
		const take = async (messages: readonly CarrierMessage[]): Promise<[]> => {
			held.take(messages);
			return [];
		};
		const carrier = new HeldCarrier(take);
		if (!this.#sharesDatabase) return carrier;
		return Object.assign(carrier, {
			publishIn: (tx: Transaction, messages: readonly CarrierMessage[]): [] => {
				tx.afterCommit(() => held.take(messages));
				return [];
			},
		});
	}

	#measure(scenario: Scenario): void {
		const of = (name: string): number => constant(this.#configuration, scenario, name);
		const tick = of('KeyTrust') > 0 ? KEY_LIFETIME / of('KeyTrust') : PLAIN_TICK;
		this.#settings.cancellationWindow = of('Window') * tick;
		this.#settings.holdLimit = of('HoldLimit') * tick;
		this.#settings.providerTimeout = of('CallTimeout') * tick;
		this.#settings.retention = of('Retention') * tick;
		this.#provider = this.#bank({ keyLife: of('KeyLife'), authLife: of('AuthLife') });
		this.hasRelays = (scenario.constants.Relays ?? '{}') !== '{}';
		const messages = /"messages"/.test(scenario.constants.May ?? '"messages"');
		this.measures = { tick, messages, keepsEnd: of('Retention') > 0, keepsFirst: of('KeyTrust') > 0 };
	}

	#killAll(): void {
		for (const slot of this.#slots.values()) slot.die();
		for (const relay of this.relays.values()) relay.die();
		this.#slots.clear();
		this.relays.clear();
	}

	/** Deleting is faster for a few rows; but what is deleted stays in the way until the tables are truncated. */
	async #empty(): Promise<void> {
		this.#begun += 1;
		if (this.#begun % 5 === 1) {
			await this.server.reset();
			return;
		}
		const tables = await this.server.query<{ name: string }>(
			`SELECT quote_ident(tablename) AS name FROM pg_tables WHERE schemaname = 'public' AND tablename <> 'schema_migrations'`,
		);
		await this.server.query(tables.map(({ name }) => `DELETE FROM ${name}`).join('; '));
	}
}
