/** The real system as a child process, on a data folder of its own below the temporary folder. */
import { type ChildProcess, spawn, spawnSync } from 'node:child_process';
import { rmSync } from 'node:fs';
import { mkdir, mkdtemp, realpath } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join, resolve } from 'node:path';
import { createInterface } from 'node:readline';
import pg from 'pg';
import { chooseSocketDir, PORT, send, serverOf } from '../../mixins/database/embedded/host.ts';
import { until } from './until.ts';

export const ROOT = resolve(import.meta.dirname, '../..');
/** So many of the last lines of each process are kept. */
export const KEPT_LINES = 2_000;
const LISTENS = /listens on (http:\/\/\S+?);/;
const PROBES = /^Health and metrics at (http:\/\/\S+)$/;
const STARTED = /^Protected Payment (?:listens|runs) /;
const NODE = /; node (\S+);/;

export type Environment = Readonly<Record<string, string>>;

export interface Exit {
	readonly code: number | null;
	readonly signal: NodeJS.Signals | null;
}

/** One process of the system, from its start to its end. */
export class Running {
	readonly pid: number;
	readonly startedAt = performance.now();
	/** what it printed, the last lines of it */
	readonly lines: string[] = [];
	/** the same of standard error alone */
	readonly errors: string[] = [];
	/** resolves when the process has ended, however, and all it printed is in `lines` */
	readonly exited: Promise<Exit>;
	/** where it listens; rejects if it ends before */
	readonly listening: Promise<string>;
	/** whether it has said that it is through its start */
	started = false;
	/** where it answers for its health; undefined before it does */
	probeUrl: string | undefined;
	/** its id among several, once it runs */
	nodeID: string | undefined;
	exit: Exit | undefined;
	url: string | undefined;
	readonly #child: ChildProcess;

	/** `hear` is told each line that it prints; `root` is the folder of another release. */
	constructor(
		entry: string,
		args: readonly string[],
		env: Environment,
		hear?: (line: string) => void,
		root: string = ROOT,
	) {
		// In the group of the test run: ctrl-C in the terminal ends it too.
		const { PATH = '', HOME = '/', TMPDIR = tmpdir() } = process.env;
		this.#child = spawn(process.execPath, [join(root, entry), ...args], {
			cwd: root,
			env: { PATH, HOME, TMPDIR, NODE_COMPILE_CACHE: join(root, 'node_modules/.cache/compile'), ...env },
			stdio: ['ignore', 'pipe', 'pipe'],
		});
		if (this.#child.pid === undefined) throw new Error(`${entry} could not be started`);
		this.pid = this.#child.pid;
		const { promise, resolve: found, reject } = Promise.withResolvers<string>();
		this.listening = promise;
		promise.catch(() => {}); // nobody may be interested
		this.#read(this.#child.stdout, (line) => {
			hear?.(line);
			this.probeUrl ??= PROBES.exec(line)?.[1];
			this.nodeID ??= NODE.exec(line)?.[1];
			this.started ||= STARTED.test(line);
			const url = LISTENS.exec(line)?.[1];
			if (url === undefined) return;
			this.url = url;
			found(url);
		});
		this.#read(this.#child.stderr, (line) => {
			hear?.(line);
			this.errors.push(line);
		});
		this.exited = new Promise((ended) => {
			this.#child.once('exit', (code, signal) => {
				this.exit = { code, signal };
				this.url = undefined;
			});
			this.#child.once('close', (code, signal) => {
				reject(new Error(`the process ended (${signal ?? code}) before it listened:\n${this.lines.join('\n')}`));
				ended({ code, signal });
			});
		});
	}

	signal(signal: NodeJS.Signals): void {
		if (this.exit === undefined) this.#child.kill(signal);
	}

	kill(): Promise<Exit> {
		this.signal('SIGKILL');
		return this.exited;
	}

	/** SIGTERM, and the way it ended. */
	stop(): Promise<Exit> {
		this.signal('SIGTERM');
		return this.exited;
	}

	#read(stream: NodeJS.ReadableStream | null, each: (line: string) => void): void {
		if (stream === null) return;
		createInterface({ input: stream }).on('line', (line) => {
			this.lines.push(line);
			if (this.lines.length > KEPT_LINES) this.lines.shift();
			each(line);
		});
	}
}

/** A data folder and whatever runs on it, one process after another. */
export class System {
	readonly dataDir: string;
	readonly #env: Environment;
	readonly #root: string;
	readonly #hear: ((line: string) => void) | undefined;
	readonly #all: Running[] = [];
	#current: Running | undefined;
	#pool: pg.Pool | undefined;

	private constructor(root: string, dataDir: string, env: Environment, hear?: (line: string) => void) {
		this.#hear = hear;
		this.#root = root;
		this.dataDir = dataDir;
		this.#env = env;
	}

	/** `env` is what all its processes are started with; `hear` is told each line that they print. */
	static async create(env: Environment = {}, hear?: (line: string) => void): Promise<System> {
		const root = await realpath(await mkdtemp(join(tmpdir(), 'pp-system-')));
		await mkdir(join(root, 'data'));
		return new System(root, join(root, 'data'), env, hear);
	}

	/** Starts a process; does not wait for anything. */
	start(env: Environment = {}): Running {
		this.#current = this.run('bin/start.ts', [], env);
		return this.#current;
	}

	/** Any program of the project with this system's environment. */
	run(entry: string, args: readonly string[], env: Environment = {}): Running {
		const environment = { DATA_DIR: this.dataDir, PORT: '0', ...this.#env, ...env };
		const running = new Running(entry, args, environment, this.#hear);
		this.#all.push(running);
		return running;
	}

	/** Starts a process and waits until it listens. */
	async up(env: Environment = {}): Promise<Running> {
		const running = this.start(env);
		await running.listening;
		return running;
	}

	/** Where the latest process listens; undefined while none does. */
	readonly url = (): string | undefined => this.#current?.url;

	/** The process id of this folder's PostgreSQL, whoever started it. */
	async postgresPid(): Promise<number | undefined> {
		return serverOf(join(this.dataDir, 'postgres'));
	}

	/** kill -9 of the process and of PostgreSQL with all its children. */
	async killTree(): Promise<void> {
		const postgres = await this.postgresPid();
		const family = postgres === undefined ? [] : [postgres, ...childrenOf(postgres)];
		this.#current?.signal('SIGKILL');
		for (const pid of family) send(pid, 'SIGKILL');
		await this.#current?.exited;
	}

	/** Restarts PostgreSQL in immediate mode: it ends at once, and whoever looks after it has to start it again. */
	async crashPostgres(): Promise<void> {
		const postgres = await this.postgresPid();
		if (postgres !== undefined) send(postgres, 'SIGQUIT');
	}

	/** One statement through PostgreSQL's own socket, past the system. */
	async sql<R extends pg.QueryResultRow>(text: string, values: readonly unknown[] = []): Promise<R[]> {
		if (this.#pool === undefined) {
			const host = chooseSocketDir(this.dataDir);
			this.#pool = new pg.Pool({ host, port: PORT, user: 'postgres', database: 'protected_payment', max: 4 });
			this.#pool.on('error', () => {}); // PostgreSQL is killed now and then
		}
		return (await this.#pool.query<R>(text, [...values])).rows;
	}

	/** Ends whatever runs here and removes the folder. */
	async dispose(): Promise<void> {
		for (const running of this.#all) await running.kill();
		await this.#pool?.end();
		const postgres = await this.postgresPid();
		if (postgres !== undefined) {
			send(postgres, 'SIGQUIT');
			await until(() => !isAlive(postgres));
		}
		rmSync(this.#root, { recursive: true, force: true, maxRetries: 10, retryDelay: 50 });
	}
}

function childrenOf(parent: number): number[] {
	const { stdout } = spawnSync('ps', ['-eo', 'pid=,ppid='], { encoding: 'utf8' });
	return stdout.split('\n').flatMap((line) => {
		const [pid = Number.NaN, ppid] = line.trim().split(/\s+/).map(Number);
		return ppid === parent ? [pid] : [];
	});
}

/** Whether a process lives; a zombie that init has not collected yet does not. */
export function isAlive(pid: number): boolean {
	const { stdout } = spawnSync('ps', ['-o', 'stat=', '-p', String(pid)], { encoding: 'utf8' });
	return /^[^Z]/.test(stdout.trim());
}
