import { performance } from 'node:perf_hooks';
import type { Duration } from '../../domain/time.ts';
import type { Database } from '../../mixins/database/index.ts';
import { type OrderView, readChanged } from '../../mixins/database/reading/index.ts';
import { Batcher, type Log, Loop } from '../../mixins/runtime/index.ts';

/** Queries take at most this share of the time. */
const LARGEST_SHARE = 1 / 4;
/** Changes made by this process are collected for this long, so that they share a query. */
const COLLECT: Duration = 10;
/** The pause while no request waits; `wake` ends it. */
const NOBODY: Duration = 3_600_000;
/** One statement asks for at most this many orders. */
const MOST_AT_ONCE = 5_000;
const READS = { size: 500, inFlight: 2 };

export interface WatchOptions {
	/** requests that may wait at the same time; they cost memory only */
	readonly most: number;
	/** how often the database is asked while a request waits; less often if it is slow */
	readonly lookEvery: Duration;
}

const DEFAULTS: WatchOptions = { most: 20_000, lookEvery: 250 };

export interface Wait {
	readonly orderId: string;
	/** asked of the order as it is on arrival, and of each later state; true ends the wait */
	readonly isOver: (order: OrderView) => boolean;
	/** ends the wait whatever the order does */
	readonly timeout: Duration;
	/** by which `end` finds the wait */
	readonly ticket?: string | undefined;
}

interface Waiter extends Wait {
	/** the wait was ended from outside, perhaps before it had begun */
	ended: boolean;
	/** the last query that began before this wait; its result may be older than what the client knows */
	since: number;
	resolve: (order: OrderView | undefined) => void;
}

interface Watched {
	/** null if the waiting requests have seen different versions */
	version: string | null;
	readonly waiters: Set<Waiter>;
}

/**
 * Lets any number of requests wait for orders to change. They share one query every `lookEvery`, which returns only
 * orders that changed. A change made by this process is looked for at once.
 */
export class OrderWatch {
	readonly #database: Database;
	readonly #loop: Loop;
	readonly #reads: Batcher<string, OrderView | null>;
	readonly #waiters = new Set<Waiter>();
	readonly #tickets = new Map<string, Waiter>();
	readonly #watched = new Map<string, Watched>();
	readonly #options: WatchOptions;
	#hinted = new Set<string>();
	#collecting: NodeJS.Timeout | undefined;
	#nextLook = 0;
	#looks = 0;
	#stopped = false;

	constructor(database: Database, log: Log, options: Partial<WatchOptions> = {}) {
		this.#database = database;
		this.#options = { ...DEFAULTS, ...options };
		this.#loop = new Loop('order watch', log, () => this.#step());
		this.#reads = new Batcher(READS, (ids) => this.#read(ids));
	}

	start(): void {
		this.#loop.start();
	}

	/** How many requests wait. */
	get size(): number {
		return this.#waiters.size;
	}

	/** True if no more requests can wait: too many do, or the process is stopping. */
	get isFull(): boolean {
		return this.#stopped || this.#waiters.size >= this.#options.most;
	}

	/**
	 * The order once `isOver` says so, or as it is when the time has passed, the wait was ended or the watch stops;
	 * undefined for an order that does not exist. Throws `DatabaseUnavailable`.
	 */
	async wait(wait: Wait): Promise<OrderView | undefined> {
		const deadline = performance.now() + wait.timeout;
		const waiter: Waiter = { ...wait, ended: this.isFull, since: 0, resolve: () => {} };
		this.#enter(waiter);
		try {
			const found = (await this.#reads.add(wait.orderId)) ?? undefined;
			const left = deadline - performance.now();
			if (found === undefined || wait.isOver(found) || waiter.ended || left <= 0) return found;
			return (await this.#watch(waiter, found.version, left)) ?? (await this.#reads.add(wait.orderId)) ?? undefined;
		} finally {
			this.#leave(waiter);
		}
	}

	/** Tells the watch which orders this process has changed. */
	hint(orderIds: readonly string[]): void {
		if (this.#watched.size === 0) return;
		for (const id of orderIds) if (this.#watched.has(id)) this.#hinted.add(id);
		if (this.#hinted.size === 0) return;
		this.#collecting ??= setTimeout(() => {
			this.#collecting = undefined;
			this.#loop.wake();
		}, COLLECT);
	}

	/** Ends these waits: their clients have gone, or must be answered now. */
	end(tickets: readonly string[]): void {
		for (const ticket of tickets) {
			const waiter = this.#tickets.get(ticket);
			if (waiter !== undefined) finish(waiter);
		}
	}

	/** Ends all waits; later ones are over at once. */
	endAll(): void {
		this.#stopped = true;
		for (const waiter of this.#waiters) finish(waiter);
	}

	async stop(): Promise<void> {
		this.endAll();
		clearTimeout(this.#collecting);
		await this.#loop.stop();
		await this.#reads.drained();
	}

	#enter(waiter: Waiter): void {
		this.#waiters.add(waiter);
		if (waiter.ticket !== undefined) this.#tickets.set(waiter.ticket, waiter);
	}

	#leave(waiter: Waiter): void {
		this.#waiters.delete(waiter);
		if (waiter.ticket !== undefined) this.#tickets.delete(waiter.ticket);
		const watched = this.#watched.get(waiter.orderId);
		watched?.waiters.delete(waiter);
		if (watched?.waiters.size === 0) this.#watched.delete(waiter.orderId);
	}

	/** Resolves with the order's new state, or with undefined when the time has passed or the wait was ended. */
	async #watch(waiter: Waiter, version: string, timeout: Duration): Promise<OrderView | undefined> {
		const { promise, resolve } = Promise.withResolvers<OrderView | undefined>();
		waiter.resolve = resolve;
		waiter.since = this.#looks;
		const timer = setTimeout(() => resolve(undefined), Math.ceil(timeout));
		const first = this.#watched.size === 0;
		const watched = this.#watched.get(waiter.orderId);
		if (watched === undefined) this.#watched.set(waiter.orderId, { version, waiters: new Set([waiter]) });
		else {
			watched.waiters.add(waiter);
			if (watched.version !== version) watched.version = null;
		}
		if (first) this.#loop.wake();
		try {
			return await promise;
		} finally {
			clearTimeout(timer);
		}
	}

	async #step(): Promise<Duration> {
		if (this.#watched.size === 0) return NOBODY;
		const begin = performance.now();
		const all = begin >= this.#nextLook;
		const ids = [...(all ? this.#watched.keys() : this.#hinted)];
		this.#hinted = new Set();
		for (let from = 0; from < ids.length; from += MOST_AT_ONCE) await this.#look(ids.slice(from, from + MOST_AT_ONCE));
		const now = performance.now();
		if (all) this.#nextLook = now + Math.max(this.#options.lookEvery, (now - begin) * (1 / LARGEST_SHARE - 1));
		return Math.max(1, this.#nextLook - now);
	}

	async #look(ids: readonly string[]): Promise<void> {
		this.#looks += 1;
		const look = this.#looks;
		const known = ids.map((id) => ({ id, version: this.#watched.get(id)?.version ?? null }));
		for (const order of await readChanged(this.#database, known)) {
			const watched = this.#watched.get(order.id);
			if (watched === undefined) continue;
			watched.version = order.version;
			for (const waiter of watched.waiters) {
				if (waiter.since >= look) watched.version = null;
				else if (waiter.isOver(order)) waiter.resolve(order);
			}
		}
	}

	async #read(ids: readonly string[]): Promise<(OrderView | null)[]> {
		const views = await readChanged(
			this.#database,
			[...new Set(ids)].map((id) => ({ id, version: null })),
		);
		const byId = new Map(views.map((view) => [view.id, view]));
		return ids.map((id) => byId.get(id) ?? null);
	}
}

function finish(waiter: Waiter): void {
	waiter.ended = true;
	waiter.resolve(undefined);
}
