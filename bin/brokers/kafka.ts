import { type ChildProcess, spawn, spawnSync } from 'node:child_process';
import { randomBytes } from 'node:crypto';
import { existsSync } from 'node:fs';
import { mkdir, open, readFile, realpath, rename, rm, writeFile } from 'node:fs/promises';
import { join, resolve } from 'node:path';
import { setTimeout as pause } from 'node:timers/promises';
import { type Duration, MINUTE, SECOND } from '../../domain/time.ts';
import { createClient, parseKafkaUrl } from '../../mixins/brokers/kafka/index.ts';
import { installDebianPackages } from './debian.ts';
import type { BrokerKind, LocalBroker, LocalBrokerOptions } from './local-broker.ts';
import { freePort, HOST, isFree, isListening } from './ports.ts';
import { isAlive, signalTo, worksIn } from './processes.ts';

const PID_FILE = 'kafka.pid';
const LOG_FILE = 'kafka.log';
const CONTROLLER_PORT_FILE = 'controller-port';
const START_PATIENCE: Duration = 2 * MINUTE;
const STOP_PATIENCE: Duration = MINUTE;
const POLL: Duration = 50;
/** Maven Central drops a connection now and then. */
const DOWNLOADS = 4;
const STARTS = 3;
const COMPLAINTS = 8;
const OLDEST_JAVA = 17;
const JAVA_PACKAGE = 'default-jre-headless';

const TEMPLATES = join(import.meta.dirname, 'kafka');
const TOOLS = resolve(import.meta.dirname, '../../.tools/kafka');
/** There only when it is whole. */
const JARS = join(TOOLS, 'jars');

export const kafka: BrokerKind = {
	scheme: 'kafka',
	defaultPort: 9092,
	installed: async () => existsSync(JARS) && javaVersion() >= OLDEST_JAVA,
	install: async () => {
		if (javaVersion() < OLDEST_JAVA) {
			await installDebianPackages(JAVA_PACKAGE);
			const found = javaVersion();
			if (found < OLDEST_JAVA) throw new Error(`Kafka needs Java ${OLDEST_JAVA}, and \`java\` is version ${found}`);
		}
		if (existsSync(JARS)) return;
		if (!runs('mvn', '-version')) await installDebianPackages('maven');
		await download();
	},
	local: (options) => new LocalKafka(options),
};

/** The major version of the `java` on the path; 0 if there is none. */
function javaVersion(): number {
	const { stderr } = spawnSync('java', ['-version'], { encoding: 'utf8' });
	return Number(/version "(\d+)/.exec(stderr ?? '')?.[1] ?? 0);
}

const runs = (program: string, ...args: string[]): boolean => spawnSync(program, args).status === 0;

/** Kafka's own jars from Maven Central, into a draft that is renamed when it is whole. */
async function download(): Promise<void> {
	const draft = join(TOOLS, 'draft');
	await rm(draft, { recursive: true, force: true });
	const goal = ['dependency:copy-dependencies', '-DincludeScope=runtime', `-DoutputDirectory=${draft}`];
	for (let tries = 1; ; tries += 1) {
		const args = ['-B', '-q', '-f', join(TEMPLATES, 'pom.xml'), ...goal];
		const { status, stdout } = spawnSync('mvn', args, { encoding: 'utf8' });
		if (status === 0) break;
		if (tries === DOWNLOADS) throw new Error(`Maven could not bring Kafka's jars:\n${(stdout ?? '').slice(-2_000)}`);
		await pause(tries * SECOND);
	}
	await rename(draft, JARS);
}

/** Apache Kafka in KRaft mode, on a folder and ports of its own; it outlives the process that started it. */
export class LocalKafka implements LocalBroker {
	readonly url: string;
	readonly #folder: string;
	readonly #port: number;
	readonly #settings: Readonly<Record<string, string>>;
	/** the process that this object started last */
	#child: ChildProcess | undefined;

	/** `settings` are Kafka's own (`server.properties`), in the place of ours. */
	constructor({ folder, port }: LocalBrokerOptions, settings: Readonly<Record<string, string>> = {}) {
		this.url = `kafka://${HOST}:${port}`;
		this.#folder = folder;
		this.#port = port;
		this.#settings = settings;
	}

	async up(): Promise<void> {
		await mkdir(this.#folder, { recursive: true });
		for (let tries = 1; ; tries += 1) {
			const running = await this.pid();
			if (running === undefined) {
				if (!(await isFree(this.#port)))
					throw new Error(`port ${this.#port} is taken by something else than the Kafka of ${this.#folder}`);
				await this.#start();
			} else if (running !== this.#child?.pid) this.#child = undefined;
			if (await this.#answers()) return;
			// Somebody may have taken its controller's port in just that moment.
			if (tries === STARTS) throw new Error(`Kafka does not stay up; see ${this.#logFile}${await this.#complaints()}`);
			await pause(tries * SECOND);
		}
	}

	async down(): Promise<void> {
		await this.#end('SIGTERM');
	}

	async kill(): Promise<void> {
		await this.#end('SIGKILL');
	}

	async wipe(): Promise<void> {
		if ((await this.pid()) !== undefined) throw new Error(`the Kafka of ${this.#folder} runs`);
		await rm(this.#folder, { recursive: true, force: true });
	}

	/** The process that runs on this folder, by its pid file; undefined if it does not run. */
	async pid(): Promise<number | undefined> {
		const text = await readFile(join(this.#folder, PID_FILE), 'utf8').catch(() => '');
		const pid = Number.parseInt(text, 10);
		return pid > 0 && isAlive(pid) && worksIn(pid, await realpath(this.#folder)) ? pid : undefined;
	}

	async #start(): Promise<void> {
		const properties = join(this.#folder, 'server.properties');
		const template = await readFile(join(TEMPLATES, 'server.properties'), 'utf8');
		const values: Readonly<Record<string, string>> = {
			PORT: String(this.#port),
			CONTROLLER_PORT: String(await this.#controllerPort()),
			DATA: join(await realpath(this.#folder), 'data'),
		};
		const filled = template.replaceAll(/\{(\w+)\}/g, (_, name: string) => values[name] ?? '');
		const further = Object.entries(this.#settings).map(([name, value]) => `${name}=${value}\n`);
		await writeFile(properties, `${filled}${further.join('')}`); // of two lines for one name Java takes the later
		this.#format(properties);
		const log = await open(join(this.#folder, LOG_FILE), 'a');
		try {
			const child = spawn('java', [...JVM, ...CLASSPATH, 'kafka.Kafka', properties], {
				cwd: this.#folder,
				detached: true, // no signal of a terminal or a test run reaches it
				stdio: ['ignore', log.fd, log.fd],
			});
			await new Promise<void>((started, failed) => {
				child.once('spawn', started);
				child.once('error', ({ message }) => failed(new Error(`java cannot be started: ${message}`)));
			});
			await writeFile(join(this.#folder, PID_FILE), String(child.pid));
			child.unref();
			this.#child = child;
		} finally {
			await log.close();
		}
	}

	/** Gives a folder without data a cluster's id; one with data stays as it is. */
	#format(properties: string): void {
		if (existsSync(join(this.#folder, 'data/meta.properties'))) return; // written last
		const args = [...CLASSPATH, 'kafka.tools.StorageTool', 'format', '-t', clusterId(), '-c', properties];
		const { status, stdout, stderr } = spawnSync('java', ['-Xmx256m', ...args], { encoding: 'utf8' });
		if (status !== 0) throw new Error(`Kafka's folder could not be prepared:\n${`${stdout}${stderr}`.slice(-2_000)}`);
	}

	/** The same as before, so that it can be found; another one if somebody else has taken it meanwhile. */
	async #controllerPort(): Promise<number> {
		const file = join(this.#folder, CONTROLLER_PORT_FILE);
		const before = Number(await readFile(file, 'utf8').catch(() => ''));
		if (before > 0 && (await isFree(before))) return before;
		const port = await freePort();
		await writeFile(file, String(port));
		return port;
	}

	/** Waits until it leads its cluster of one; false if it ends before. */
	async #answers(): Promise<boolean> {
		const deadline = performance.now() + START_PATIENCE;
		while (!(await this.#isReady())) {
			if (await this.#hasEnded()) return false;
			if (performance.now() > deadline)
				throw new Error(`Kafka does not answer on ${this.url}; see ${this.#logFile}${await this.#complaints()}`);
			await pause(POLL);
		}
		return true;
	}

	/** Of a process of its own it knows; any other is looked for. */
	async #hasEnded(): Promise<boolean> {
		if (this.#child === undefined) return (await this.pid()) === undefined;
		return this.#child.exitCode !== null || this.#child.signalCode !== null;
	}

	/** Whether the broker takes part in its cluster: while it is fenced, it answers and names no broker. */
	async #isReady(): Promise<boolean> {
		if (!(await isListening(this.#port))) return false;
		const client = createClient(parseKafkaUrl(this.url), SILENT);
		const admin = client.admin();
		try {
			await admin.connect();
			const { brokers } = await admin.describeCluster();
			return brokers.length > 0;
		} catch {
			return false;
		} finally {
			await admin.disconnect().catch(() => {});
		}
	}

	async #end(signal: 'SIGTERM' | 'SIGKILL'): Promise<void> {
		const pid = await this.pid();
		if (pid === undefined) return;
		signalTo(pid, signal);
		const deadline = performance.now() + STOP_PATIENCE;
		while (isAlive(pid)) {
			if (performance.now() > deadline) throw new Error(`Kafka (process ${pid}) does not end; see ${this.#logFile}`);
			await pause(POLL);
		}
	}

	/** The last errors of its log, each on a line. */
	async #complaints(): Promise<string> {
		const lines = (await readFile(this.#logFile, 'utf8').catch(() => '')).split('\n');
		return lines
			.filter((line) => /\b(ERROR|FATAL)\b|^Caused by|Exception:/.test(line))
			.slice(-COMPLAINTS)
			.map((line) => `\n${line.slice(0, 300)}`)
			.join('');
	}

	get #logFile(): string {
		return join(this.#folder, LOG_FILE);
	}
}

const SILENT = { debug: () => {}, info: () => {}, warn: () => {}, error: () => {} };

/** The `*` is Java's own, not the shell's. */
const CLASSPATH = ['-cp', join(JARS, '*')];
const JVM = [
	'-Xms128m',
	'-Xmx512m',
	'-XX:+UseG1GC',
	`-Dlog4j2.configurationFile=file:${join(TEMPLATES, 'log4j2.properties')}`,
];

/** A random id, as Kafka writes one; never with a dash in front, which its tools would take for an option. */
export function clusterId(random: () => Buffer = () => randomBytes(16)): string {
	const id = random().toString('base64url');
	return id.startsWith('-') ? clusterId(random) : id;
}
