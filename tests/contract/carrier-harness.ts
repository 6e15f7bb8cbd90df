import type { Duration, Instant } from '../../domain/time.ts';
import type { Carrier, Topology } from '../../mixins/brokers/carrier.ts';
import type { Transaction } from '../../mixins/database/database.ts';
import type { Log } from '../../mixins/runtime/log.ts';

/** A carrier with connections of its own, as a process would have it. */
export interface OpenCarrier {
	readonly carrier: Carrier;
	/** closes the carrier and then all that it stands on */
	release(): Promise<void>;
}

/** What the module of a harness exports, beside the harness, for processes that a test starts and kills. */
export interface CarrierModule {
	/** Opens a carrier on a space in any process, at once: the broker may be away. */
	openCarrier(address: string, topology: Topology, log: Log): OpenCarrier;
}

/** A part of the broker that holds nothing yet: an empty database, a virtual host, a prefix of names. */
export interface Space {
	/** what `openCarrier` takes; readable in every process */
	readonly address: string;
	/** How many messages the broker still holds for a group: waiting, delayed, retried or in hand; no dead letters. As it is at this moment. */
	backlog(group: string): Promise<number>;
	/** When the broker will deliver what it holds for a group, by `clock`; all hops of a ladder summed up. */
	plan(group: string): Promise<ReadonlyMap<string, Instant>>;
	/** Makes due what waits. Where a broker cannot do so, leave it out, and tests wait as long as it takes. */
	hasten?(): Promise<void>;
	/** The broker's housekeeping, now: vacuum, compaction, whatever moves what it stores. */
	tidy?(): Promise<void>;
	/** A transaction for `publishIn`, where the carrier has it. */
	transaction?<T>(work: (tx: Transaction) => Promise<T>): Promise<T>;
}

/** A real broker in the hands of the contract suite. */
export interface BrokerHarness {
	/** the URL of the module that exports `openCarrier` */
	readonly module: string;
	/** how much too early a delayed message may come */
	readonly early: Duration;
	/** whether the carrier has `publishIn` */
	readonly transactional: boolean;
	/** whether a consumer that joins may be given what another one has in hand */
	readonly sharesAnew?: boolean;
	/** Brings the broker up, once before all tests. */
	start(): Promise<void>;
	/** Ends it and removes what it stored, once after all tests. */
	stop(): Promise<void>;
	/** Ends the broker in good order; it stays away, with its data, until `bringUp`. */
	takeDown(): Promise<void>;
	bringUp(): Promise<void>;
	/** `kill -9`; resolves when the broker is back with its data. */
	kill(): Promise<void>;
	/** The quickest restart that the broker's own tools offer; resolves when it is back. */
	restart(): Promise<void>;
	/** The clock that decides when a delayed message is due. */
	clock(): Promise<Instant>;
	space(topology: Topology): Promise<Space>;
}
