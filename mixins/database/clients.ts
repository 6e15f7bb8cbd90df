import { setTimeout as pause } from 'node:timers/promises';
import type pg from 'pg';
import { type Duration, SECOND } from '../../domain/time.ts';
import { DatabaseClient } from './client.ts';

/** How long work in progress may take when a pool ends; then its connections are cut. */
const LONGEST_END: Duration = SECOND;
const CUT_EVERY: Duration = SECOND / 4;

/** All clients of one pool, also those that are connecting: the pool itself cannot remove one that hangs. */
export class Clients implements Iterable<DatabaseClient> {
	/** for the pool to make its clients of */
	readonly Client: new (
		config?: pg.ClientConfig,
	) => DatabaseClient;
	readonly #all = new Set<DatabaseClient>();

	constructor() {
		const all = this.#all;
		this.Client = class extends DatabaseClient {
			constructor(config?: pg.ClientConfig) {
				super(config);
				all.add(this);
				this.once('end', () => all.delete(this));
			}
		};
	}

	[Symbol.iterator](): Iterator<DatabaseClient> {
		return this.#all[Symbol.iterator]();
	}

	/** Ends the connections at once; queries in progress reject. */
	cutOff(): void {
		for (const client of this.#all) client.destroy();
	}

	/** Ends a pool, within the time limit. */
	async atEnd(end: Promise<unknown>): Promise<void> {
		const done = new AbortController();
		void this.#cutOffUntil(done.signal);
		await end.finally(() => done.abort());
	}

	async #cutOffUntil(signal: AbortSignal): Promise<void> {
		try {
			for (let rest = LONGEST_END; ; rest = CUT_EVERY) {
				await pause(rest, undefined, { signal });
				this.cutOff();
			}
		} catch {
			// it has ended
		}
	}
}
