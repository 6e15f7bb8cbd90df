import { type Duration, MINUTE, SECOND } from '../../../domain/time.ts';
import { type Database, plainArray, type Statement, textArray } from '../../../mixins/database/index.ts';
import { Batcher, errorMessage, type Log, Loop, WaitLog, withDeadline } from '../../../mixins/runtime/index.ts';
import type { RateLimit } from '../../../mixins/settings/index.ts';

/** The longest wait for the database; then the request is decided without it. */
const PATIENCE: Duration = 2 * SECOND;
/** How long the database is not asked again after it did not answer. */
const ALONE_FOR: Duration = 2 * SECOND;
/** A gateway takes at most this part of the limit in advance. */
const LARGEST_SLICE = 1 / 20;
/** The part of the limit that each gateway grants by itself, so that a client who asks rarely costs no statement. */
const FREE_SHARE = 1 / 100;
/** A client who has used up the limit is looked up again after this. */
const LEAST_PAUSE: Duration = 50;
/** How many clients are remembered; beyond that, clients that have not asked for a while are forgotten. */
const MOST_CLIENTS = 50_000;

/**
 * How much of a limit is used, by the generic cell rate algorithm: requests may come at once until the limit is used
 * up, and each of them is forgiven after `per / requests`. Only the moment when all of them will be forgiven is stored.
 */
export class Cell {
	readonly #step: Duration;
	readonly #per: Duration;
	#freeAt = Number.NEGATIVE_INFINITY;

	constructor({ requests, per }: RateLimit) {
		this.#step = per / requests;
		this.#per = per;
	}

	/** Takes one, and returns 0; or returns how long to wait, and takes none. */
	take(now: Duration): Duration {
		const freeAt = Math.max(this.#freeAt, now) + this.#step;
		if (freeAt - now > this.#per + ROUNDING) return freeAt - now - this.#per;
		this.#freeAt = freeAt;
		return 0;
	}

	isFree(now: Duration): boolean {
		return this.#freeAt <= now;
	}
}

/** Sums of fractions of milliseconds. */
const ROUNDING = 1e-6;

/** What a gateway knows of one client. Moments are on the process's monotonic clock. */
interface Client {
	readonly free: Cell | undefined;
	/** used while the database is away */
	alone: Cell | undefined;
	/** taken in advance, and good until those who were taken would be forgiven */
	left: number;
	leftUntil: number;
	/** what is taken next */
	slice: number;
	/** before that there is nothing to be had */
	emptyUntil: number;
}

interface Taken {
	readonly client: string;
	readonly granted: number;
	/** until one more can be had */
	readonly wait: Duration;
}

/** What became of one request: 0 if it passes, otherwise how long to wait. */
type Wait = Duration;

/**
 * `RATE_LIMIT`: one limit for each client over all gateways, kept in the database. A gateway takes slices of it, small
 * ones for a client who asks seldom, larger ones while they are used up, so that most requests cost no statement, and
 * all that wait share one.
 *
 * In any time T at most `requests · (1 + T / per)` pass, and at each gateway but the first a hundredth of the limit
 * more, and a slice, at most a twentieth, that was taken a moment before. Limits below 40 are exact. While the database
 * does not answer, each gateway applies the limit by itself: no client is locked out, and none is unlimited.
 */
export class RateLimiter {
	readonly #limit: RateLimit;
	/** what each gateway gives away by itself */
	readonly #free: RateLimit | undefined;
	/** what is kept in the database */
	readonly #shared: RateLimit;
	readonly #database: Pick<Database, 'query'>;
	readonly #waiting: WaitLog;
	readonly #clients = new Map<string, Client>();
	readonly #takes: Batcher<string, Wait>;
	readonly #tidying: Loop;
	#aloneUntil = Number.NEGATIVE_INFINITY;

	constructor(limit: RateLimit, database: Pick<Database, 'query'>, log: Log) {
		const free = Math.floor(limit.requests * FREE_SHARE);
		this.#limit = limit;
		this.#free = free === 0 ? undefined : { requests: free, per: limit.per };
		this.#shared = { requests: limit.requests - free, per: limit.per };
		this.#database = database;
		this.#waiting = new WaitLog(log);
		// One at a time: what comes meanwhile shares the next.
		this.#takes = new Batcher({ size: 1_000, inFlight: 1 }, (clients) => this.#takeFor(clients));
		this.#tidying = new Loop('rate limits', log, async () => {
			await database.query(FORGET);
			return MINUTE;
		});
	}

	start(): void {
		this.#tidying.start();
	}

	async stop(): Promise<void> {
		await this.#tidying.stop();
	}

	/** One request of a client: 0 if it may pass, otherwise how long the client should wait. */
	async admit(name: string): Promise<Wait> {
		const now = performance.now();
		const client = this.#clientOf(name, now);
		if (client.free?.take(now) === 0) return 0;
		if (client.left > 0 && now < client.leftUntil) {
			client.left -= 1;
			return 0;
		}
		if (now < client.emptyUntil) return client.emptyUntil - now;
		if (now < this.#aloneUntil) return this.#alone(client, now);
		return this.#takes.add(name);
	}

	async #takeFor(names: readonly string[]): Promise<readonly Wait[]> {
		const counts = new Map<string, number>();
		for (const name of names) counts.set(name, (counts.get(name) ?? 0) + 1);
		const asked = [...counts].map(([name, count]) => ({ name, want: this.#wantOf(name, count) }));
		const before = performance.now();
		try {
			const taking = this.#database.query<Taken>(takeSlices(asked, this.#shared));
			const taken = await withDeadline(taking, PATIENCE, () => new Error('the database did not answer in time'));
			this.#waiting.over();
			const budgets = new Map(taken.map((row) => [row.client, { left: row.granted, wait: row.wait }]));
			const waits = names.map((name) => {
				const budget = budgets.get(name);
				if (budget === undefined || budget.left === 0) return Math.max(budget?.wait ?? 0, LEAST_PAUSE);
				budget.left -= 1;
				return 0;
			});
			for (const { client: name, granted, wait } of taken) {
				const client = this.#clientOf(name, before);
				client.left = budgets.get(name)?.left ?? 0;
				client.leftUntil = before + (granted * this.#shared.per) / this.#shared.requests;
				const isEmpty = granted < (counts.get(name) ?? 0);
				if (isEmpty) client.emptyUntil = performance.now() + Math.max(wait, LEAST_PAUSE);
			}
			return waits;
		} catch (error) {
			const now = performance.now();
			this.#waiting.warn(`rate limits hold for this gateway alone: ${errorMessage(error)}`, 'alone');
			this.#aloneUntil = now + ALONE_FOR;
			return names.map((name) => this.#alone(this.#clientOf(name, now), now));
		}
	}

	/** Twice as much as the last time if that was used up at once; at least what is asked for now. */
	#wantOf(name: string, count: number): number {
		const now = performance.now();
		const client = this.#clientOf(name, now);
		const largest = Math.max(1, Math.floor(this.#shared.requests * LARGEST_SLICE));
		client.slice = now < client.leftUntil ? Math.min(client.slice * 2, largest) : 1;
		return Math.min(Math.max(client.slice, count), this.#shared.requests);
	}

	#alone(client: Client, now: number): Wait {
		client.alone ??= new Cell(this.#limit);
		return client.alone.take(now);
	}

	#clientOf(name: string, now: number): Client {
		const known = this.#clients.get(name);
		if (known !== undefined) return known;
		if (this.#clients.size >= MOST_CLIENTS) this.#forget(now);
		const fresh: Client = {
			...{ free: this.#free && new Cell(this.#free), alone: undefined, left: 0, slice: 1 },
			...{ leftUntil: Number.NEGATIVE_INFINITY, emptyUntil: Number.NEGATIVE_INFINITY },
		};
		this.#clients.set(name, fresh);
		return fresh;
	}

	/**
	 * Forgets clients without anything that counts. If there are none, forgets all; each of them loses a slice at most.
	 */
	#forget(now: number): void {
		for (const [name, { free, alone, leftUntil, emptyUntil }] of this.#clients) {
			const counts = free?.isFree(now) === false || alone?.isFree(now) === false || now < leftUntil || now < emptyUntil;
			if (!counts) this.#clients.delete(name);
		}
		if (this.#clients.size >= MOST_CLIENTS) this.#clients.clear();
	}
}

const NOW = 'extract(epoch FROM statement_timestamp()) * 1000';

/**
 * Today's milliseconds as floating-point numbers are good to a quarter of a microsecond; a thousandth of a request is
 * forgiven for it. In the order of the names, so that gateways that take for the same clients never wait in a circle.
 */
const takeSlices = (asked: readonly { name: string; want: number }[], { requests, per }: RateLimit): Statement => ({
	name: 'take-slices',
	text: `INSERT INTO rate_limits AS r (client, free_at, granted)
		SELECT client, ${NOW} + want * $3::float8, want FROM unnest($1::text[], $2::int[]) AS a (client, want) ORDER BY client
		ON CONFLICT (client) DO UPDATE SET (free_at, granted) = (
			SELECT used.until + least(excluded.granted, room) * $3::float8, least(excluded.granted, room)
			FROM (SELECT greatest(r.free_at, ${NOW}) AS until) AS used,
				LATERAL (SELECT greatest(0, floor(($4::float8 - (used.until - ${NOW})) / $3::float8 + 0.001))::int AS room))
		RETURNING client, granted, greatest(0, free_at - ${NOW} + $3::float8 - $4::float8)::float8 AS wait`,
	values: [textArray(asked.map(({ name }) => name)), plainArray(asked.map(({ want }) => want)), per / requests, per],
});

/** A client whose requests are all forgiven equals one who never came. */
const FORGET: Statement = {
	name: 'forget-rate-limits',
	text: `DELETE FROM rate_limits WHERE free_at < ${NOW}`,
	values: [],
};
