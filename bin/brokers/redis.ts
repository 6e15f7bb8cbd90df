import { spawn, spawnSync } from 'node:child_process';
import { readFileSync } from 'node:fs';
import { mkdir, open, readFile, realpath, rm } from 'node:fs/promises';
import { connect } from 'node:net';
import { join } from 'node:path';
import { setTimeout as pause } from 'node:timers/promises';
import { Redis } from 'ioredis';
import { type Duration, MINUTE, SECOND } from '../../domain/time.ts';
import { installDebianPackages } from './debian.ts';
import type { BrokerKind, LocalBroker, LocalBrokerOptions } from './local-broker.ts';
import { familyOf, isAlive, signalTo, worksIn } from './processes.ts';

const HOST = '127.0.0.1';
const PID_FILE = 'redis.pid';
const LOG_FILE = 'redis.log';
/** A start reads the whole append-only file first. */
const START_PATIENCE: Duration = 2 * MINUTE;
const STOP_PATIENCE: Duration = MINUTE;
const ANSWER_PATIENCE: Duration = 2 * SECOND;
const PORT_PATIENCE: Duration = 2 * SECOND;
const POLL: Duration = 20;

/** Every write is on the disk before it is answered, and nothing is ever evicted. */
const DURABLE: Readonly<Record<string, string>> = {
	appendonly: 'yes',
	appendfsync: 'always',
	save: '',
	'maxmemory-policy': 'noeviction',
};

export const redis: BrokerKind = {
	scheme: 'redis',
	defaultPort: 6379,
	installed: async () => spawnSync('redis-server', ['--version']).status === 0,
	install: async () => {
		if (!(await redis.installed())) await installDebianPackages('redis-server');
	},
	local: (options) => new LocalRedis(options),
};

/** Debian's redis-server on a folder and a port of its own; it outlives the process that started it. */
export class LocalRedis implements LocalBroker {
	readonly url: string;
	readonly #folder: string;
	readonly #port: number;
	readonly #settings: Readonly<Record<string, string>>;

	/** `settings` are Redis's own (`redis.conf`), beside the durable ones or in their place. */
	constructor({ folder, port }: LocalBrokerOptions, settings: Readonly<Record<string, string>> = {}) {
		this.url = `redis://${HOST}:${port}`;
		this.#folder = folder;
		this.#port = port;
		this.#settings = { ...DURABLE, ...settings };
	}

	async up(): Promise<void> {
		await mkdir(this.#folder, { recursive: true });
		const running = await this.pid();
		const port = running === undefined ? undefined : portOf(running);
		if (port !== undefined && port !== this.#port)
			throw new Error(`the Redis of ${this.#folder} runs on port ${port} already`);
		if (running === undefined) await this.#portIsFree();
		await this.#answers(running ?? (await this.#start()));
	}

	async down(): Promise<void> {
		await this.#end('SIGTERM');
	}

	async kill(): Promise<void> {
		await this.#end('SIGKILL');
	}

	async wipe(): Promise<void> {
		if ((await this.pid()) !== undefined) throw new Error(`the Redis of ${this.#folder} runs`);
		await rm(this.#folder, { recursive: true, force: true });
	}

	/** The process that runs on this folder, by its pid file; undefined if it does not run. */
	async pid(): Promise<number | undefined> {
		const text = await readFile(join(this.#folder, PID_FILE), 'utf8').catch(() => '');
		const pid = Number.parseInt(text, 10);
		return pid > 0 && isAlive(pid) && worksIn(pid, await realpath(this.#folder)) ? pid : undefined;
	}

	/** One that was killed a moment ago may still hold the port. */
	async #portIsFree(): Promise<void> {
		const deadline = performance.now() + PORT_PATIENCE;
		while (await isTaken(this.#port)) {
			if (performance.now() > deadline)
				throw new Error(`port ${this.#port} is taken by something else than the Redis of ${this.#folder}`);
			await pause(POLL);
		}
	}

	async #start(): Promise<number> {
		const log = await open(join(this.#folder, LOG_FILE), 'a');
		try {
			const own = { port: String(this.#port), bind: HOST, dir: '.', pidfile: join('.', PID_FILE), ...this.#settings };
			const args = Object.entries(own).flatMap(([name, value]) => [`--${name}`, value]);
			const child = spawn('redis-server', args, {
				cwd: this.#folder,
				detached: true, // no signal of a terminal or a test run reaches it
				stdio: ['ignore', log.fd, log.fd],
			});
			await new Promise<void>((resolve, reject) => {
				child.once('spawn', resolve);
				child.once('error', ({ message }) => reject(new Error(`redis-server cannot be started: ${message}`)));
			});
			child.unref();
			return child.pid ?? Number.NaN;
		} finally {
			await log.close();
		}
	}

	/** Waits until it has read its data and answers, and makes sure that it is this one and no other. */
	async #answers(pid: number): Promise<void> {
		const deadline = performance.now() + START_PATIENCE;
		while ((await this.#processId()) !== pid) {
			if (!isAlive(pid)) throw new Error(`Redis ended while it started; see ${this.#logFile}`);
			if (performance.now() > deadline) throw new Error(`Redis does not answer on ${this.url}; see ${this.#logFile}`);
			await pause(POLL);
		}
	}

	/** The process id of whoever answers on our port, once it has read its data. */
	async #processId(): Promise<number | undefined> {
		const client = new Redis(this.#port, HOST, {
			lazyConnect: true,
			retryStrategy: () => null,
			enableReadyCheck: false,
			connectTimeout: ANSWER_PATIENCE,
			commandTimeout: ANSWER_PATIENCE,
			...(this.#settings.requirepass === undefined ? {} : { password: this.#settings.requirepass }),
		});
		client.on('error', () => {});
		try {
			await client.connect();
			const info = await client.info();
			return info.includes('loading:0') ? Number(/process_id:(\d+)/.exec(info)?.[1]) : undefined;
		} catch {
			return undefined;
		} finally {
			if (client.status !== 'end') client.disconnect(); // else ioredis would wait for two seconds more
		}
	}

	async #end(signal: 'SIGTERM' | 'SIGKILL'): Promise<void> {
		const pid = await this.pid();
		if (pid === undefined) return;
		// A rewrite of the append-only file runs in a child.
		const family = signal === 'SIGKILL' ? [pid, ...familyOf(pid)] : [pid];
		for (const member of family) signalTo(member, signal);
		const deadline = performance.now() + STOP_PATIENCE;
		while (family.some(isAlive)) {
			if (performance.now() > deadline) throw new Error(`Redis (process ${pid}) does not end; see ${this.#logFile}`);
			await pause(POLL);
		}
	}

	get #logFile(): string {
		return join(this.#folder, LOG_FILE);
	}
}

/** The port of a running server, which Redis writes into its title: `redis-server 127.0.0.1:6379`. */
function portOf(pid: number): number | undefined {
	try {
		const port = /:(\d+)/.exec(readFileSync(`/proc/${pid}/cmdline`, 'utf8'))?.[1];
		return port === undefined ? undefined : Number(port);
	} catch {
		return undefined;
	}
}

/** Whether anything listens on a port of this machine. */
function isTaken(port: number): Promise<boolean> {
	return new Promise((resolve) => {
		const socket = connect({ port, host: HOST });
		const answer = (taken: boolean): void => {
			socket.destroy();
			resolve(taken);
		};
		socket.once('connect', () => answer(true));
		socket.once('error', () => answer(false));
	});
}
