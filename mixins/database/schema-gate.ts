import pg from 'pg';
import { type Duration, SECOND } from '../../domain/time.ts';
import { type Log, Loop } from '../loop.ts';
import type { Database } from './database.ts';
import { migrate, migrationStatus } from './migrations.ts';

const RETRY: Duration = SECOND / 2;
const SAY_EVERY: Duration = 60 * SECOND;

/**
 * Opens the database for use once its schema is this program's version. Migrates it there if asked to; otherwise waits
 * until somebody has, and says what to run.
 */
export class SchemaGate {
	readonly #config: pg.ClientConfig;
	readonly #database: Database;
	readonly #log: Log;
	readonly #migrates: boolean;
	readonly #loop: Loop;
	readonly #opened = Promise.withResolvers<void>();
	#waitsFor: string | undefined = 'the database has not answered yet';
	#saidAt = Number.NEGATIVE_INFINITY;

	constructor(config: pg.ClientConfig, database: Database, migrates: boolean, log: Log) {
		this.#config = config;
		this.#database = database;
		this.#migrates = migrates;
		this.#log = log;
		this.#loop = new Loop('schema', log, () => this.#step());
	}

	/** What it waits for; undefined once the database is open. */
	get waitsFor(): string | undefined {
		return this.#waitsFor;
	}

	/** Resolves when the database is open for the first time. */
	get opened(): Promise<void> {
		return this.#opened.promise;
	}

	start(): void {
		this.#loop.start();
	}

	stop(): Promise<void> {
		return this.#loop.stop();
	}

	async #step(): Promise<Duration> {
		if (this.#database.isOpen) return SAY_EVERY;
		this.#waitsFor = await this.#check();
		if (this.#waitsFor === undefined) {
			this.#database.open();
			this.#opened.resolve();
			return SAY_EVERY;
		}
		if (performance.now() - this.#saidAt > SAY_EVERY) {
			this.#saidAt = performance.now();
			this.#log.warn(`waiting: ${this.#waitsFor}`);
		}
		return RETRY;
	}

	async #check(): Promise<string | undefined> {
		const client = new pg.Client(this.#config);
		client.on('error', () => {});
		try {
			await client.connect();
			const { pending, unknown } = await migrationStatus(client);
			if (unknown.length > 0) return `the database is newer than this program (${unknown.join(', ')})`;
			if (pending.length === 0) return undefined;
			if (!this.#migrates) return `the database lacks ${pending.join(', ')}; run: npm run migrate -- up`;
			for (const name of await migrate(this.#config, 'up', this.#log)) this.#log.info(`applied migration ${name}`);
			return undefined;
		} catch (error) {
			this.#log.debug(`the database cannot be used: ${String(error)}`);
			return 'the database cannot be reached';
		} finally {
			await client.end().catch(() => {});
		}
	}
}
