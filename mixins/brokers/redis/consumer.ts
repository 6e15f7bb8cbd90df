import type { Redis } from 'ioredis';
import { type Duration, SECOND } from '../../../domain/time.ts';
import { errorMessage, type Log, Loop, newId } from '../../runtime/index.ts';
import type { BatchHandler } from '../carrier.ts';
import type { SetAside } from '../set-aside.ts';
import { judge, type RawEntry, type SetBack, toDelivery, understand } from './entries.ts';
import type { GroupKeys } from './keys.ts';
import type { Link } from './link.ts';
import { ACKNOWLEDGE, DISMISS, FOUND, SET_BACK, TOUCH } from './lua.ts';
import { inTime } from './patience.ts';

/** The longest wait for a message; after it the consumer looks again, whoever forgot to wake it. */
const SLOW_POLL: Duration = SECOND;
/** An entry that nobody has touched for so long was in the hands of a consumer that is dead. */
export const CLAIM_AFTER: Duration = 5 * SECOND;
const CLAIM_EVERY: Duration = SECOND;
/** A living consumer says so often that it still works on its batch. */
const BEAT_EVERY: Duration = SECOND;
/** The name of a consumer that shows no sign of life for so long, and holds nothing, is forgotten. */
const FORGET_AFTER: Duration = 15 * SECOND;
const FORGET_EVERY: Duration = 5 * SECOND;
/** How long a stop waits for Redis, beside the batch in hand; whatever it does not hear of any more comes again. */
const STOP_PATIENCE: Duration = 2 * SECOND;
const UNBLOCK_EVERY: Duration = 50;

export interface ConsumerOptions {
	readonly link: Link;
	readonly keys: GroupKeys;
	readonly deadLetters: string;
	/** the types that the group takes */
	readonly types: readonly string[];
	readonly handle: BatchHandler;
	readonly batch: number;
	readonly linger: Duration;
	readonly log: Log;
	readonly setAside: SetAside;
	/** called after messages were delayed */
	readonly onDelayed: () => void;
	/** ends a blocking read of this connection, by another connection */
	readonly unblock: (clientId: number) => Promise<unknown>;
}

/** One consumer of a group: takes a batch, has it handled, settles it, and takes the next. */
export class Consumer {
	/** unique for ever: what a dead consumer held is claimed, never taken over by its name */
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
			// Never in the middle of a batch: only what waits for Redis is cut short.
			if (!this.#handling) {
				if (link.clientId !== undefined) void this.#options.unblock(link.clientId).catch(() => {});
				if (performance.now() > deadline) link.close();
			}
			await Promise.race([ended, wait(UNBLOCK_EVERY)]);
		}
		await inTime(this.#acknowledging, STOP_PATIENCE).catch(() => {});
		const dismiss = (client: Redis) => DISMISS.run(client, [keys.stream], [keys.group, 0, this.#name]);
		if (link.openFor >= 0) await link.run(dismiss, { patience: STOP_PATIENCE }).catch(() => {});
		link.close();
	}

	async #step(): Promise<Duration> {
		try {
			const entries = await this.#take();
			this.#handling = true;
			if (entries.length > 0) await this.#deliver(entries);
			return 0;
		} catch (error) {
			this.#leftovers = true;
			throw error;
		} finally {
			this.#handling = false;
		}
	}

	async #take(): Promise<readonly RawEntry[]> {
		if (this.#leftovers) {
			const own = await this.#read('0');
			if (own.length > 0) return own;
			this.#leftovers = false;
		}
		const claimed = await this.#claim();
		return claimed.length > 0 ? claimed : this.#read('>');
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
		// After an outage the living need a moment to say that they live.
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
				await this.#run('dismiss', (client) => DISMISS.run(client, [stream], [group, FORGET_AFTER]));
			}
			const found = entries.filter((entry) => entry !== null);
			if (found.length > 0)
				this.#options.log.warn(`consumer ${group} takes over ${found.length} messages of a dead one`);
			return found;
		});
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
			await this.#run('found', (client) => FOUND.run(client, [keys.stream], [keys.group]));
			return nothing;
		}
	}

	async #deliver(raw: readonly RawEntry[]): Promise<void> {
		const { keys, handle, log } = this.#options;
		const ids = raw.map(([id]) => id);
		const { entries, back } = understand(raw, keys.group, this.#options.types);
		if (entries.length > 0) {
			const beat = setInterval(() => {
				this.#touch(ids, 0).catch((error) => log.debug(`consumer ${keys.group}: ${errorMessage(error)}`));
			}, BEAT_EVERY);
			try {
				const failures = await handle(entries.map(({ message }) => toDelivery(message)));
				const errors = new Map(failures.map(({ id, error }) => [id, error]));
				back.push(...entries.flatMap((entry) => judge(entry, errors.get(entry.message.id))));
			} catch (error) {
				// Nobody is to blame. Whoever can handle them may have them at once.
				await this.#touch(ids, CLAIM_AFTER).catch(() => {});
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
		const acknowledge = (client: Redis) => ACKNOWLEDGE.run(client, [keys.stream], [keys.group, ...ids]);
		this.#acknowledging = this.#run('acknowledge', acknowledge).catch((error) => {
			log.debug(`consumer ${keys.group}: ${errorMessage(error)}`);
			this.#leftovers = true; // they come again
		});
	}

	async #setBack(back: readonly SetBack[]): Promise<void> {
		const { keys, deadLetters, setAside, onDelayed } = this.#options;
		const args = back.flatMap(({ id, delay, message, error }) => [id, delay, message, error]);
		const names = [keys.stream, keys.delayed, deadLetters];
		await this.#run('set back', (client) => SET_BACK.run(client, names, [keys.group, ...args]));
		for (const { delay, what, error } of back) if (delay < 0) setAside(keys.group, what, error);
		onDelayed();
	}

	#touch(ids: readonly string[], idle: Duration): Promise<unknown> {
		const { keys } = this.#options;
		return this.#run('touch', (client) => TOUCH.run(client, [keys.stream], [keys.group, this.#name, idle, ...ids]));
	}

	#run<T>(what: string, commands: (client: Redis) => Promise<T>): Promise<T> {
		const { link, keys } = this.#options;
		return link.run(commands, { what: `consumer ${keys.group}: ${what}` });
	}
}

const wait = (duration: Duration): Promise<void> => new Promise((resolve) => setTimeout(resolve, duration));
