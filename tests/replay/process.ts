import { Database, DatabaseUnavailable, type Transaction } from '../../mixins/database/database.ts';
import type { Statement } from '../../mixins/database/statement.ts';
import type { CrashPoint, TransactionName } from '../../mixins/runtime/crash-points.ts';

/** A passage through a named point that was stopped there. */
export class Pause {
	readonly point: CrashPoint;
	/** resolves when a transaction has come to the point and stands there */
	readonly reached: Promise<void>;
	readonly #arrive: () => void;
	readonly #released = Promise.withResolvers<void>();

	constructor(point: CrashPoint) {
		this.point = point;
		const { promise, resolve } = Promise.withResolvers<void>();
		this.reached = promise;
		this.#arrive = resolve;
		this.#released.promise.catch(() => {}); // nobody may stand there
	}

	/** For the one who passes. */
	pass(): Promise<void> {
		this.#arrive();
		return this.#released.promise;
	}

	release(): void {
		this.#released.resolve();
	}

	/** The process dies here: before a commit everything is undone, after it nothing more is done. */
	die(): void {
		this.#released.reject(new DatabaseUnavailable('the process died here'));
	}
}

const NOWHERE = { host: 'nowhere.invalid', port: 1, user: 'nobody', database: 'none' };

/**
 * The database as one process has it, which can be stopped at the named crash points of its transactions, and can die.
 * The transactions are real.
 */
export class ProcessDatabase extends Database {
	readonly #shared: Database;
	#pauses: Pause[] = [];
	#dead = false;
	/** transactions, and statements without one, that never begin */
	#closed: ReadonlySet<string> = new Set();

	constructor(shared: Database) {
		const silent = (): void => {};
		super(NOWHERE, { debug: silent, info: silent, warn: silent, error: silent }); // this pool is never connected
		this.#shared = shared;
		this.open();
	}

	get isDead(): boolean {
		return this.#dead;
	}

	/** Stops the next transaction that comes to the point. */
	pauseAt(point: CrashPoint): Pause {
		const pause = new Pause(point);
		this.#pauses.push(pause);
		return pause;
	}

	/** Takes back a pause that nobody has reached. */
	withdraw(pause: Pause): void {
		this.#pauses = this.#pauses.filter((other) => other !== pause);
	}

	/**
	 * Whatever is begun while `action` runs never gets to these transactions or statements: for loops that must not run by
	 * themselves.
	 */
	async without(names: readonly string[], action: () => Promise<void>): Promise<void> {
		this.#closed = new Set(names);
		await action();
		this.#closed = new Set();
	}

	/** From now on nothing reaches the database. */
	die(): void {
		this.#dead = true;
		for (const pause of this.#pauses) pause.die();
	}

	override query<R extends object>(statement: Statement): Promise<R[]> {
		if (this.#closed.has(statement.name)) return new Promise(() => {});
		return this.#dead ? Promise.reject(dead()) : this.#shared.query<R>(statement);
	}

	override async transaction<T>(
		name: TransactionName,
		work: (tx: Transaction) => Promise<T>,
		unique?: string,
	): Promise<T> {
		if (this.#dead) throw dead();
		if (this.#closed.has(name)) return new Promise(() => {});
		const passing = async (tx: Transaction): Promise<T> => {
			const value = await work(tx);
			await this.#pass(`before:${name}`);
			return value;
		};
		const result = await this.#shared.transaction(name, passing, unique);
		await this.#pass(`after:${name}`);
		return result;
	}

	async #pass(point: CrashPoint): Promise<void> {
		const pause = this.#pauses.find((other) => other.point === point);
		if (pause !== undefined) {
			this.withdraw(pause);
			await pause.pass();
		}
		if (this.#dead) throw dead();
	}
}

const dead = (): DatabaseUnavailable => new DatabaseUnavailable('the process is dead');
