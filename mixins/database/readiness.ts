import { type Duration, SECOND } from '../../domain/time.ts';
import { withFallback } from '../runtime/index.ts';
import type { Database } from './database.ts';
import { requireRights } from './rights.ts';
import { reasonOf } from './trouble.ts';

/** Shorter than a health check waits. */
const PATIENCE: Duration = 1.5 * SECOND;
/** A check that comes sooner gets the last result again. */
const GOOD_FOR: Duration = SECOND / 4;

const WRITE = {
	name: 'readiness-write',
	text: `INSERT INTO inbox_messages (consumer, message_id, order_id) VALUES ('readiness', gen_random_uuid(), gen_random_uuid())`,
	values: [],
};

/** A pool of connections of another kind. */
export interface Reader {
	readonly sequelize: { query(sql: string): Promise<unknown> };
	/** ends what is under way, whether it gets an answer or not */
	cutOff(): void;
}

/** Whether the database works: a write succeeds and is rolled back, and the reading pool can read, if there is one. */
export class DatabaseReadiness {
	readonly #database: Database;
	readonly #readers: ReadonlySet<Reader>;
	#last: { readonly at: number; readonly answer: Promise<string | undefined> } | undefined;

	constructor(database: Database, readers: ReadonlySet<Reader>) {
		this.#database = database;
		this.#readers = readers;
	}

	/** What is wrong, without anything secret; undefined if nothing is. Takes at most 1.5 s. */
	check(): Promise<string | undefined> {
		const now = performance.now();
		if (this.#last === undefined || now - this.#last.at > GOOD_FOR) this.#last = { at: now, answer: this.#inTime() };
		return this.#last.answer;
	}

	/** Rejects with why it does not. */
	async require(): Promise<void> {
		await this.#database.inspect(requireRights);
		await this.#database.rehearse(WRITE);
		for (const { sequelize } of this.#readers) await sequelize.query('SELECT FROM orders LIMIT 1');
	}

	#inTime(): Promise<string | undefined> {
		const found = this.require().then(
			() => undefined,
			(error) => reasonOf(error).kind,
		);
		return withFallback<string | undefined>(found, PATIENCE, 'the database does not answer in time');
	}
}
