import { performance } from 'node:perf_hooks';
import { type Duration, type Instant, SECOND } from '../../../domain/time.ts';
import { ProblemError, unavailable } from '../../../mixins/http/index.ts';
import { type Log, Loop } from '../../../mixins/runtime/index.ts';
import type { Changes } from '../../orders/changes/entry.ts';
import { Position } from '../../orders/changes/position.ts';
import { deliver } from './deliver.ts';
import { Entry } from './entry.ts';
import type { Listener } from './listener.ts';

/** How soon the next look follows one that found all there was. What this process has stored is looked for at once. */
const LOOK_EVERY: Duration = SECOND / 4;
/** Looks that follow each other have at least this pause. */
const REST: Duration = 25;
/** The pause while nobody listens; `wake` ends it. */
const NOBODY: Duration = 3_600 * SECOND;
/** How long it goes on looking after the last listener has gone: most of them come back. */
const LINGER: Duration = 30 * SECOND;
/** The clock of a look that is older than this is not told any more. */
const TRUE_FOR: Duration = 5 * SECOND;
/** How many of the latest entries are kept, for those that come back; no more are told to one at once. */
const KEPT = 1_000;
const AT_ONCE = 250;

export type Read = (after: string | undefined) => Promise<Changes>;

/** Where the tail is, and the database's clock. */
export interface Present {
	readonly position: Position;
	readonly now: Instant;
	/** no transaction from this on had begun */
	readonly next: number;
}

/**
 * Follows the history of all orders for everybody who listens here: each part is read once and given to all. The latest
 * entries are kept, so that who comes back costs no query.
 */
export class Tail {
	readonly listeners = new Set<Listener>();
	/** all who are here, also those who are told what they have missed first */
	readonly #guests = new Set<Listener>();
	readonly #read: Read;
	readonly #lost: () => void;
	readonly #loop: Loop;
	#position: Position | undefined;
	#now: Instant = Number.NaN;
	#next = Number.NaN;
	#lookedAt = Number.NEGATIVE_INFINITY;
	#deserted = performance.now();
	#waiting: PromiseWithResolvers<Present>[] = [];
	/** what was told after `#keptFrom` */
	#kept: Entry[] = [];
	#keptFrom: Position | undefined;

	/** `lost`: nobody can go on from where they are; the database is another one. */
	constructor(read: Read, log: Log, lost: () => void) {
		this.#read = read;
		this.#lost = lost;
		this.#loop = new Loop('order stream', log, () => this.#step(), REST);
	}

	start(): void {
		this.#loop.start();
	}

	/** Refuses those who wait for the present. */
	refuse(): void {
		for (const { reject } of this.#waiting.splice(0)) reject(new ProblemError(unavailable()));
	}

	async stop(): Promise<void> {
		this.refuse();
		await this.#loop.stop();
	}

	/** There may be something new. */
	wake(): void {
		if (this.#isFollowing) this.#loop.wake();
	}

	/** Where the next look begins, and a clock that is true; undefined where the last look was too long ago. */
	get present(): Present | undefined {
		const passed = performance.now() - this.#lookedAt;
		if (this.#position === undefined || passed > TRUE_FOR) return undefined;
		return { position: this.#position, now: this.#now + passed, next: this.#next };
	}

	/** The present once it is known. Rejects if the next look fails. */
	async arrive(listener: Listener): Promise<Present> {
		this.#guests.add(listener);
		return this.present ?? this.look();
	}

	/** The present of a look that begins from now on. */
	look(): Promise<Present> {
		const waiting = Promise.withResolvers<Present>();
		this.#waiting.push(waiting);
		this.#loop.wake();
		return waiting.promise;
	}

	/** Whether all that comes after a position is kept, and little enough, or will be read. */
	reaches(position: Position): boolean {
		if (this.#keptFrom === undefined || !position.covers(this.#keptFrom)) return false;
		return this.#kept.filter((entry) => !entry.isToldAt(position)).length <= AT_ONCE;
	}

	/** From now on it is told what comes; first what is kept after its position, which has to be in reach. */
	join(listener: Listener, from: Position): void {
		listener.ahead = from;
		deliver(this.#kept, [listener]);
		this.listeners.add(listener);
		if (this.#position !== undefined) this.#catchUp(listener, this.#position);
		this.#loop.wake();
	}

	leave(listener: Listener): void {
		this.listeners.delete(listener);
		this.#guests.delete(listener);
		if (this.#guests.size === 0) this.#deserted = performance.now();
	}

	get #isFollowing(): boolean {
		return this.#guests.size > 0 || this.#waiting.length > 0 || this.#hasJustLeft;
	}

	get #hasJustLeft(): boolean {
		return this.#position !== undefined && performance.now() - this.#deserted < LINGER;
	}

	async #step(): Promise<Duration> {
		if (!this.#isFollowing) {
			this.#forget();
			return NOBODY;
		}
		const begin = performance.now();
		const waiting = this.#waiting.splice(0);
		const changes = await this.#look().catch((error) => {
			for (const { reject } of waiting) reject(error);
			throw error;
		});
		if (changes === undefined) {
			for (const { reject } of waiting) reject(new ProblemError(unavailable()));
			return 0;
		}
		const position = positionOf(changes.cursor);
		this.#now = changes.now;
		this.#next = changes.next;
		this.#lookedAt = begin;
		this.#tell(
			changes.data.map((dto) => new Entry(dto)),
			position,
		);
		for (const { resolve } of waiting) resolve({ position, now: changes.now, next: changes.next });
		return changes.more ? 0 : LOOK_EVERY;
	}

	async #look(): Promise<Changes | undefined> {
		try {
			return await this.#read(this.#position?.toString());
		} catch (error) {
			if (!isTooOld(error)) throw error;
			this.#forget();
			this.#lost();
			return undefined;
		}
	}

	#tell(entries: readonly Entry[], position: Position): void {
		this.#keptFrom ??= position;
		this.#kept.push(...entries);
		if (this.#kept.length > KEPT) {
			const dropped = this.#kept.splice(0, this.#kept.length - KEPT / 2);
			this.#keptFrom = dropped.at(-1)?.position ?? this.#keptFrom;
		}
		this.#position = position;
		deliver(entries, this.listeners);
		for (const listener of this.listeners) this.#catchUp(listener, position);
	}

	/** One that was told no more than the others needs no position of its own. */
	#catchUp(listener: Listener, position: Position): void {
		if (listener.ahead === undefined) return;
		listener.ahead = position.covers(listener.ahead) ? undefined : listener.ahead.with(position);
	}

	#forget(): void {
		this.#position = undefined;
		this.#keptFrom = undefined;
		this.#kept = [];
	}
}

/** A position that an action answers with. */
export function positionOf(text: string): Position {
	const position = Position.parse(text);
	if (position === undefined) throw new Error('a position cannot be read');
	return position;
}

export const isTooOld = (error: unknown): boolean =>
	typeof error === 'object' && error !== null && 'code' in error && error.code === 410;
