import { type ChildProcess, type StdioOptions, spawn } from 'node:child_process';
import { rmSync } from 'node:fs';
import { chmod, chown, lstat, mkdir, mkdtemp, open, readdir, realpath, rename, rm, rmdir } from 'node:fs/promises';
import { dirname, isAbsolute, join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { makeFolder } from '../../runtime/folders.ts';
import {
	chooseLauncher,
	chooseSocketDir,
	exists,
	findBinaries,
	fromPlainFolder,
	giveTo,
	isPostgresOf,
	type Launcher,
	linesOf,
	PORT,
	signalTo,
	syncFolder,
} from './host.ts';

export const SUPERUSER = 'postgres';
const DRAFT = '.initdb-'; // a data folder in the making: becomes `postgres` by one rename when it is whole
const LONGEST_PATH = 900; // bytes: PostgreSQL has room for 1,023 with the names of its own files, and does not check it
const LOG_LIMIT = 16 * 1024 * 1024;
const UNTIL_REMOVED = { recursive: true, force: true, maxRetries: 10, retryDelay: 50 } as const; // initdb may still write

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

type Environment = Readonly<Record<string, string>>;

/** A signal, and how long in ms the server may take to end after it. */
type Step = readonly [signal: NodeJS.Signals, patience: number];

/** The files and the process of one PostgreSQL data folder. Knows nothing of connections. */
export class PostgresServer {
	readonly dataDir: string;
	/** the directory of the Unix socket */
	readonly socketDir: string;
	readonly #clusterDir: string;
	readonly #pidFile: string;
	readonly #logFile: string;
	readonly #settings: Environment;
	readonly #launcher: Launcher;
	readonly #binaries = findBinaries();
	#child: ChildProcess | undefined;
	#spawnError: Error | undefined;
	#logStart = 0;

	private constructor(dataDir: string, settings: Environment, launcher: Launcher) {
		this.dataDir = dataDir;
		this.#clusterDir = join(dataDir, 'postgres');
		this.#pidFile = join(this.#clusterDir, 'postmaster.pid');
		this.#logFile = join(dataDir, 'postgres.log');
		this.#launcher = launcher;
		// A server that runs says where its socket is: TMPDIR may have been another one then.
		const running = this.pid === undefined ? undefined : linesOf(this.#pidFile)[4];
		this.socketDir = running && isAbsolute(running) ? running : chooseSocketDir(dataDir);
		const socketDir = `"${this.socketDir.replaceAll('"', '""')}"`; // an element of a comma-separated list
		const unixOnly = { listen_addresses: '', unix_socket_directories: socketDir, unix_socket_permissions: '0700' };
		this.#settings = { ...SETTINGS, ...settings, port: String(PORT), ...unixOnly };
	}

	/** Creates `dataDir` where it is missing and finds out how PostgreSQL can be run here. Starts nothing yet. */
	static async open(dataDir: string, settings: Environment = {}): Promise<PostgresServer> {
		findBinaries(); // before a folder is made on a platform that has none
		await makeFolder(dataDir);
		const real = await realpath(dataDir);
		if (Buffer.byteLength(real) > LONGEST_PATH) throw new Error(`the folder ${real} lies too deep for PostgreSQL`);
		return new PostgresServer(real, settings, await chooseLauncher(join(real, 'postgres')));
	}

	/** The process id of this data folder's server, whoever started it. */
	get pid(): number | undefined {
		if (this.isChild) return this.#child?.pid;
		const pid = Number.parseInt(linesOf(this.#pidFile)[0] ?? '', 10);
		return pid > 0 && isPostgresOf(pid, this.#clusterDir) ? pid : undefined;
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
			signal.throwIfAborted();
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
		const log = await open(this.#logFile, 'a', 0o600);
		try {
			if ((await log.stat()).size > LOG_LIMIT) await log.truncate();
			this.#logStart = (await log.stat()).size;
			const settings = Object.entries(this.#settings).flatMap(([name, value]) => ['-c', `${name}=${value}`]);
			const child = this.#launch(
				join(this.#binaries, 'postgres'),
				['-D', this.#clusterDir, ...settings],
				['ignore', log.fd, log.fd],
			);
			this.#spawnError = undefined;
			child.on('error', (error) => {
				this.#spawnError = error;
			});
			child.unref();
			this.#child = child;
		} finally {
			await log.close();
		}
	}

	/** Why the server that `spawn` started ended, in one line. */
	async failure(): Promise<string> {
		if (this.#spawnError) return this.#spawnError.message;
		const log = await open(this.#logFile);
		try {
			const { bytesRead, buffer } = await log.read(Buffer.alloc(65_536), 0, 65_536, this.#logStart);
			return telling(buffer.toString('utf8', 0, bytesRead));
		} finally {
			await log.close();
		}
	}

	/** Ends the server: fast shutdown, after 5 s an immediate one. Resolves when it is gone. */
	async stop(): Promise<void> {
		await this.#end(['SIGINT', 5000], ['SIGQUIT', 7000], ['SIGKILL', 5000]); // SIGQUIT: up to 5 s for its children
		if (dirname(this.socketDir) !== this.dataDir) await rmdir(this.socketDir).catch(() => undefined);
	}

	/** Ends a server that does not answer; its next start recovers. */
	async kill(): Promise<void> {
		await this.#end(['SIGQUIT', 2000], ['SIGKILL', 5000]);
	}

	async #end(...steps: readonly Step[]): Promise<void> {
		const pid = this.pid;
		for (const [signal, patience] of steps) {
			if (pid === undefined || this.pid !== pid) return;
			signalTo(pid, signal);
			if (signal === 'SIGQUIT') signalTo(pid, 'SIGCONT'); // a suspended server has to wake up to end
			for (let waited = 0; this.pid === pid && waited < patience; waited += 10) await sleep(10);
		}
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
		const child = this.#launch(join(binaries, 'initdb'), [...format, ...access, ...sync], ['ignore', 'ignore', 'pipe']);
		const killAll = () => child.pid !== undefined && signalTo(-child.pid, 'SIGKILL');
		signal.addEventListener('abort', killAll, { once: true });
		try {
			await new Promise<void>((done, failed) => {
				let complaint = '';
				child.stderr?.on('data', (chunk: Buffer) => {
					complaint += chunk;
				});
				child.on('error', failed);
				child.on('close', (code) => (code === 0 ? done() : failed(new Error(`initdb failed: ${telling(complaint)}`))));
			});
		} finally {
			signal.removeEventListener('abort', killAll);
		}
	}

	/** Detached: neither ctrl-C in the terminal nor this process's death reaches the child. Free of the caller's PG* variables. */
	#launch(binary: string, args: readonly string[], stdio: StdioOptions): ChildProcess {
		const [file = '', ...rest] = [...this.#launcher.prefix, binary, ...args];
		const env = { PATH: process.env.PATH, LC_ALL: 'C', TZ: 'UTC' };
		return spawn(file, rest, { ...this.#launcher.options, cwd: '/', detached: true, env, stdio });
	}

	async #prepareFolders(): Promise<void> {
		const { account } = this.#launcher;
		if (account && (await lstat(this.#clusterDir)).uid !== account.uid) await giveTo(account, this.#clusterDir);
		await chmod(this.#clusterDir, 0o700); // a copy may have lost it, and PostgreSQL insists
		await mkdir(this.socketDir, { mode: 0o700 }).catch((error: NodeJS.ErrnoException) => {
			if (error.code !== 'EEXIST') throw error;
		});
		const folder = await lstat(this.socketDir); // below a shared /tmp somebody else may have been there first
		const trusted = [process.getuid?.(), account?.uid].includes(folder.uid);
		if (!folder.isDirectory() || !trusted) throw new Error(`${this.socketDir} is not a folder of our own`);
		await chmod(this.socketDir, 0o700);
		if (account) await chown(this.socketDir, account.uid, account.gid);
		this.#dropStale(this.#pidFile);
		this.#dropStale(join(this.socketDir, `.s.PGSQL.${PORT}.lock`));
	}

	/** A lock file from before a reboot whose process id is a stranger's now would keep PostgreSQL from starting. */
	#dropStale(lockFile: string): void {
		const pid = Math.abs(Number.parseInt(linesOf(lockFile)[0] ?? '', 10)); // negative: of a single-user postgres
		if (pid > 0 && exists(pid) && !isPostgresOf(pid, this.#clusterDir)) rmSync(lockFile, { force: true });
	}
}

/** The reason in what a program of PostgreSQL printed, as one line. */
function telling(printed: string): string {
	const lines = printed.trim().split('\n');
	const fatal = lines.findIndex((line) => /(FATAL|PANIC|initdb: error): /.test(line));
	const last = fatal < 0 ? lines.slice(-1) : lines.slice(fatal, fatal + 2);
	return (
		last.map((line) => line.replace(/^\S+ \S+ \S+ \[\d+\] /, '').trim()).join('; ') ||
		'it gave no reason; is the disk full?'
	);
}
