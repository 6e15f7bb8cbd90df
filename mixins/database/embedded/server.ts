import { type ChildProcess, spawn } from 'node:child_process';
import { once } from 'node:events';
import { appendFileSync, closeSync, fstatSync, ftruncateSync, openSync } from 'node:fs';
import { chmod, chown, lstat, mkdir, mkdtemp, readdir, readFile, realpath, rename, rm, rmdir } from 'node:fs/promises';
import { dirname, join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { makeFolder } from '../../runtime/index.ts';
import {
	chooseLauncher,
	findBinaries,
	fromPlainFolder,
	giveTo,
	isStale,
	type Launcher,
	PORT,
	send,
	serverOf,
	socketDirOf,
	syncFolder,
} from './host.ts';

export const SUPERUSER = 'postgres';
const DRAFT = '.initdb-'; // a data folder in the making: becomes `postgres` by one rename when it is whole
const LONGEST_PATH = 900; // bytes: PostgreSQL has room for 1,023 with the names of its own files, and does not check it
const LOG_LIMIT = 16 * 1024 * 1024;
const UNTIL_REMOVED = { recursive: true, force: true, maxRetries: 10, retryDelay: 50 } as const; // initdb may still write
/** Fast shutdown, immediate shutdown, the last resort; how many ms each may take, so that a stop is over in 10 s. */
const ENDING = [
	['SIGINT', 5000],
	['SIGQUIT', 2000],
	['SIGKILL', 2000],
] as const;

const SETTINGS: Readonly<Record<string, string>> = {
	fsync: 'on', // an answered order is on the disk
	synchronous_commit: 'on', // before it is answered
	shared_buffers: '256MB',
	max_connections: '100',
	max_wal_size: '2GB', // fewer checkpoints, and with them fewer full-page images
	jit: 'off', // the statements are short: compiling costs more than it saves
	autovacuum_naptime: '5s', // queue tables turn over within seconds
	default_statistics_target: '10', // the statements that matter have one plan: see HOT_SESSION
	timezone: 'UTC',
	log_timezone: 'UTC',
	log_min_messages: 'log', // the server's own events and fatal errors; no statements, they hold customers' data
	log_checkpoints: 'off',
};

/** The files and the process of one PostgreSQL data folder. Knows nothing of connections. */
export class PostgresServer {
	readonly dataDir: string;
	/** the directory of the Unix socket */
	readonly socketDir: string;
	readonly #clusterDir: string;
	readonly #logFile: string;
	readonly #settings: Readonly<Record<string, string>>;
	readonly #launcher: Launcher;
	readonly #binaries = findBinaries();
	#child: ChildProcess | undefined;
	#logStart = 0;

	private constructor(dataDir: string, settings: Readonly<Record<string, string>>, launcher: Launcher) {
		this.dataDir = dataDir;
		this.#clusterDir = join(dataDir, 'postgres');
		this.#logFile = join(dataDir, 'postgres.log');
		this.#launcher = launcher;
		this.socketDir = socketDirOf(dataDir);
		const socketDir = `"${this.socketDir.replaceAll('"', '""')}"`; // an element of a comma-separated list
		const unixOnly = { listen_addresses: '', unix_socket_directories: socketDir, unix_socket_permissions: '0700' };
		this.#settings = { ...SETTINGS, ...settings, port: String(PORT), ...unixOnly };
	}

	/** Creates `dataDir` where it is missing and finds out how PostgreSQL can be run here. Starts nothing yet. */
	static async open(dataDir: string, settings: Readonly<Record<string, string>> = {}): Promise<PostgresServer> {
		findBinaries(); // before a folder is made on a platform that has none
		await makeFolder(dataDir);
		const real = await realpath(dataDir);
		if (Buffer.byteLength(real) > LONGEST_PATH) throw new Error(`the folder ${real} lies too deep for PostgreSQL`);
		return new PostgresServer(real, settings, await chooseLauncher(join(real, 'postgres')));
	}

	/** The process id of this data folder's server, whoever started it. */
	get pid(): number | undefined {
		return this.isChild ? this.#child?.pid : serverOf(this.#clusterDir);
	}

	/** Whether the server that runs is one that this process started. */
	get isChild(): boolean {
		return this.#child?.pid !== undefined && this.#child.exitCode === null && this.#child.signalCode === null;
	}

	/**
	 * Makes the database's files, and says whether there were none. Several processes may do so at once: each works on a
	 * draft of its own, and only the first rename succeeds. initdb syncs the draft, so what has been renamed is durable.
	 */
	async initialise(signal: AbortSignal): Promise<boolean> {
		if (await this.#isInitialised()) return false;
		signal.throwIfAborted();
		const draft = await mkdtemp(join(this.dataDir, DRAFT));
		try {
			if (this.#launcher.account) await giveTo(this.#launcher.account, draft);
			await fromPlainFolder(this.#binaries, (binaries) => this.#initdb(binaries, draft, signal));
			await rename(draft, this.#clusterDir);
		} catch (error) {
			await rm(draft, UNTIL_REMOVED);
			signal.throwIfAborted();
			if (await this.#isInitialised()) return false; // another start was faster
			throw error;
		}
		for (const folder of [this.dataDir, dirname(this.dataDir)]) await syncFolder(folder);
		return true;
	}

	/** Removes what interrupted attempts of `initialise` left. Only for the process that holds the database. */
	async removeDrafts(): Promise<void> {
		for (const name of await readdir(this.dataDir)) {
			if (name.startsWith(DRAFT)) await rm(join(this.dataDir, name), UNTIL_REMOVED);
		}
	}

	/** Starts the server in a session of its own. Resolves before it accepts connections, or fails to: see `failure`. */
	async spawn(): Promise<void> {
		await this.#prepareFolders();
		const settings = Object.entries(this.#settings).flatMap(([name, value]) => ['-c', `${name}=${value}`]);
		this.#child = this.#launch(join(this.#binaries, 'postgres'), ['-D', this.#clusterDir, ...settings]);
		this.#child.unref();
	}

	/** Why what was launched last ended: the reason that it printed, as one line. */
	async failure(): Promise<string> {
		const printed = (await readFile(this.#logFile)).subarray(this.#logStart).toString().trim().split('\n');
		const fatal = printed.findIndex((line) => /(FATAL|PANIC|initdb: error): /.test(line));
		const telling = fatal < 0 ? printed.slice(-1) : printed.slice(fatal, fatal + 2);
		const reason = telling.map((line) => line.replace(/^\S+ \S+ \S+ \[\d+\] /, '').trim()).join('; ');
		return reason || 'it gave no reason; is the disk full?';
	}

	/** Ends the server, or at once, without a shutdown, one that does not answer: its next start recovers. */
	async stop({ hard = false } = {}): Promise<void> {
		const { pid } = this;
		for (const [signal, patience] of hard ? ENDING.slice(1) : ENDING) {
			if (pid === undefined || this.pid !== pid) break;
			send(pid, signal);
			send(pid, 'SIGCONT'); // a suspended server has to wake up to end
			for (let waited = 0; this.pid === pid && waited < patience; waited += 10) await sleep(10);
		}
		if (dirname(this.socketDir) !== this.dataDir) await rmdir(this.socketDir).catch(() => undefined);
	}

	async #isInitialised(): Promise<boolean> {
		const names = await readdir(this.#clusterDir).catch((error: NodeJS.ErrnoException): string[] => {
			if (error.code === 'ENOENT') return [];
			throw error;
		});
		if (names.length > 0 && !names.includes('PG_VERSION'))
			throw new Error(`${this.#clusterDir} is not a database's folder`);
		return names.length > 0;
	}

	/** Runs initdb to its end; an abort kills it with all its children. */
	async #initdb(binaries: string, folder: string, signal: AbortSignal): Promise<void> {
		const format = ['-D', folder, '-U', SUPERUSER, '-E', 'UTF8', '--no-locale'];
		const access = ['--auth-local=trust', '--auth-host=reject', '--no-instructions'];
		// syncfs makes the same durable in an eighth of the time that an fsync of a thousand files takes.
		const sync = process.platform === 'linux' ? ['--sync-method=syncfs'] : [];
		signal.throwIfAborted();
		const child = this.#launch(join(binaries, 'initdb'), [...format, ...access, ...sync]);
		const killAll = () => child.pid !== undefined && send(-child.pid, 'SIGKILL');
		signal.addEventListener('abort', killAll, { once: true });
		const [code] = await once(child, 'close');
		signal.removeEventListener('abort', killAll);
		if (code !== 0) throw new Error(`initdb failed: ${await this.failure()}`);
	}

	/**
	 * Starts a binary that prints into the log. Detached: neither ctrl-C in the terminal nor this process's death reaches it.
	 * Free of the caller's PG* variables.
	 */
	#launch(binary: string, args: readonly string[]): ChildProcess {
		const { account, prefix } = this.#launcher;
		const [file = '', ...rest] = [...prefix, binary, ...args];
		const log = openSync(this.#logFile, 'a', 0o600);
		try {
			if (fstatSync(log).size > LOG_LIMIT) ftruncateSync(log);
			this.#logStart = fstatSync(log).size;
			const child = spawn(file, rest, {
				...(prefix.length > 0 ? {} : account),
				cwd: '/',
				detached: true,
				env: { PATH: process.env.PATH, LC_ALL: 'C', TZ: 'UTC' },
				stdio: ['ignore', log, log],
			});
			return child.on('error', ({ message }) => appendFileSync(this.#logFile, `FATAL: ${message}\n`));
		} finally {
			closeSync(log);
		}
	}

	async #prepareFolders(): Promise<void> {
		const { account } = this.#launcher;
		if (account && (await lstat(this.#clusterDir)).uid !== account.uid) await giveTo(account, this.#clusterDir);
		await chmod(this.#clusterDir, 0o700); // a copy may have lost it, and PostgreSQL insists
		await mkdir(this.socketDir, { mode: 0o700, recursive: true });
		const folder = await lstat(this.socketDir); // below a shared /tmp another user may have made it first
		const trusted = [process.getuid?.(), account?.uid].includes(folder.uid);
		if (!folder.isDirectory() || !trusted) throw new Error(`${this.socketDir} is not a folder of our own`);
		await chmod(this.socketDir, 0o700);
		if (account) await chown(this.socketDir, account.uid, account.gid);
		for (const lock of [join(this.#clusterDir, 'postmaster.pid'), join(this.socketDir, `.s.PGSQL.${PORT}.lock`)])
			if (isStale(lock, this.#clusterDir)) await rm(lock, { force: true });
	}
}
