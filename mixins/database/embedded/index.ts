import { readFile, realpath } from 'node:fs/promises';
import { isAbsolute, join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { chooseSocketDir, PORT } from './host.ts';
import { PostgresServer, SUPERUSER } from './server.ts';
import { DATABASE, judge, knock, prepareDatabase, type Session, tryLock } from './session.ts';

const LOCK_PATIENCE = 1000; // ms; the holder may have been killed a moment ago, and its session be vanishing
const ANSWER_PATIENCE = 5000; // ms that a running server may leave connections without any answer before it is killed
const BACK_OFF = { first: 100, longest: 5000 }; // ms
const HEALTHY_AFTER = 10_000; // ms of life after which a server's next end counts as its first
const START_TRIES = 8;

export interface EmbeddedPostgresOptions {
	/** the folder for everything: `postgres` (the data), `postgres.log`, `run` (the socket); made where it is missing */
	dataDir: string;
	log: (level: 'info' | 'warn' | 'error', message: string) => void;
	/** PostgreSQL settings, beside and above the built-in ones; a server that is taken over keeps those it runs with */
	settings?: Readonly<Record<string, string>>;
	/** gives up a start that has not finished, and leaves nothing running; later it has no effect */
	signal?: AbortSignal;
	/** called once if the server ended, and another process had the data folder when it was to be started again */
	onLost?: () => void;
}

export interface EmbeddedPostgres {
	/** what `pg` needs: host is the directory of the Unix socket */
	readonly connection: Readonly<{ host: string; port: number; user: string; database: string }>;
	/** called each time the server ended though nobody asked for it */
	onDown(listener: () => void): void;
	/** called each time the server accepts connections anew after that */
	onUp(listener: () => void): void;
	/** stops the server (fast shutdown, then immediate after 5 s), frees the data folder; idempotent */
	stop(): Promise<void>;
}

/** Another process, or another start in this one, has the data folder. */
export class DataDirInUse extends Error {
	override readonly name = 'DataDirInUse';
}

/**
 * Starts PostgreSQL on `dataDir`, or takes over the server that a killed process left there, and keeps it running until
 * `stop()`. The server outlives this process if that is killed. Rejects with DataDirInUse if another one is at work.
 */
export async function startEmbeddedPostgres(options: EmbeddedPostgresOptions): Promise<EmbeddedPostgres> {
	const keeper = new Keeper(await PostgresServer.open(options.dataDir, options.settings), options);
	await keeper.start(options.signal ?? new AbortController().signal);
	return keeper;
}

/** How another process of this user reaches the PostgreSQL that runs on `dataDir`. Starts nothing. */
export async function embeddedConnection(dataDir: string): Promise<EmbeddedPostgres['connection']> {
	const folder = await realpath(dataDir).catch(() => dataDir);
	const lines = await readFile(join(folder, 'postgres', 'postmaster.pid'), 'utf8').catch(() => '');
	const running = lines.split('\n')[4] ?? ''; // the server says where its socket is: TMPDIR may have been another one then
	const host = isAbsolute(running) ? running : chooseSocketDir(folder);
	return { host, port: PORT, user: SUPERUSER, database: DATABASE };
}

/** How eagerly to bring the server up: how often to start it, and whom to tell that it was not there. */
interface Attempt {
	readonly signal: AbortSignal;
	readonly tries: number;
	readonly onRefused: () => void;
}

/** Keeps one server running and its data folder to itself. */
class Keeper implements EmbeddedPostgres {
	readonly connection: EmbeddedPostgres['connection'];
	readonly #server: PostgresServer;
	readonly #options: EmbeddedPostgresOptions;
	readonly #ending = new AbortController();
	readonly #downListeners: (() => void)[] = [];
	readonly #upListeners: (() => void)[] = [];
	#session: Session | undefined;
	#serverStart = '';
	#upSince = 0;
	#delay = 0;
	#recovery: Promise<void> = Promise.resolve();
	#stopping: Promise<void> | undefined;
	#lost = false;

	constructor(server: PostgresServer, options: EmbeddedPostgresOptions) {
		this.#server = server;
		this.#options = options;
		this.connection = { host: server.socketDir, port: PORT, user: SUPERUSER, database: DATABASE };
	}

	async start(signal: AbortSignal): Promise<void> {
		const { log } = this.#options;
		const begin = performance.now();
		try {
			if (await this.#server.initialise(signal)) log('info', `new database in ${this.#server.dataDir}`);
			await this.#acquire({ signal, tries: START_TRIES, onRefused: () => {} });
			await this.#server.removeDrafts().catch((error: Error) => log('warn', error.message));
			signal.throwIfAborted();
		} catch (error) {
			if (!(error instanceof DataDirInUse)) await this.stop();
			throw error;
		}
		const how = this.#server.isChild ? 'started' : 'taken over';
		log('info', `PostgreSQL ${how} after ${Math.round(performance.now() - begin)} ms (pid ${this.#server.pid})`);
	}

	onDown(listener: () => void): void {
		this.#downListeners.push(listener);
	}

	onUp(listener: () => void): void {
		this.#upListeners.push(listener);
	}

	stop(): Promise<void> {
		this.#stopping ??= this.#stop();
		return this.#stopping;
	}

	async #stop(): Promise<void> {
		this.#ending.abort();
		await this.#recovery;
		if (this.#lost || !(await this.#mayStop())) return;
		await this.#server.stop(); // ends the session, so that the lock is held to the last
		this.#session?.drop();
	}

	/** Never end a server that another process holds. One that accepts no connections yet is held by nobody. */
	async #mayStop(): Promise<boolean> {
		if (this.#session) return true;
		const answer = await knock(this.connection).catch((): 'absent' => 'absent');
		if (typeof answer === 'string') return this.#server.isChild;
		const held = await this.#lock(answer, new AbortController().signal).catch(() => false);
		if (!held) answer.drop();
		return held;
	}

	/** Has the server running, by whatever way, and the lock. */
	async #acquire(attempt: Attempt): Promise<void> {
		for (;;) {
			const session = await this.#bringUp(attempt);
			try {
				if (await this.#lock(session, attempt.signal)) return;
			} catch (error) {
				session.drop();
				attempt.signal.throwIfAborted();
				judge(error);
				continue; // the server went away in the meantime
			}
			session.drop();
			throw new DataDirInUse(`${this.#server.dataDir} is in use by another process`);
		}
	}

	/** Takes the lock, waiting a little for a dead holder's session to vanish; then this is the session to live by. */
	async #lock(session: Session, signal: AbortSignal): Promise<boolean> {
		const begin = performance.now();
		while (!(await tryLock(session.client))) {
			if (performance.now() - begin > LOCK_PATIENCE) return false;
			await sleep(50, undefined, { signal });
		}
		this.#serverStart = await prepareDatabase(session.client);
		this.#upSince = performance.now();
		this.#session = session;
		void session.ended.then(() => {
			if (this.#session !== session) return;
			this.#session = undefined;
			if (!this.#ending.signal.aborted) this.#recovery = this.#recover(this.#ending.signal);
		});
		return true;
	}

	/** Connects; where that fails starts the server, waits for it, or kills it, until it works. */
	async #bringUp({ signal, tries, onRefused }: Attempt): Promise<Session> {
		let quietSince = performance.now();
		let spawned = 0;
		for (let poll = 10; ; poll = Math.min(poll * 1.5, 250)) {
			signal.throwIfAborted();
			const answer = await knock(this.connection);
			if (typeof answer === 'object') return answer;
			onRefused();
			if (answer === 'busy') {
				quietSince = performance.now();
			} else if (answer === 'absent' && this.#server.pid === undefined) {
				if (spawned > 0) await this.#explainEnd(spawned, tries);
				await this.#backOff(signal);
				if (this.#server.pid !== undefined) continue; // somebody else started it
				await this.#server.spawn();
				spawned += 1;
				poll = 10;
				quietSince = performance.now();
			} else if (performance.now() - quietSince > ANSWER_PATIENCE) {
				await this.#endSilent();
				quietSince = performance.now();
			}
			await sleep(poll, undefined, { signal });
		}
	}

	/** Throws if there is no use in another try. Another start that is faster, or children of a killed server, pass. */
	async #explainEnd(spawned: number, tries: number): Promise<void> {
		const reason = await this.#server.failure();
		const passes = /lock file .*(already exists|is empty)|pre-existing shared memory/.test(reason);
		if (spawned >= tries || (!passes && tries !== Number.POSITIVE_INFINITY)) {
			throw new Error(`PostgreSQL does not start: ${reason}`);
		}
		this.#options.log('warn', `PostgreSQL did not start, trying again: ${reason}`);
	}

	async #endSilent(): Promise<void> {
		const { pid } = this.#server;
		if (pid === undefined) throw new Error(`whatever listens in ${this.connection.host} does not answer`);
		this.#options.log('warn', `PostgreSQL (pid ${pid}) does not answer, ending it`);
		await this.#server.kill();
	}

	async #backOff(signal: AbortSignal): Promise<void> {
		const delay = this.#delay;
		this.#delay = Math.min(Math.max(delay * 2, BACK_OFF.first), BACK_OFF.longest);
		if (delay > 0) await sleep(delay, undefined, { signal });
	}

	/** After the session has ended: the server may have ended, been restarted by somebody, or just closed this session. */
	async #recover(signal: AbortSignal): Promise<void> {
		const { log, onLost } = this.#options;
		const serverStart = this.#serverStart;
		if (performance.now() - this.#upSince > HEALTHY_AFTER) this.#delay = BACK_OFF.first;
		let down = false;
		const goDown = () => {
			if (down) return;
			down = true;
			log('warn', 'PostgreSQL ended unasked, starting it again');
			this.#tell(this.#downListeners);
		};
		try {
			while (!(await this.#tryAgain({ signal, tries: Number.POSITIVE_INFINITY, onRefused: goDown }))) {}
		} catch (error) {
			if (!(error instanceof DataDirInUse)) return; // stopped
			this.#lost = true;
			log('error', `${error.message}: it took over while PostgreSQL was down`);
			if (onLost) this.#tell([onLost]);
			return;
		}
		if (this.#serverStart !== serverStart) goDown();
		if (!down || signal.aborted) return;
		log('info', `PostgreSQL is back (pid ${this.#server.pid})`);
		this.#tell(this.#upListeners);
	}

	/** Like `#acquire`, but whatever may pass one day (a full disk, a closed folder) is logged and waited for. */
	async #tryAgain(attempt: Attempt): Promise<boolean> {
		try {
			await this.#acquire(attempt);
			return true;
		} catch (error) {
			attempt.signal.throwIfAborted();
			if (error instanceof DataDirInUse) throw error;
			attempt.onRefused();
			this.#options.log('error', `PostgreSQL cannot be started: ${(error as Error).message}`);
			await this.#backOff(attempt.signal);
			return false;
		}
	}

	#tell(listeners: readonly (() => void)[]): void {
		for (const listener of listeners) {
			try {
				listener();
			} catch (error) {
				this.#options.log('error', `a listener of the embedded PostgreSQL failed: ${error}`);
			}
		}
	}
}
