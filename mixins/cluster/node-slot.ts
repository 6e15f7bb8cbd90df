import { randomUUID } from 'node:crypto';
import { crc32 } from 'node:zlib';
import type pg from 'pg';
import { type Duration, SECOND } from '../../domain/time.ts';
import { clientConfig, DatabaseClient, holding, verify } from '../database/index.ts';
import { endedWithin, type Log, Loop } from '../runtime/index.ts';
import { type DatabaseAddress, SERVICE_NAMES, type ServiceName } from '../settings/index.ts';
import { installationOf, serverOf } from './installation.ts';

const LOOK_EVERY: Duration = 2 * SECOND;
/** How long the server may take to notice the end of one of our sessions. */
const RETRY: Duration = SECOND / 4;

/** A process's place among the nodes of the system. */
export interface NodePlace {
	/** the node's id: the service's name and the slot, such as `orders-0` */
	readonly nodeID: string;
	/** separates this system's nodes and messages from those of others on the same broker */
	readonly namespace: string;
}

/** What a process is called that runs these services: `orders`, `gateway_orders`, or `all`. Topics are named after it. */
export function nodeNameOf(services: readonly ServiceName[]): string {
	if (services.length === SERVICE_NAMES.length) return 'all';
	return SERVICE_NAMES.filter((name) => services.includes(name)).join('_');
}

export interface NodeSlotOptions {
	readonly connection: DatabaseAddress;
	/** what runs here, such as `orders`; each name has slots of its own */
	readonly name: string;
	readonly log: Log;
	/**
	 * called once, with one line, if the session broke, and when the slot was to be taken again another process had it, or
	 * the database was a copy of the one before
	 */
	readonly onLost: (why: string) => void;
}

/**
 * The lowest free slot of a name, held by an advisory lock on a session of its own. If the session breaks, a new one
 * takes the same slot again. Waits for a database that is away.
 */
export class NodeSlot {
	readonly #options: NodeSlotOptions;
	readonly #loop: Loop;
	readonly #taken = Promise.withResolvers<NodePlace>();
	readonly #application = `protected-payment slot ${randomUUID()}`;
	/** being opened */
	#opening: DatabaseClient | undefined;
	#session: DatabaseClient | undefined;
	#number: number | undefined;
	#namespace: string | undefined;
	#server: string | undefined;
	#lost = false;

	constructor(options: NodeSlotOptions) {
		this.#options = options;
		this.#loop = new Loop(`slot of ${options.name}`, options.log, () => this.#step());
	}

	/** Why this process does not hold its slot now; undefined while it does. */
	get trouble(): string | undefined {
		if (this.#session !== undefined) return undefined;
		return this.#number === undefined ? 'no place among the nodes yet' : 'the place among the nodes is not held';
	}

	/** Identifies the server on which the slot is held; undefined while it is not held. */
	get server(): string | undefined {
		return this.#session === undefined ? undefined : this.#server;
	}

	/** Resolves when a slot was taken for the first time. */
	get taken(): Promise<NodePlace> {
		return this.#taken.promise;
	}

	start(): void {
		this.#loop.start();
	}

	/** Gives the slot back. */
	async stop(): Promise<void> {
		const stopped = this.#loop.stop();
		if (!(await endedWithin(stopped, SECOND))) {
			this.#opening?.destroy();
			this.#session?.destroy();
		}
		await stopped;
		const session = this.#session;
		this.#session = undefined;
		await session?.end().catch(() => {});
	}

	async #step(): Promise<Duration> {
		if (this.#lost) return LOOK_EVERY;
		if (this.#session === undefined) return this.#open();
		await this.#session.query('SELECT 1').catch((error) => {
			this.#drop(this.#session);
			throw error;
		});
		return LOOK_EVERY;
	}

	async #open(): Promise<Duration> {
		const session = holding(this.#application);
		const client = new DatabaseClient(clientConfig(this.#options.connection, session));
		this.#opening = client;
		client.once('end', () => this.#drop(client));
		try {
			await client.connect();
			await verify(client, session);
			return await this.#take(client);
		} finally {
			if (this.#session !== client) await client.end().catch(() => {});
		}
	}

	async #take(client: DatabaseClient): Promise<Duration> {
		const ghosts = await endGhosts(client, this.#application);
		const { name, log } = this.#options;
		const { name: namespace, before } = await installationOf(client);
		this.#server = await serverOf(client);
		if (before !== undefined)
			log.warn(`this database is a copy of another: on the broker its name is ${namespace}, no longer ${before}`);
		this.#namespace ??= namespace;
		if (namespace !== this.#namespace) {
			this.#lose(`the database has another name now, ${namespace} in the place of ${this.#namespace}`);
		} else if (this.#number === undefined) {
			this.#number = await lowestFree(client, name);
			this.#session = client;
			this.#taken.resolve({ nodeID: `${name}-${this.#number}`, namespace });
		} else if (await tryLock(client, name, this.#number)) {
			this.#session = client;
			log.info(`${name}-${this.#number} is held again`);
		} else if (ghosts > 0) {
			return RETRY;
		} else {
			this.#lose(`another process has taken the place of ${name}`);
		}
		return LOOK_EVERY;
	}

	#lose(why: string): void {
		this.#lost = true;
		this.#options.onLost(why);
	}

	#drop(session: DatabaseClient | undefined): void {
		if (session === undefined || this.#session !== session) return;
		this.#session = undefined;
		this.#options.log.warn(`the session that holds ${this.#options.name}-${this.#number} has ended`);
		void session.end().catch(() => {});
		this.#loop.wake();
	}
}

/** Ends sessions of this process that the server still keeps; returns how many there were. */
async function endGhosts(client: pg.Client, application: string): Promise<number> {
	const { rows } = await client.query(
		'SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE application_name = $1 AND pid <> pg_backend_pid()',
		[application],
	);
	return rows.length;
}

async function lowestFree(client: pg.Client, name: string): Promise<number> {
	for (let number = 0; ; number += 1) if (await tryLock(client, name, number)) return number;
}

async function tryLock(client: pg.Client, name: string, number: number): Promise<boolean> {
	const { rows } = await client.query<{ held: boolean }>('SELECT pg_try_advisory_lock($1, $2) AS held', [
		crc32(name) & 0x7fff_ffff,
		number,
	]);
	return rows[0]?.held === true;
}
