import type { Redis } from 'ioredis';
import { type Duration, SECOND } from '../../../domain/time.ts';
import type { Clock } from '../../database/index.ts';
import { errorMessage, type Log, Loop, newId, withFallback } from '../../runtime/index.ts';
import { type BatchHandler, retryDelay } from '../carrier.ts';
import type { GroupKeys } from './keys.ts';
import type { Link } from './link.ts';
import { afterFailure, type Entry, type RawEntry, toEntry } from './message.ts';

/** The longest wait for a message; then the consumer looks again, in case a wake-up was lost. */
const SLOW_POLL: Duration = SECOND;
/** After this time without a sign of life, the consumer that holds an entry counts as dead. */
export const CLAIM_AFTER: Duration = 5 * SECOND;
const CLAIM_EVERY: Duration = SECOND;
/**
 * A message that more consumers than this have died with is handled alone: one message of its batch may be to blame.
 */
const SUSPECT_AFTER = 10;
/** How often a living consumer renews its claim on its batch. */
const BEAT_EVERY: Duration = SECOND;
/** A consumer without a sign of life for this long that holds nothing is deleted. */
const FORGET_AFTER: Duration = 15 * SECOND;
const FORGET_EVERY: Duration = 5 * SECOND;
/** How long a stop waits for Redis, in addition to the batch in progress; unconfirmed messages come again. */
const STOP_PATIENCE: Duration = 2 * SECOND;
const UNBLOCK_EVERY: Duration = 50;

export interface ConsumerOptions {
	readonly link: Link;
	readonly keys: GroupKeys;
	/** the types that the group takes */
	readonly types: readonly string[];
	readonly handle: BatchHandler;
	readonly batch: number;
	readonly linger: Duration;
	readonly clock: Clock;
	readonly log: Log;
	/** called after messages were delayed */
	readonly onDelayed: () => void;
	/** ends a blocking read of this connection, by another connection */
	readonly unblock: (clientId: number) => Promise<unknown>;
}

/** One consumer of a group: takes a batch, has it handled, settles it, and takes the next. */
export class Consumer {
	/** unique for ever: the entries of a dead consumer are claimed, never inherited by name */
	readonly #name = newId(Date.now());
	readonly #options: ConsumerOptions;
	readonly #loop: Loop;
	/** whether a batch is in hand */
	#handling = false;
	/** whether this consumer may hold entries that it does not know of: a reply was lost, a handler threw */
	#leftovers = false;
	#claimAt = 0;
	#forgetAt = performance.now() + FORGET_EVERY;
	#cursor = '0-0';
	#acknowledging: Promise<unknown> = Promise.resolve();
	#stopped: Promise<void> | undefined;

	constructor(options: ConsumerOptions) {
		this.#options = options;
		this.#loop = new Loop(`consumer ${options.keys.group}`, options.log, () => this.#step(), options.linger);
	}

	get sinceLastBeat(): Duration {
		return this.#loop.sinceLastBeat;
	}

	start(): void {
		this.#loop.start();
	}

	/** Finishes the batch in hand. */
	stop(): Promise<void> {
		this.#stopped ??= this.#stop();
		return this.#stopped;
	}

	async #stop(): Promise<void> {
		const { link, keys } = this.#options;
		let running = true;
		const ended = this.#loop.stop().finally(() => {
			running = false;
		});
		const deadline = performance.now() + STOP_PATIENCE;
		while (running) {
			// Never in the middle of a batch: only a wait for Redis is cut short.
			if (!this.#handling) {
				if (link.clientId !== undefined) void this.#options.unblock(link.clientId).catch(() => {});
				if (performance.now() > deadline) link.close();
			}
			await Promise.race([ended, wait(UNBLOCK_EVERY)]);
		}
		await withFallback(this.#acknowledging, STOP_PATIENCE, undefined);
		const dismiss = (client: Redis) => client.dismissConsumers(keys.stream, keys.group, 0, this.#name);
		if (link.openFor >= 0) await link.run(dismiss, { patience: STOP_PATIENCE }).catch(() => {});
		link.close();
	}

	async #step(): Promise<Duration> {
		try {
			const batches = await this.#take();
			this.#handling = true;
			for (const batch of batches) await this.#deliver(batch);
			const taken = batches.reduce((sum, { length }) => sum + length, 0);
			this.#loop.found(taken);
			return 0;
		} catch (error) {
			this.#leftovers = true;
			throw error;
		} finally {
			this.#handling = false;
		}
	}

	async #take(): Promise<readonly (readonly RawEntry[])[]> {
		if (this.#leftovers) {
			const own = await this.#read('0');
			if (own.length > 0) return apart(await this.#counted(own));
			this.#leftovers = false;
		}
		const claimed = await this.#claim();
		return claimed.length > 0 ? apart(await this.#counted(claimed)) : [await this.#read('>')];
	}

	/** Reads new messages, waiting for them, or, from an id on, those that this consumer holds. */
	async #read(from: '>' | '0'): Promise<readonly RawEntry[]> {
		const { keys, batch } = this.#options;
		return this.#inGroup([], () =>
			this.#run('read', async (client) => {
				const block = ['COUNT', batch, 'BLOCK', SLOW_POLL] as const;
				const reply = await client.xreadgroup('GROUP', keys.group, this.#name, ...block, 'STREAMS', keys.stream, from);
				return (reply as [[string, RawEntry[]]] | null)?.[0][1] ?? [];
			}),
		);
	}

	/** Takes over what dead consumers held, now and then. */
	async #claim(): Promise<readonly RawEntry[]> {
		const { link, keys, batch } = this.#options;
		const now = performance.now();
		// After an outage, living consumers need a moment to renew their claims.
		if (now < this.#claimAt || link.openFor < CLAIM_AFTER) return [];
		const { group, stream } = keys;
		return this.#inGroup([], async () => {
			const [cursor, entries] = await this.#run(
				'claim',
				(client) =>
					client.xautoclaim(stream, group, this.#name, CLAIM_AFTER, this.#cursor, 'COUNT', batch) as Promise<
						[string, (RawEntry | null)[]]
					>,
			);
			this.#cursor = cursor;
			if (cursor === '0-0') this.#claimAt = now + CLAIM_EVERY;
			if (now > this.#forgetAt) {
				this.#forgetAt = now + FORGET_EVERY;
				await this.#run('dismiss', (client) => client.dismissConsumers(stream, group, FORGET_AFTER));
			}
			const found = entries.filter((entry) => entry !== null);
			if (found.length > 0)
				this.#options.log.warn(`consumer ${group} takes over ${found.length} messages of a dead one`);
			return found;
		});
	}

	/** Entries that this consumer holds, with the number of their deliveries. */
	async #counted(entries: readonly RawEntry[]): Promise<readonly RawEntry[]> {
		const { keys, batch } = this.#options;
		const pending = await this.#run(
			'count',
			(client) =>
				client.xpending(keys.stream, keys.group, '-', '+', batch, this.#name) as Promise<
					[string, string, number, number][]
				>,
		);
		const deliveries = new Map(pending.map(([id, , , count]) => [id, count]));
		return entries.map(([id, fields]): RawEntry => [id, fields, deliveries.get(id) ?? 1]);
	}

	/** Where there is no group yet, or none any more because Redis has lost all, makes it and goes on. */
	async #inGroup<T>(nothing: T, action: () => Promise<T>): Promise<T> {
		try {
			return await action();
		} catch (error) {
			const message = errorMessage(error);
			if (message.startsWith('UNBLOCKED')) return nothing; // the stream was deleted while we waited
			if (!message.startsWith('NOGROUP')) throw error;
			const { keys } = this.#options;
			await this.#run('found', (client) => client.createGroup(keys.stream, keys.group));
			return nothing;
		}
	}

	async #deliver(raw: readonly RawEntry[]): Promise<void> {
		const { keys, types, handle, log } = this.#options;
		const ids = raw.map(([id]) => id);
		const entries = raw.flatMap((one) => toEntry(keys.stream, types, one) ?? []);
		let back: readonly Entry[] = [];
		if (entries.length > 0) {
			const beat = setInterval(() => {
				this.#touch(ids).catch((error) => log.debug(`consumer ${keys.group}: ${errorMessage(error)}`));
			}, BEAT_EVERY);
			try {
				const failures = new Set((await handle(entries.map(({ delivery }) => delivery))).map(({ id }) => id));
				back = entries.filter(({ delivery }) => failures.has(delivery.id));
			} catch (error) {
				// No message is at fault; another consumer may have them at once.
				await this.#giveAway(raw).catch(() => {});
				throw error;
			} finally {
				clearInterval(beat);
			}
		}
		if (back.length > 0) await this.#setBack(back);
		const failed = new Set(back.map(({ id }) => id));
		const done = ids.filter((id) => !failed.has(id));
		if (done.length > 0) this.#acknowledge(done);
	}

	/** Not waited for: it goes out together with the next read, and Redis syncs both to its disk at once. */
	#acknowledge(ids: readonly string[]): void {
		const { keys, log } = this.#options;
		const acknowledge = (client: Redis) => client.acknowledge(keys.stream, keys.group, ...ids);
		this.#acknowledging = this.#run('acknowledge', acknowledge).catch((error) => {
			log.debug(`consumer ${keys.group}: ${errorMessage(error)}`);
			this.#leftovers = true; // they come again
		});
	}

	async #setBack(back: readonly Entry[]): Promise<void> {
		const { keys, clock, onDelayed } = this.#options;
		const now = clock.now();
		const args = back.flatMap((entry) => [entry.id, now + retryDelay(entry.delivery.attempt), afterFailure(entry)]);
		await this.#run('set back', (client) => client.setBack(keys.stream, keys.delayed, keys.group, ...args));
		onDelayed();
	}

	#touch(ids: readonly string[]): Promise<unknown> {
		const { keys } = this.#options;
		return this.#run('touch', (client) => client.touchEntries(keys.stream, keys.group, this.#name, ...ids));
	}

	/** The consumer is alive, so this delivery does not count as a death. */
	#giveAway(raw: readonly RawEntry[]): Promise<unknown> {
		const { keys } = this.#options;
		const args = raw.flatMap(([id, , deliveries = 1]) => [id, deliveries - 1]);
		return this.#run('give away', (client) =>
			client.giveAway(keys.stream, keys.group, this.#name, CLAIM_AFTER, ...args),
		);
	}

	#run<T>(what: string, commands: (client: Redis) => Promise<T>): Promise<T> {
		const { link, keys } = this.#options;
		return link.run(commands, { what: `consumer ${keys.group}: ${what}` });
	}
}

/**
 * Messages that many consumers have died with are handled one by one, in random order, so that harmless ones get
 * through.
 */
function apart(claimed: readonly RawEntry[]): readonly (readonly RawEntry[])[] {
	const { suspects = [], others = [] } = Object.groupBy(claimed, ([, , deliveries = 1]) =>
		deliveries > SUSPECT_AFTER ? 'suspects' : 'others',
	);
	return [others, ...suspects.toSorted(() => Math.random() - 0.5).map((one) => [one])];
}

const wait = (duration: Duration): Promise<void> => new Promise((resolve) => setTimeout(resolve, duration));
