import { type Duration, SECOND } from '../../domain/time.ts';
import { endedWithin, type Log, Loop, WaitLog } from '../runtime/index.ts';
import type { DatabaseAddress } from '../settings/index.ts';
import type { Database } from './database.ts';
import { MigrationFailed, migrate, migrationStatus } from './migrations/index.ts';
import type { DatabaseReadiness } from './readiness.ts';
import { reasonOf } from './trouble.ts';

const RETRY: Duration = SECOND / 2;
/** How often an open gate looks whether the schema still is one that this program can work with. */
const WATCH: Duration = 5 * SECOND;
/** If the database is ready within this time, nothing is logged: it may start together with the process. */
const QUIET: Duration = 2 * SECOND;
/** How long one try to migrate waits for what others hold; a stop waits for it. */
const MIGRATION_PATIENCE: Duration = 3 * SECOND;
const LONGEST_STOP: Duration = 3 * SECOND;

export interface SchemaGateOptions {
	readonly address: DatabaseAddress;
	readonly database: Database;
	readonly readiness: DatabaseReadiness;
	/** brings the schema to this program's version itself */
	readonly migrates: boolean;
	readonly log: Log;
}

/** What the gate waits for: `kind` for everybody, `line` for the operator. */
interface Want {
	readonly kind: string;
	readonly line: string;
	/** a person has to act */
	readonly lasts: boolean;
}

/**
 * Opens the database for use once the sessions that the pool will use are as they have to be, the schema is one that
 * this program can work with, and the database does the work. Migrates it at the start if asked to; otherwise waits
 * until another process has. A newer schema is fine unless a migration of it breaks programs without it. While others
 * migrate, up or down, so that this program cannot go on, the database is shut again.
 */
export class SchemaGate {
	readonly #options: SchemaGateOptions;
	readonly #waiting: WaitLog;
	readonly #loop: Loop;
	readonly #opened = Promise.withResolvers<void>();
	readonly #since = performance.now();
	#wasOpen = false;
	/** the newer versions that the log has told of */
	#newer = '';
	#waitsFor: string | undefined = 'the database has not answered yet';

	constructor(options: SchemaGateOptions) {
		this.#options = options;
		this.#waiting = new WaitLog(options.log);
		this.#loop = new Loop('schema', options.log, () => this.#step());
	}

	/** What it waits for; undefined while the database is open. */
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

	/**
	 * Resolves once nothing is in progress, or after a while, so that a dead connection or a long migration does not
	 * delay a stop.
	 */
	async stop(): Promise<void> {
		await endedWithin(this.#loop.stop(), LONGEST_STOP);
	}

	async #step(): Promise<Duration> {
		const { database } = this.#options;
		if (database.hasEnded) return WATCH;
		const want = database.isOpen ? await this.#watch() : await this.#check();
		this.#waitsFor = want?.kind;
		if (want === undefined) {
			database.open();
			this.#wasOpen = true;
			this.#opened.resolve();
			return WATCH;
		}
		database.shut();
		if (want.lasts || performance.now() - this.#since > QUIET) this.#waiting.warn(`waiting: ${want.line}`);
		return RETRY;
	}

	/** Of an open database only the schema: if it is away, readiness says so. */
	async #watch(): Promise<Want | undefined> {
		const want = await this.#checkSchema().catch(() => undefined);
		return want === undefined ? undefined : { kind: want, line: want, lasts: true };
	}

	async #check(): Promise<Want | undefined> {
		try {
			const want = await this.#checkSchema();
			if (want !== undefined) return { kind: want, line: want, lasts: true };
			await this.#options.readiness.require();
			return undefined;
		} catch (error) {
			if (error instanceof MigrationFailed) return { kind: error.message, line: error.message, lasts: true };
			return reasonOf(error);
		}
	}

	async #checkSchema(): Promise<string | undefined> {
		const { address, database, migrates, log } = this.#options;
		const { pending, unknown, breaking } = await database.inspect(migrationStatus);
		const broken = unknown.filter((name) => breaking.has(name));
		if (broken.length > 0) {
			const reasons = new Set(broken.map((name) => breaking.get(name)));
			return `the database is newer than this program (${broken.join(', ')}), which cannot go on beside it: ${[...reasons].join('; ')}`;
		}
		if (unknown.length > 0) this.#tellOfNewer(unknown.join(', '));
		if (pending.length === 0) return undefined;
		// What is taken back while this process runs was taken back by a person.
		if (!migrates || this.#wasOpen) return `the database lacks ${pending.join(', ')}; run: npm run migrate -- up`;
		for (const name of await migrate(address, 'up', log, MIGRATION_PATIENCE)) log.info(`applied migration ${name}`);
		return undefined;
	}

	#tellOfNewer(names: string): void {
		if (this.#newer === names) return;
		this.#newer = names;
		this.#options.log.warn(
			`the database is newer than this program (${names}), which goes on: nothing of it breaks it`,
		);
	}
}
