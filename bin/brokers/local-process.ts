import { type ChildProcess, spawn } from 'node:child_process';
import { mkdir, open, readFile, realpath, rm, writeFile } from 'node:fs/promises';
import { join, resolve } from 'node:path';
import { setTimeout as pause } from 'node:timers/promises';
import { type Duration, MINUTE, SECOND } from '../../domain/time.ts';
import type { LocalBroker, LocalBrokerOptions } from './local-broker.ts';
import { freePort, HOST, isFree } from './ports.ts';
import { familyOf, isAlive, signalTo, worksIn } from './processes.ts';

/** A start reads what is stored first. */
const LONGEST_START: Duration = 2 * MINUTE;
const LONGEST_STOP: Duration = MINUTE;
/** One that was killed a moment ago may still hold its port. */
const LONGEST_HOLD: Duration = 2 * SECOND;
const POLL: Duration = 50;
const STARTS = 3;
const COMPLAINTS = 8;

const PID_FILE = 'pid';
const PORTS_FILE = 'ports.json';
const LOG_FILE = 'output.log';

/** How to start a broker's process; it works in the broker's folder. */
export interface Launch {
	readonly program: string;
	readonly args: readonly string[];
	/** the one of this process unless given */
	readonly env?: Readonly<Record<string, string>>;
}

export type Ports = Readonly<Record<string, number>>;

/**
 * A broker as one process on a folder and a port of its own; it outlives the process that started it. The folder holds
 * its process id: whoever comes with the same folder takes it over.
 */
export abstract class LocalProcess implements LocalBroker {
	abstract readonly url: string;
	protected readonly folder: string;
	protected readonly port: number;
	readonly #name: string;
	readonly #further: readonly string[];
	/** the process that this object started last */
	#child: ChildProcess | undefined;

	/** `further` names ports that it needs beside the one for clients. */
	constructor(name: string, { folder, port }: LocalBrokerOptions, further: readonly string[] = []) {
		this.#name = name;
		this.folder = resolve(folder);
		this.port = port;
		this.#further = further;
	}

	/** Puts into the folder what the broker reads at its start. */
	protected abstract prepare(ports: Ports): Promise<Launch>;

	/** Whether this process serves its clients; nobody else listened on the port when it started. */
	protected abstract isReady(pid: number): Promise<boolean>;

	/** Ends what the broker leaves running. */
	protected async cleanUp(): Promise<void> {}

	async up(): Promise<void> {
		await mkdir(this.folder, { recursive: true });
		for (let tries = 1; ; tries += 1) {
			const running = await this.pid();
			if (running !== this.#child?.pid) this.#child = undefined;
			if (await this.#answers(running ?? (await this.#start()))) return;
			// Somebody may have taken one of its further ports in just that moment.
			if (tries === STARTS) throw new Error(`${this.#name} does not stay up; ${await this.#whereToLook()}`);
			await pause(tries * SECOND);
		}
	}

	async down(): Promise<void> {
		const pid = await this.pid();
		if (pid !== undefined) {
			const children = familyOf(pid);
			signalTo(pid, 'SIGTERM');
			await this.#gone([pid]);
			// They mostly follow by themselves.
			await until(async () => !children.some(isAlive), SECOND);
			for (const child of children) signalTo(child, 'SIGKILL');
		}
		await this.cleanUp();
	}

	async kill(): Promise<void> {
		const pid = await this.pid();
		if (pid !== undefined) {
			const family = [pid, ...familyOf(pid)];
			for (const member of family) signalTo(member, 'SIGKILL');
			await this.#gone(family);
		}
		await this.cleanUp();
	}

	async wipe(): Promise<void> {
		if ((await this.pid()) !== undefined) throw new Error(`the ${this.#name} of ${this.folder} runs: its data stays`);
		await rm(this.folder, { recursive: true, force: true, maxRetries: 10, retryDelay: 50 });
	}

	/** The process that runs on this folder; undefined if it does not run. */
	async pid(): Promise<number | undefined> {
		const pid = Number.parseInt(await this.#read(PID_FILE), 10);
		return pid > 0 && isAlive(pid) && worksIn(pid, await realpath(this.folder)) ? pid : undefined;
	}

	/** All its ports, the one for clients too: kept in the folder, so that a later start and tools find them. */
	protected async ports(): Promise<Ports> {
		const known = await this.#read(PORTS_FILE);
		return known === '' ? this.#choosePorts({}) : JSON.parse(known);
	}

	/** Those of before; another one where somebody else has taken it meanwhile. */
	async #choosePorts(before: Ports): Promise<Ports> {
		const ports: Record<string, number> = { clients: this.port };
		for (const name of this.#further) {
			const known = before[name];
			ports[name] = known !== undefined && (await isFree(known)) ? known : await freePort();
		}
		await mkdir(this.folder, { recursive: true });
		await writeFile(join(this.folder, PORTS_FILE), JSON.stringify(ports));
		return ports;
	}

	async #start(): Promise<number> {
		if (!(await until(() => isFree(this.port), LONGEST_HOLD)))
			throw new Error(`port ${this.port} on ${HOST} is taken by another program`);
		const { program, args, env } = await this.prepare(await this.#choosePorts(await this.ports()));
		const log = await open(join(this.folder, LOG_FILE), 'a');
		try {
			const child = spawn(program, args, {
				cwd: this.folder,
				env: env ?? process.env,
				detached: true, // no signal of a terminal or a test run reaches it
				stdio: ['ignore', log.fd, log.fd],
			});
			const pid = await new Promise<number>((started, failed) => {
				child.once('spawn', () => started(child.pid ?? Number.NaN));
				child.once('error', ({ message }) => failed(new Error(`${program} cannot be started: ${message}`)));
			});
			await writeFile(join(this.folder, PID_FILE), `${pid}\n`);
			child.unref();
			this.#child = child;
			return pid;
		} finally {
			await log.close();
		}
	}

	/** Waits until it serves; false if it ends before. */
	async #answers(pid: number): Promise<boolean> {
		const { clients } = await this.ports();
		if (clients !== this.port) throw new Error(`the ${this.#name} of ${this.folder} runs on port ${clients} already`);
		const hasEnded = (): boolean => {
			if (this.#child === undefined) return !isAlive(pid);
			return this.#child.exitCode !== null || this.#child.signalCode !== null;
		};
		let isReady = false;
		const isDecided = async (): Promise<boolean> => {
			isReady = await this.isReady(pid);
			return isReady || hasEnded();
		};
		if (!(await until(isDecided, LONGEST_START)))
			throw new Error(`${this.#name} does not answer on ${HOST}:${this.port}; ${await this.#whereToLook()}`);
		return isReady;
	}

	async #gone(pids: readonly number[]): Promise<void> {
		if (!(await until(async () => !pids.some(isAlive), LONGEST_STOP)))
			throw new Error(`${this.#name} (process ${pids[0]}) does not end; ${await this.#whereToLook()}`);
	}

	/** The file that holds its output, and the last errors in it, each on a line. */
	async #whereToLook(): Promise<string> {
		const lines = (await this.#read(LOG_FILE)).split('\n').filter((line) => /\b(error|fatal)\b|exception:/i.test(line));
		const last = lines.slice(-COMPLAINTS).map((line) => `\n${line.slice(0, 300)}`);
		return `see ${join(this.folder, LOG_FILE)}${last.join('')}`;
	}

	/** Empty if there is no such file. */
	#read(name: string): Promise<string> {
		return readFile(join(this.folder, name), 'utf8').catch(() => '');
	}
}

/** Whether a condition came true within `patience`. */
export async function until(condition: () => Promise<boolean>, patience: Duration): Promise<boolean> {
	const deadline = performance.now() + patience;
	while (!(await condition())) {
		if (performance.now() > deadline) return false;
		await pause(POLL);
	}
	return true;
}
