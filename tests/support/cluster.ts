/** The system as several processes on one database and one broker. */
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import pg from 'pg';
import { type Environment, ROOT, Running } from './process.ts';
import { until } from './until.ts';

/** What a process says of its health. */
export interface HealthReport {
	/** of HTTP; 0 while nobody answers */
	readonly httpStatus: number;
	readonly status: string;
	readonly failing: readonly { readonly name: string; readonly reason: string }[];
	readonly degraded: readonly { readonly name: string; readonly reason: string }[];
}

/** Seven starts at once on a busy machine take their time. */
const START_PATIENCE = 180_000;

const NOBODY: HealthReport = { httpStatus: 0, status: 'none', failing: [], degraded: [] };

/** How many processes of which services; what is not named does not run. */
export const SEVEN = { gateway: 1, orders: 2, 'outbox-relay': 1, settlement: 2, shipping: 1 } as const;

/** A database that the processes share; a test's, or any other. */
export interface DatabasePlace {
	readonly url: string;
	readonly connection: pg.PoolConfig;
}

export class Cluster {
	readonly running: Running[] = [];
	readonly #env: Environment;
	readonly #folder: string;
	readonly #hear: ((line: string) => void) | undefined;
	readonly #pool: pg.Pool;

	private constructor(
		folder: string,
		database: DatabasePlace,
		env: Environment,
		hear: ((line: string) => void) | undefined,
	) {
		this.#hear = hear;
		this.#folder = folder;
		this.#pool = new pg.Pool({ ...database.connection, max: 4 });
		this.#pool.on('error', () => {});
		this.#env = env;
	}

	/** `env` is what all its processes are started with; `hear` is told each line that they print. */
	static async create(
		database: DatabasePlace,
		brokerUrl: string,
		env: Environment = {},
		hear?: (line: string) => void,
	): Promise<Cluster> {
		const folder = await mkdtemp(join(tmpdir(), 'pp-cluster-'));
		return new Cluster(folder, database, { DATABASE_URL: database.url, BROKER_URL: brokerUrl, ...env }, hear);
	}

	/** Starts a process of these services; all of them in one without. Does not wait for anything. */
	start(services = '', env: Environment = {}): Running {
		return this.run('bin/start.ts', { SERVICES: services, METRICS_PORT: '0', PORT: '0', ...env });
	}

	/** The same of another release, whose folder this is. */
	startOf(root: string, services: string): Running {
		return this.runOf(root, 'bin/start.ts', { SERVICES: services, METRICS_PORT: '0', PORT: '0' });
	}

	/** The process that runs as this node. */
	node(id: string): Running {
		const found = this.running.find(({ nodeID, exit }) => nodeID === id && exit === undefined);
		if (found === undefined) throw new Error(`there is no ${id}`);
		return found;
	}

	/** Any program of the project with the cluster's environment. */
	run(entry: string, env: Environment = {}, ...args: string[]): Running {
		return this.runOf(ROOT, entry, env, ...args);
	}

	/** The same of another release, whose folder this is. */
	runOf(root: string, entry: string, env: Environment = {}, ...args: string[]): Running {
		const running = new Running(entry, args, { DATA_DIR: this.#folder, ...this.#env, ...env }, this.#hear, root);
		this.running.push(running);
		return running;
	}

	/** Starts so many processes of each service, and waits until all are ready. */
	async up(counts: Readonly<Record<string, number>> = SEVEN): Promise<Running[]> {
		const started = Object.entries(counts).flatMap(([service, count]) =>
			Array.from({ length: count }, () => this.start(service)),
		);
		await Promise.all(started.map((running) => ready(running)));
		return started;
	}

	/** Where the gateway listens that was started last. */
	readonly url = (): string | undefined => this.running.findLast(({ url }) => url !== undefined)?.url;

	/** One statement, past the system. */
	async sql<R extends pg.QueryResultRow>(text: string, values: readonly unknown[] = []): Promise<R[]> {
		return (await this.#pool.query<R>(text, [...values])).rows;
	}

	/** What the processes that still run printed last. */
	lastWords(): string {
		const alive = this.running.filter(({ exit }) => exit === undefined);
		return alive.map(({ pid, lines }) => `process ${pid}:\n${lines.slice(-15).join('\n')}`).join('\n');
	}

	/** Ends whatever runs here. */
	async dispose(): Promise<void> {
		if (!this.#pool.ended) await this.#pool.end();
		await Promise.all(this.running.map((running) => running.kill()));
		await rm(this.#folder, { recursive: true, force: true });
	}
}

/** What a process answers at `/health/ready` of its METRICS_PORT. */
export async function healthOf({ probeUrl }: Running): Promise<HealthReport> {
	if (probeUrl === undefined) return NOBODY;
	try {
		const response = await fetch(`${probeUrl}/health/ready`);
		return { httpStatus: response.status, ...((await response.json()) as Omit<HealthReport, 'httpStatus'>) };
	} catch {
		return NOBODY;
	}
}

/** Waits until a process is ready; fails at once, with what it printed, if it ends. */
export function ready(running: Running): Promise<HealthReport> {
	let last: HealthReport = NOBODY;
	const printed = (): string => running.lines.join('\n');
	return until(
		async () => {
			if (running.exit !== undefined) return { ...NOBODY, status: 'ended' };
			last = await healthOf(running);
			return running.started && last.httpStatus === 200 ? last : undefined;
		},
		() => `ready (${JSON.stringify(last)}):\n${printed()}`,
		START_PATIENCE,
	).then((report) => {
		if (report.status === 'ended') throw new Error(`a process ended before it was ready:\n${printed()}`);
		return report;
	});
}
