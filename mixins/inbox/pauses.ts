import { type Duration, type Instant, SECOND } from '../../domain/time.ts';
import { type Database, instant } from '../database/index.ts';
import type { Platform } from '../platform.ts';
import { isoText, type Log, Loop } from '../runtime/index.ts';

/** A process knows of a pause after this, and of its end. */
const LOOK: Duration = 2 * SECOND;

/** A consumer group that an operator has paused. */
export interface Paused {
	readonly consumer: string;
	readonly since: Instant;
	/** who paused it */
	readonly by: string;
}

const READ = {
	name: 'read-paused',
	text: `SELECT consumer, ${instant('paused_at', 'since')}, paused_by AS by FROM paused_consumers`,
	values: [],
};

const pausesOfPlatforms = new WeakMap<Platform, Pauses>();

/** Those of a process. */
export function pausesOf(platform: Platform): Pauses {
	const known = pausesOfPlatforms.get(platform) ?? new Pauses(platform);
	pausesOfPlatforms.set(platform, known);
	return known;
}

/**
 * The consumer groups that are paused, in all processes: a table, so that a pause outlives restarts. A paused group
 * handles no message and begins no call; its messages stay with the broker.
 */
export class Pauses {
	readonly #database: Database;
	readonly #log: Log;
	readonly #listeners = new Set<() => void>();
	readonly #watching: Loop;
	#users = 0;
	#paused: ReadonlyMap<string, Paused> = new Map();
	#first: Promise<void> | undefined;

	constructor({ database, log, metrics }: Platform) {
		this.#database = database;
		this.#log = log('inbox');
		this.#watching = new Loop('pauses', this.#log, async () => {
			await this.#read();
			return LOOK;
		});
		metrics.readEach('consumer_paused', 'Consumer groups that an operator has paused.', 'group', () =>
			Object.fromEntries(Array.from(this.#paused.keys(), (group) => [group, 1])),
		);
	}

	/** Calls `listener` when a pause begins or ends, until the function that comes back is called. */
	watch(listener: () => void): () => Promise<void> {
		this.#listeners.add(listener);
		this.#users += 1;
		this.#watching.start();
		return async () => {
			this.#listeners.delete(listener);
			this.#users -= 1;
			if (this.#users === 0) await this.#watching.stop();
		};
	}

	/** Resolves once it is known what is paused. */
	async known(): Promise<void> {
		this.#first ??= this.#read();
		try {
			await this.#first;
		} catch (error) {
			this.#first = undefined;
			throw error;
		}
	}

	/** Of a group that is not known to be paused, undefined. */
	of(group: string): Paused | undefined {
		return this.#paused.get(group);
	}

	async #read(): Promise<void> {
		const rows = await this.#database.query<Paused>(READ);
		const before = this.#paused;
		this.#paused = new Map(rows.map((row) => [row.consumer, row]));
		this.#first = Promise.resolve();
		const begun = rows.filter(({ consumer }) => !before.has(consumer));
		const ended = [...before.keys()].filter((consumer) => !this.#paused.has(consumer));
		for (const paused of begun) this.#log.warn(`the consumer group ${paused.consumer} is ${toldOf(paused)}`);
		for (const consumer of ended) this.#log.info(`the consumer group ${consumer} goes on`);
		if (begun.length + ended.length > 0) for (const listener of this.#listeners) listener();
	}
}

/** For an operator. */
export const toldOf = ({ since, by }: Paused): string => `paused since ${isoText(since)} by ${by}`;

/** Pauses a group, if it is not paused yet. */
export const pauseGroup = (database: Database, group: string, by: string): Promise<Paused[]> =>
	database.query<Paused>({
		name: 'pause-group',
		text: `INSERT INTO paused_consumers AS t (consumer, paused_by) VALUES ($1, $2)
			ON CONFLICT (consumer) DO UPDATE SET paused_by = t.paused_by
			RETURNING consumer, ${instant('paused_at', 'since')}, paused_by AS by`,
		values: [group, by],
	});

/** Ends a group's pause; returns the group if it was paused. */
export const resumeGroup = (database: Database, group: string): Promise<{ consumer: string }[]> =>
	database.query({
		name: 'resume-group',
		text: 'DELETE FROM paused_consumers WHERE consumer = $1 RETURNING consumer',
		values: [group],
	});
