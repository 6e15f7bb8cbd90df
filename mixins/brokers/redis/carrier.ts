import type { Redis } from 'ioredis';
import { type Duration, SECOND } from '../../../domain/time.ts';
import type { Clock } from '../../database/index.ts';
import { type Log, Loop, quietLog } from '../../runtime/index.ts';
import type { RedisUrl } from '../../settings/index.ts';
import type {
	BatchHandler,
	Carrier,
	CarrierMessage,
	Failure,
	SubscribeOptions,
	Subscription,
	Topology,
} from '../carrier.ts';
import { publishable } from '../publishable.ts';
import { Refusals } from '../refusals.ts';
import { combineSubscriptions } from '../subscriptions.ts';
import { brokerTrouble } from '../trouble.ts';
import { Consumer } from './consumer.ts';
import { type Keys, keysOf } from './keys.ts';
import { Link, type LinkEvents } from './link.ts';
import { encode } from './message.ts';
import { misgivings, NotNow, parseInfo, type ServerInfo, UnfitServer, unfitness } from './server.ts';

export { UnfitServer } from './server.ts';

const DEFAULT_PREFIX = 'protected-payment';
const DEFAULT_BATCH = 500;
/** The most messages and bytes in one call: Redis does nothing else meanwhile. */
const LARGEST_CALL = { messages: 500, bytes: 4 * 1024 * 1024 };
/** The most messages of a group that become due in one call. */
const MOST_MOVED = 500;
/** The longest pause between two looks at the delays: another process may have added a shorter one. */
const SLOW_POLL: Duration = SECOND / 4;
/** How often the server's settings are checked again. */
const WATCH_EVERY: Duration = 2 * SECOND;

export interface RedisCarrierOptions {
	/** what the names of all keys begin with */
	readonly prefix?: string;
	readonly clock: Clock;
}

/**
 * Redis as the carrier: a stream for each consumer group, and a sorted set for its delayed messages. The broker may be
 * away at any time; operations fail or wait, and continue when it is back.
 */
export class RedisCarrier implements Carrier {
	/** The clock is the database's, but that may be set back. */
	readonly early: Duration = SECOND;
	/**
	 * Resolves once a Redis was reached that may carry messages; rejects with `UnfitServer`, in one sentence, if the
	 * first one that was reached may not. Waits for as long as none can be reached.
	 */
	readonly trusted: Promise<void>;
	readonly #topology: Topology;
	readonly #types: ReadonlySet<string>;
	readonly #log: Log;
	/** for failures because Redis is away: logged once, not by every connection */
	readonly #quietly: Log;
	readonly #refusals: Refusals;
	readonly #url: RedisUrl;
	readonly #clock: Clock;
	readonly #keys: Keys;
	readonly #places: ReadonlyMap<string, readonly number[]>;
	readonly #main: Link;
	readonly #movers: Link;
	readonly #watching: Loop;
	readonly #moving: Loop;
	readonly #subscriptions = new Set<Subscription>();
	readonly #underWay = new Set<Promise<unknown>>();
	readonly #verdict = Promise.withResolvers<void>();
	#waitsFor: string | undefined = 'the broker was not reached yet';
	#unfit: string | undefined;
	#closing: Promise<void> | undefined;

	/** Begins to connect by itself. */
	constructor(url: RedisUrl, topology: Topology, log: Log, { prefix = DEFAULT_PREFIX, clock }: RedisCarrierOptions) {
		this.#url = url;
		this.#clock = clock;
		this.#topology = topology;
		this.#types = new Set(topology.types);
		this.#log = log;
		this.#refusals = new Refusals(log);
		const groups = Object.keys(topology.consumers);
		this.#keys = keysOf(prefix, groups);
		this.#places = new Map(
			topology.types.map((type) => [
				type,
				groups.flatMap((group, index) => (topology.consumers[group]?.includes(type) ? [index + 1] : [])),
			]),
		);
		this.#main = this.#link({
			onOpen: (info) => this.#reached(info),
			onEnd: () => this.#watching.wake(),
		});
		this.#movers = this.#link();
		this.#quietly = quietLog(log, () => this.waitsFor !== undefined);
		this.#moving = new Loop('delays on Redis', this.#quietly, () => this.#moveDue());
		const unlessRefused = quietLog(log, () => this.#refusals.reason !== undefined);
		this.#watching = new Loop('Redis', unlessRefused, () => this.#watch());
		this.trusted = this.#verdict.promise;
		this.trusted.catch(() => {}); // its rejection may have no listener
		this.#watching.start();
	}

	/** What keeps the carrier from its work, for readiness; undefined if nothing does. */
	get waitsFor(): string | undefined {
		return this.#waitsFor ?? this.#refusals.reason;
	}

	publish(messages: readonly CarrierMessage[]): Promise<readonly Failure[]> {
		return this.#work(async () => {
			const { messages: good, failures } = publishable(messages, this.#types);
			for (const call of calls(good)) await this.#publish(call);
			return failures;
		});
	}

	subscribe(group: string, handle: BatchHandler, options: SubscribeOptions = {}): Subscription {
		const keys = this.#keys.groups.find((known) => known.group === group);
		const types = this.#topology.consumers[group];
		if (keys === undefined || types === undefined) throw new Error(`nobody knows the consumer group ${group}`);
		const consumers = Array.from(
			{ length: options.concurrency ?? 1 },
			() =>
				new Consumer({
					link: this.#link(),
					keys,
					types,
					handle,
					batch: options.batch ?? DEFAULT_BATCH,
					linger: options.linger ?? 0,
					clock: this.#clock,
					log: this.#quietly,
					onDelayed: () => this.#moving.wake(),
					unblock: (id) => this.#main.run((client) => client.client('UNBLOCK', id)),
				}),
		);
		this.#moving.start();
		for (const consumer of consumers) consumer.start();
		const moving = this.#moving;
		const mover = {
			get sinceLastBeat() {
				return moving.sinceLastBeat;
			},
			stop: async () => {}, // others need it
		};
		const subscription = combineSubscriptions([...consumers, mover], () => this.#subscriptions.delete(subscription));
		this.#subscriptions.add(subscription);
		return subscription;
	}

	close(): Promise<void> {
		this.#closing ??= this.#close();
		return this.#closing;
	}

	async #close(): Promise<void> {
		await Promise.all([...this.#subscriptions].map((subscription) => subscription.close()));
		await Promise.allSettled(this.#underWay);
		// What these two wait for may never be answered, and nothing depends on it.
		this.#movers.close();
		this.#main.close();
		await Promise.all([this.#moving.stop(), this.#watching.stop()]);
	}

	#link(events: LinkEvents = {}): Link {
		return new Link(this.#url, this.#keys.events, this.#refusals, events);
	}

	/** Something that `close` waits for. */
	#work<T>(action: () => Promise<T>): Promise<T> {
		if (this.#closing !== undefined) return Promise.reject(new Error('the carrier is closed'));
		const work = action();
		this.#underWay.add(work);
		const over = (): void => void this.#underWay.delete(work);
		work.then(over, over);
		return work;
	}

	async #publish(messages: readonly CarrierMessage[]): Promise<void> {
		const args = messages.flatMap((message) => {
			const places = this.#places.get(message.type) ?? [];
			const moment = message.deliverAt === null ? -1 : message.delay > 0 ? message.deliverAt : 0;
			return [moment, encode({ ...message, attempts: 0 }), places.length, ...places];
		});
		const keys = [this.#keys.events, ...this.#groupKeys()];
		await this.#main.run((client) => client.publishMessages(keys.length, ...keys, ...args), { what: 'publish' });
		if (messages.some(({ delay }) => delay > 0 && delay < SLOW_POLL)) this.#moving.wake();
	}

	/** Hands over what is due; returns how long nothing more will be. */
	async #moveDue(): Promise<Duration> {
		if (!this.#clock.isRead) return SLOW_POLL;
		const keys = this.#groupKeys();
		const moving = (client: Redis) => client.moveDue(keys.length, ...keys, MOST_MOVED, this.#clock.now());
		const reply = await this.#movers.run(moving, { what: 'delays' });
		const [, next] = reply as [moved: number, next?: string];
		return next === undefined ? SLOW_POLL : Math.min(Math.max(0, Number(next) - this.#clock.now()), SLOW_POLL);
	}

	#groupKeys(): string[] {
		return this.#keys.groups.flatMap(({ stream, delayed }) => [stream, delayed]);
	}

	/** Keeps a connection, and looks whether the server still is one that messages may be trusted to. */
	async #watch(): Promise<Duration> {
		try {
			const info = parseInfo(await this.#main.run((client) => client.info(), { what: 'INFO' }));
			const reason = unfitness(info);
			if (reason !== undefined) {
				this.#main.drop(); // the next use finds the same reason, until the server's settings have changed
				throw new UnfitServer(reason);
			}
			this.#waitsFor = undefined;
			this.#unfit = undefined;
			this.#verdict.resolve();
			return WATCH_EVERY;
		} catch (error) {
			if (error instanceof UnfitServer) this.#refuse(error);
			else this.#waitsFor = error instanceof NotNow ? error.message : brokerTrouble(error);
			throw error;
		}
	}

	#refuse(error: UnfitServer): void {
		if (this.#unfit !== error.message) this.#log.error(error.message);
		this.#unfit = error.message;
		this.#waitsFor = error.message;
		this.#verdict.reject(error);
	}

	#reached(info: ServerInfo): void {
		const warning = misgivings(info);
		if (warning !== undefined) this.#log.warn(warning);
	}
}

/** Cuts a list into what goes in one call each. */
function* calls(messages: readonly CarrierMessage[]): Generator<readonly CarrierMessage[]> {
	let call: CarrierMessage[] = [];
	let bytes = 0;
	for (const message of messages) {
		const size = message.body.length;
		if (call.length === LARGEST_CALL.messages || (call.length > 0 && bytes + size > LARGEST_CALL.bytes)) {
			yield call;
			[call, bytes] = [[], 0];
		}
		call.push(message);
		bytes += size;
	}
	if (call.length > 0) yield call;
}
