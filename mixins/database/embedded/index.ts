import { realpath } from 'node:fs/promises';
import { setTimeout as sleep } from 'node:timers/promises';
import type { Log } from '../../runtime/index.ts';
import type { DatabaseClient } from '../client.ts';
import { PORT, socketDirOf } from './host.ts';
import { PostgresServer, SUPERUSER } from './server.ts';
import { DATABASE, ensureDatabase, judge, knock, tryLock } from './session.ts';

const LOCK_PATIENCE = 1000; // ms; the holder may have been killed just now, and its session may be ending
const ANSWER_PATIENCE = 5000; // ms that a running server may leave connections without any answer before it is killed
const BACK_OFF = { first: 100, longest: 5000 }; // ms
const HEALTHY_AFTER = 10_000; // ms of life after which a server's next end counts as its first
const START_TRIES = 7;
/** Another start that is faster, children of a server that was killed, one that goes away as it is taken over. */
const passes = (error: Error): boolean =>
	/lock file .*(already exists|is empty)|pre-existing shared memory/.test(error.message) || judge(error) !== undefined;

export interface EmbeddedPostgresOptions {
	/** the folder for everything: `postgres` (the data), `postgres.log`, `run` (the socket); made where it is missing */
	dataDir: string;
	log: Log;
	/** PostgreSQL settings, beside and above the built-in ones; a server that is taken over keeps those it runs with */
	settings?: Readonly<Record<string, string>>;
	/** gives up a start that has not finished, and leaves nothing running; later it has no effect */
	signal?: AbortSignal;
	/** called once if the server ended, and another process had the data folder when it was to be started again */
	onLost?: () => void;
}

/** what `pg` needs: host is the directory of the Unix socket */
type Connection = Readonly<{ host: string; port: number; user: string; database: string }>;

export interface EmbeddedPostgres {
	readonly connection: Connection;
	/** stops the server and frees the data folder; idempotent */
	stop(): Promise<void>;
}

/** Another process, or another start in this one, has the data folder. */
export class DataDirInUse extends Error {
	override readonly name = 'DataDirInUse';
}

/**
 * Starts PostgreSQL on `dataDir`, or takes over the server that a killed process left there. Restarts it if it ends,
 * until `stop()`. The server outlives this process if that is killed. Rejects with DataDirInUse if another one is at
 * work.
 */
export async function startEmbeddedPostgres(options: EmbeddedPostgresOptions): Promise<EmbeddedPostgres> {
	const keeper = new Keeper(await PostgresServer.open(options.dataDir, options.settings), options);
	await keeper.start(options.signal ?? new AbortController().signal);
	return keeper;
}

/** How another process of this user reaches the PostgreSQL that runs on `dataDir`. Starts nothing. */
export async function embeddedConnection(dataDir: string): Promise<Connection> {
	return connectionTo(socketDirOf(await realpath(dataDir).catch(() => dataDir)));
}

const connectionTo = (host: string): Connection => ({ host, port: PORT, user: SUPERUSER, database: DATABASE });

/** Keeps one server running and its data folder to itself. */
class Keeper implements EmbeddedPostgres {
	readonly connection: Connection;
	readonly #server: PostgresServer;
	readonly #log: Log;
	readonly #onLost: () => void;
	readonly #ending = new AbortController();
	/** holds the lock, and lives as long as the server */
	#session: DatabaseClient | undefined;
	/** undefined while it is down */
	#upSince: number | undefined;
	#delay = BACK_OFF.first;
	#recovery: Promise<void> = Promise.resolve();
	#stopping: Promise<void> | undefined;

	constructor(server: PostgresServer, { log, onLost = () => {} }: EmbeddedPostgresOptions) {
		this.#server = server;
		this.#log = log;
		this.#onLost = onLost;
		this.connection = connectionTo(server.socketDir);
	}

	async start(signal: AbortSignal): Promise<void> {
		const begin = performance.now();
		let tries = 1;
		try {
			if (await this.#server.initialise(signal)) this.#log.info(`new database in ${this.#server.dataDir}`);
			await this.#acquire(signal, (error) => passes(error) && tries++ < START_TRIES);
			this.#upSince = performance.now();
			await this.#server.removeDrafts().catch((error: Error) => this.#log.warn(error.message));
			signal.throwIfAborted();
		} catch (error) {
			if (!(error instanceof DataDirInUse)) await this.stop();
			throw error;
		}
		const how = this.#server.isChild ? 'started' : 'taken over';
		this.#log.info(`PostgreSQL ${how} after ${Math.round(performance.now() - begin)} ms (pid ${this.#server.pid})`);
	}

	stop(): Promise<void> {
		this.#stopping ??= this.#stop();
		return this.#stopping;
	}

	async #stop(): Promise<void> {
		this.#ending.abort();
		await this.#recovery;
		if (!(await this.#mayStop())) return;
		await this.#server.stop(); // ends the session last, so that the lock is held until then
		this.#session?.destroy();
	}

	/** Never ends a server that another process holds. A server that accepts no connections yet is held by none. */
	async #mayStop(): Promise<boolean> {
		if (this.#session) return true;
		const answer = await knock(this.connection).catch((): 'absent' => 'absent');
		if (typeof answer === 'string') return this.#server.isChild;
		return this.#lock(answer, new AbortController().signal).catch(() => false);
	}

	/**
	 * Makes sure that the server runs and that the lock is held. Failures are tried again while `mayPass` returns true.
	 */
	async #acquire(signal: AbortSignal, mayPass: (error: Error) => boolean): Promise<void> {
		for (;;) {
			try {
				if (await this.#lock(await this.#bringUp(signal), signal)) return;
				throw new DataDirInUse(`${this.#server.dataDir} is in use by another process`);
			} catch (error) {
				signal.throwIfAborted();
				if (error instanceof DataDirInUse || !mayPass(error as Error)) throw error;
				this.#log.warn(`PostgreSQL is not up yet, trying again: ${(error as Error).message}`);
				await this.#backOff(signal);
			}
		}
	}

	/** Connects; a server that is not there is started, and one that does not answer is ended first. */
	async #bringUp(signal: AbortSignal): Promise<DatabaseClient> {
		let quietSince = performance.now();
		let hasSpawned = false;
		for (let poll = 10; ; poll = Math.min(poll * 1.5, 250)) {
			signal.throwIfAborted();
			const answer = await knock(this.connection);
			if (typeof answer === 'object') return answer;
			if (this.#upSince !== undefined) {
				this.#upSince = undefined;
				this.#log.warn('PostgreSQL ended unasked, starting it again');
				await this.#backOff(signal);
				quietSince = performance.now();
			} else if (answer === 'busy') {
				quietSince = performance.now();
			} else if (answer === 'absent' && this.#server.pid === undefined) {
				if (hasSpawned) throw new Error(`PostgreSQL does not start: ${await this.#server.failure()}`);
				await this.#server.spawn();
				hasSpawned = true;
				quietSince = performance.now();
			} else if (performance.now() - quietSince > ANSWER_PATIENCE) {
				const { pid } = this.#server;
				if (pid === undefined) throw new Error(`whatever listens in ${this.connection.host} does not answer`);
				this.#log.warn(`PostgreSQL (pid ${pid}) does not answer, ending it`);
				await this.#server.stop({ hard: true });
				quietSince = performance.now();
			}
			await sleep(poll, undefined, { signal });
		}
	}

	/** Takes the lock, waiting a little for a dead holder's session to vanish; then this is the session to live by. */
	async #lock(session: DatabaseClient, signal: AbortSignal): Promise<boolean> {
		try {
			const begin = performance.now();
			while (!(await tryLock(session))) {
				if (performance.now() - begin > LOCK_PATIENCE) return false;
				await sleep(50, undefined, { signal });
			}
			await ensureDatabase(session);
			this.#session = session;
		} finally {
			if (this.#session !== session) session.destroy();
		}
		session.once('end', () => {
			this.#session = undefined;
			if (!this.#ending.signal.aborted) this.#recovery = this.#recover(this.#ending.signal);
		});
		return true;
	}

	/** After the session has ended: the server may have ended, been restarted, or closed just this session. */
	async #recover(signal: AbortSignal): Promise<void> {
		const lived = performance.now() - (this.#upSince ?? Number.NaN);
		if (lived > HEALTHY_AFTER) this.#delay = BACK_OFF.first;
		try {
			await this.#acquire(signal, () => true);
			if (this.#upSince === undefined) this.#log.info(`PostgreSQL is back (pid ${this.#server.pid})`);
			this.#upSince = performance.now();
		} catch (error) {
			if (!(error instanceof DataDirInUse)) return; // stopped
			this.#log.error(`${error.message}: it took over while PostgreSQL was down`);
			this.#onLost();
		}
	}

	async #backOff(signal: AbortSignal): Promise<void> {
		const delay = this.#delay;
		this.#delay = Math.min(delay * 2, BACK_OFF.longest);
		await sleep(delay, undefined, { signal });
	}
}

export { chooseSocketDir } from './host.ts';
