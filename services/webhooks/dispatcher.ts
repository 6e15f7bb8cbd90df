/** Makes the attempts: few at once for each endpoint, so that a slow one delays no other. */
import { performance } from 'node:perf_hooks';
import { type Duration, SECOND } from '../../domain/time.ts';
import { ANSWER_TIME, type Tried } from '../../domain/webhook.ts';
import { toEnvelope } from '../../mixins/brokers/index.ts';
import { isTransient } from '../../mixins/database/index.ts';
import { endedWithin, type Log, Loop, tell } from '../../mixins/runtime/index.ts';
import type { Claimed } from './deliveries-store.ts';
import type { Ended } from './outcomes.ts';

/** Attempts at once to one endpoint, in each process. */
export const AT_ONCE = 8;
/** So many endpoints are looked at with one statement. */
const ENDPOINTS = 100;
/** After it others may repeat the attempt: longer than one takes, with time to store its outcome. */
export const LEASE: Duration = ANSWER_TIME + 5 * SECOND;
/** If this process stood still for so long after a claim, the attempt is left to others. */
const STALE: Duration = 3 * SECOND;
/** Outcomes that come within this time are stored together. */
const REST: Duration = 3;
/** The loop is woken when there is something to do. */
const LONGEST_PAUSE: Duration = 5 * SECOND;
/** How long a stop waits for the attempts under way; then they are broken off. */
const STOP_PATIENCE: Duration = 2.5 * SECOND;
const STOP_REST: Duration = SECOND;

export interface Dispatch {
	/** takes up due deliveries, so many of each endpoint, until its lease ends */
	claim(places: ReadonlyMap<string, number>, lease: Duration): Promise<readonly Claimed[]>;
	/** makes one attempt; one that throws counts as an endpoint that cannot be reached */
	attempt(claimed: Claimed, body: string, stopping: AbortSignal): Promise<Tried>;
	store(ended: readonly Ended[]): Promise<void>;
	/** true while nothing is to be begun */
	isPaused(): boolean;
}

/**
 * Two sets: the endpoints that may have something due, and for each the number of attempts under way. A step stores what
 * has ended, then takes up as many due deliveries of those endpoints as they have places free. An endpoint leaves the
 * first set once fewer were found than asked for, and comes back by `wake`. In memory there is never more than what is
 * under way.
 */
export class Dispatcher {
	readonly loop: Loop;
	readonly #dispatch: Dispatch;
	readonly #log: Log;
	readonly #hungry = new Set<string>();
	readonly #underWay = new Map<string, number>();
	#ended: Ended[] = [];
	readonly #attempts = new Set<Promise<void>>();
	readonly #stopping = new AbortController();
	#closed = false;

	constructor(dispatch: Dispatch, log: Log) {
		this.#dispatch = dispatch;
		this.#log = log;
		this.loop = new Loop('webhooks', log, () => this.#step(), REST);
	}

	/** These endpoints may have something due. */
	wake(endpointIds: Iterable<string>): void {
		for (const id of endpointIds) this.#hungry.add(id);
		this.loop.wake();
	}

	/** Begins nothing more; waits for what is under way, breaks off what takes too long, and stores all outcomes. */
	async stop(): Promise<void> {
		this.#closed = true;
		await endedWithin(Promise.all(this.#attempts), STOP_PATIENCE);
		this.#stopping.abort();
		await endedWithin(Promise.all(this.#attempts), STOP_REST);
		await this.loop.stop();
		await this.#store().catch((error: unknown) =>
			tell(this.#log, 'warn', 'outcomes of webhooks were not stored', error),
		);
	}

	async #step(): Promise<Duration> {
		await this.#store();
		if (this.#closed || this.#dispatch.isPaused()) return LONGEST_PAUSE;
		const places = this.#places();
		if (places.size === 0) return LONGEST_PAUSE;
		for (const id of places.keys()) this.#hungry.delete(id);
		const begun = performance.now();
		let claimed: readonly Claimed[];
		try {
			claimed = await this.#dispatch.claim(places, LEASE);
		} catch (error) {
			for (const id of places.keys()) this.#hungry.add(id);
			throw error;
		}
		const found = Map.groupBy(claimed, ({ endpoint_id }) => endpoint_id);
		for (const [id, free] of places) if (found.get(id)?.length === free) this.#hungry.add(id);
		if (performance.now() - begun < STALE) for (const one of claimed) this.#begin(one);
		return this.#places().size > 0 ? 0 : LONGEST_PAUSE;
	}

	/** The places that hungry endpoints have free. */
	#places(): ReadonlyMap<string, number> {
		const places = new Map<string, number>();
		for (const id of this.#hungry) {
			const free = AT_ONCE - (this.#underWay.get(id) ?? 0);
			if (free > 0) places.set(id, free);
			if (places.size === ENDPOINTS) break;
		}
		return places;
	}

	#begin(claimed: Claimed): void {
		const { endpoint_id: id } = claimed;
		this.#underWay.set(id, (this.#underWay.get(id) ?? 0) + 1);
		const attempt = this.#attempt(claimed).then((tried) => {
			this.#attempts.delete(attempt);
			const left = (this.#underWay.get(id) ?? 1) - 1;
			if (left === 0) this.#underWay.delete(id);
			else this.#underWay.set(id, left);
			this.#ended.push({ claimed, tried });
			this.loop.wake();
		});
		this.#attempts.add(attempt);
	}

	async #attempt(claimed: Claimed): Promise<Tried> {
		try {
			return await this.#dispatch.attempt(claimed, toEnvelope(claimed), this.#stopping.signal);
		} catch (error) {
			tell(this.#log, 'error', 'an attempt to tell an endpoint was not made', error);
			return { kind: 'unreachable', responseStatus: null, error: 'the attempt could not be made' };
		}
	}

	/**
	 * Nothing more is begun until it is stored. What the database refuses is dropped: the lease ends, and the attempt is
	 * repeated.
	 */
	async #store(): Promise<void> {
		const ended = this.#ended;
		if (ended.length === 0) return;
		this.#ended = [];
		try {
			await this.#dispatch.store(ended);
		} catch (error) {
			if (isTransient(error)) this.#ended = [...ended, ...this.#ended];
			throw error;
		}
	}
}
