import { spawnSync } from 'node:child_process';
import { randomBytes } from 'node:crypto';
import { existsSync } from 'node:fs';
import { mkdtemp, readFile, realpath, rename, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join, resolve } from 'node:path';
import { setTimeout as pause } from 'node:timers/promises';
import { SECOND } from '../../domain/time.ts';
import { createClient, parseKafkaUrl } from '../../mixins/brokers/kafka/index.ts';
import { installDebianPackages } from './debian.ts';
import type { BrokerKind, LocalBrokerOptions } from './local-broker.ts';
import { type Launch, LocalProcess, type Ports } from './local-process.ts';
import { freePort, HOST, isListening } from './ports.ts';

/** Maven Central drops a connection now and then. */
const DOWNLOADS = 4;
const OLDEST_JAVA = 17;
const JAVA_PACKAGE = 'default-jre-headless';

const TEMPLATES = join(import.meta.dirname, 'kafka');
const TOOLS = resolve(import.meta.dirname, '../../.tools/kafka');
/** There only when it is whole. */
const JARS = join(TOOLS, 'jars');
/** The classes of a broker that has run, ready to be mapped into memory: a start takes half of the processor time. */
const CLASSES = join(TOOLS, 'classes.jsa');

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
		if (!existsSync(JARS)) {
			if (!runs('mvn', '-version')) await installDebianPackages('maven');
			await download();
		}
		if (!existsSync(CLASSES)) await archiveClasses();
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

/**
 * See "Application Class-Data Sharing" in Java's manual page. Without the file, or with another Java, a start takes longer.
 */
async function archiveClasses(): Promise<void> {
	const folder = await mkdtemp(join(tmpdir(), 'kafka-'));
	const draft = `${CLASSES}.${process.pid}`;
	const broker = new LocalKafka({ folder, port: await freePort() }, {}, [`-XX:ArchiveClassesAtExit=${draft}`]);
	try {
		await broker.up();
		await broker.down();
		if (existsSync(draft)) await rename(draft, CLASSES); // not every Java writes it
	} finally {
		await broker.kill();
		await rm(folder, { recursive: true, force: true });
	}
}

/** Apache Kafka in KRaft mode, a cluster of one. */
export class LocalKafka extends LocalProcess {
	readonly url: string;
	readonly #settings: Readonly<Record<string, string>>;
	readonly #java: readonly string[];

	/** `settings` are Kafka's own (`server.properties`), in the place of ours; `java` are options of the `java` command. */
	constructor(
		options: LocalBrokerOptions,
		settings: Readonly<Record<string, string>> = {},
		java: readonly string[] = READY_CLASSES,
	) {
		super('Kafka', options, ['controller']);
		this.url = `kafka://${HOST}:${options.port}`;
		this.#settings = settings;
		this.#java = java;
	}

	protected override async prepare({ controller }: Ports): Promise<Launch> {
		const properties = join(this.folder, 'server.properties');
		const template = await readFile(join(TEMPLATES, 'server.properties'), 'utf8');
		const values: Readonly<Record<string, string>> = {
			PORT: String(this.port),
			CONTROLLER_PORT: String(controller),
			DATA: join(await realpath(this.folder), 'data'),
		};
		const filled = template.replaceAll(/\{(\w+)\}/g, (_, name: string) => values[name] ?? '');
		const further = Object.entries(this.#settings).map(([name, value]) => `${name}=${value}\n`);
		await writeFile(properties, `${filled}${further.join('')}`); // of two lines for one name Java takes the later
		this.#format(properties);
		return { program: 'java', args: [...JVM, ...this.#java, LOG, 'kafka.Kafka', properties] };
	}

	/** Gives a folder without data a cluster's id; one with data stays as it is. */
	#format(properties: string): void {
		if (existsSync(join(this.folder, 'data/meta.properties'))) return; // written last
		const args = [...JVM, ...READY_CLASSES, 'kafka.tools.StorageTool', 'format', '-t', clusterId(), '-c', properties];
		const { status, stdout, stderr } = spawnSync('java', args, { encoding: 'utf8' });
		if (status !== 0) throw new Error(`Kafka's folder could not be prepared:\n${`${stdout}${stderr}`.slice(-2_000)}`);
	}

	/** Whether the broker takes part in its cluster: while it is fenced, it answers and names no broker. */
	protected override async isReady(): Promise<boolean> {
		if (!(await isListening(this.port))) return false;
		const admin = createClient(parseKafkaUrl(this.url), SILENT).admin();
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
}

const SILENT = { debug: () => {}, info: () => {}, warn: () => {}, error: () => {} };

/** The `*` is Java's own, not the shell's. */
const CLASSPATH = ['-cp', join(JARS, '*')];
const LOG = `-Dlog4j2.configurationFile=file:${join(TEMPLATES, 'log4j2.properties')}`;
/** For a broker that lives for minutes: the second compiler and the parallel collector cost more than they gain. */
const LIGHT = [
	'-XX:+IgnoreUnrecognizedVMOptions',
	'-Xms128m',
	'-Xmx512m',
	'-XX:+UseSerialGC',
	'-XX:TieredStopAtLevel=1',
];
const JVM = [...LIGHT, ...CLASSPATH];
const READY_CLASSES = [`-XX:SharedArchiveFile=${CLASSES}`, '-Xshare:auto', '-Xlog:cds=off'];

/** A random id, as Kafka writes one; never with a dash in front, which its tools would take for an option. */
export function clusterId(random: () => Buffer = () => randomBytes(16)): string {
	const id = random().toString('base64url');
	return id.startsWith('-') ? clusterId(random) : id;
}
