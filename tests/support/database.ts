import { rmSync } from 'node:fs';
import { mkdtemp, readFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setTimeout as pause } from 'node:timers/promises';
import pg from 'pg';
import { Database } from '../../mixins/database/database.ts';
import { type EmbeddedPostgres, startEmbeddedPostgres } from '../../mixins/database/embedded/index.ts';
import { migrate } from '../../mixins/database/migrations/index.ts';
import { parseTypes } from '../../mixins/database/session.ts';
import type { Log } from '../../mixins/runtime/log.ts';
import { eventually, until } from './until.ts';

/** A log that keeps its lines, `level message`, for a test to look at. */
export interface MemoryLog extends Log {
	readonly lines: string[];
	/** the errors that came with lines, to be shown with their stacks */
	readonly errors: unknown[];
}

export function memoryLog(): MemoryLog {
	const lines: string[] = [];
	const errors: unknown[] = [];
	const keep = (level: string) => (message: string, error?: unknown) => {
		lines.push(`${level} ${message}`);
		if (error !== undefined) errors.push(error);
	};
	return { lines, errors, debug: keep('debug'), info: keep('info'), warn: keep('warn'), error: keep('error') };
}

export interface TestDatabaseOptions {
	/** `fsync` and full pages as in production; without it they are off, which only a crash of the machine would show */
	readonly durable?: boolean;
	/** further PostgreSQL settings */
	readonly settings?: Readonly<Record<string, string>>;
	/** leaves the database empty, without the project's tables */
	readonly unmigrated?: boolean;
}

const CARELESS = { fsync: 'off', full_page_writes: 'off' };
const SMALL = { shared_buffers: '64MB' };

/** A real PostgreSQL of a test file's own: start it in `beforeAll`, stop it in `afterAll`. */
export async function startTestDatabase(options: TestDatabaseOptions = {}): Promise<TestDatabase> {
	const dataDir = await mkdtemp(join(tmpdir(), 'protected-payment-test-'));
	const database = new TestDatabase(dataDir, { ...SMALL, ...(options.durable ? {} : CARELESS), ...options.settings });
	try {
		await database.bringUp();
		if (!options.unmigrated) await migrate(database.connection, 'up', database.log);
	} catch (error) {
		await database.stop();
		throw error;
	}
	return database;
}

export class TestDatabase {
	readonly dataDir: string;
	/** what the server, the pools and the migrations said */
	readonly log = memoryLog();
	readonly #settings: Readonly<Record<string, string>>;
	readonly #opened: Database[] = [];
	#server: EmbeddedPostgres | undefined;
	#connection: EmbeddedPostgres['connection'] | undefined;
	#database: Database | undefined;
	#pool: pg.Pool | undefined;

	/** Use `startTestDatabase`. */
	constructor(dataDir: string, settings: Readonly<Record<string, string>>) {
		this.dataDir = dataDir;
		this.#settings = settings;
	}

	/** For `pg`, and the same after every kill and restart: host is the folder of the Unix socket. */
	get connection(): EmbeddedPostgres['connection'] {
		if (this.#connection === undefined) throw new Error('the database was never started');
		return this.#connection;
	}

	/** The same as `DATABASE_URL`; the host of the authority is not used, but a URL has to have one. */
	get url(): string {
		const { host, port, user, database } = this.connection;
		return `postgres://${user}@localhost/${database}?host=${encodeURIComponent(host)}&port=${port}`;
	}

	/** An open pool for the test and what it tests. */
	get database(): Database {
		this.#database ??= this.open();
		return this.#database;
	}

	/** Another pool, as another process would have it; closed by `stop` unless it was closed before. */
	open(connections = 20, log: Log = this.log): Database {
		const database = new Database(this.connection, log, connections);
		database.open();
		this.#opened.push(database);
		return database;
	}

	/** Any SQL, beside the system under test. Times come as milliseconds, bigints as `bigint`. */
	async query<R extends object>(text: string, values: readonly unknown[] = []): Promise<R[]> {
		if (this.#pool === undefined) {
			this.#pool = new pg.Pool({ ...this.connection, max: 4, types: parseTypes });
			this.#pool.on('error', () => {});
		}
		return (await this.#pool.query<R>(text, [...values])).rows;
	}

	/** The database's clock. */
	async now(): Promise<number> {
		const [row] = await this.query<{ now: number }>('SELECT extract(epoch FROM clock_timestamp()) * 1000 AS now');
		return Math.floor(Number(row?.now));
	}

	/** Empties every table but the record of migrations; a deadlock with what still runs is tried again. */
	async reset(): Promise<void> {
		const tables = await this.query<{ name: string }>(
			`SELECT quote_ident(tablename) AS name FROM pg_tables
			WHERE schemaname = 'public' AND tablename <> 'schema_migrations'`,
		);
		if (tables.length === 0) return;
		await eventually(() => this.query(`TRUNCATE ${tables.map(({ name }) => name)} RESTART IDENTITY`));
	}

	/** The server's process id. */
	async pid(): Promise<number> {
		return Number((await readFile(join(this.dataDir, 'postgres/postmaster.pid'), 'utf8')).split('\n')[0]);
	}

	/** Ends the server hard; resolves when its supervisor has brought it back. SIGQUIT is the restart in `immediate` mode. */
	async kill(signal: 'SIGKILL' | 'SIGQUIT' = 'SIGKILL'): Promise<void> {
		const before = this.#ups();
		process.kill(await this.pid(), signal);
		await until(() => this.#ups() > before, 'PostgreSQL is back after it was killed');
		await eventually(() => this.query('SELECT 1'));
	}

	/** How often its supervisor has brought the server back. */
	#ups(): number {
		return this.log.lines.filter((line) => line.includes('PostgreSQL is back')).length;
	}

	/** Stops the server in good order; it stays away until `bringUp`. */
	async takeDown(): Promise<void> {
		await this.#server?.stop();
		this.#server = undefined;
	}

	/** Starts the server on the data that it left. */
	async bringUp(): Promise<void> {
		const server = await startEmbeddedPostgres({
			dataDir: this.dataDir,
			settings: this.#settings,
			log: this.log,
		});
		this.#server = server;
		this.#connection = server.connection;
	}

	/** Closes every pool, ends the server and removes its files. */
	async stop(): Promise<void> {
		const closing = [...this.#opened.map((database) => database.close().catch(() => {})), this.#pool?.end()];
		await Promise.race([Promise.all(closing), pause(5_000, undefined, { ref: false })]); // a failed test may hold one
		await this.takeDown();
		rmSync(this.dataDir, { recursive: true, force: true, maxRetries: 10, retryDelay: 50 });
	}
}
