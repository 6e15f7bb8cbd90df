import { Redis } from 'ioredis';
import { type Duration, SECOND } from '../../../domain/time.ts';
import { withDeadline } from '../../runtime/index.ts';
import type { RedisUrl } from '../../settings/index.ts';
import type { Refusals } from '../refusals.ts';
import { SCRIPTS } from './scripts.ts';
import {
	type Address,
	findKey,
	isLoading,
	isReplica,
	NotNow,
	parseInfo,
	type ServerInfo,
	UnfitServer,
	unfitness,
} from './server.ts';

/** After this time an answer is not expected any more: the connection may be half dead. */
const ANSWER_PATIENCE: Duration = 10 * SECOND;
const CONNECT_PATIENCE: Duration = 5 * SECOND;
const DISCONNECT_PATIENCE: Duration = SECOND / 5;
const KEEP_ALIVE: Duration = 10 * SECOND;
/** From the node of the URL to the one that a cluster names, and on if that has just changed. */
const MOST_HOPS = 4;
const CLOSED = 'the connection to Redis is closed';
/** Replies after which the next command has to look for its server anew. */
const ELSEWHERE = /^(READONLY|MOVED|ASK|TRYAGAIN|CLUSTERDOWN|MASTERDOWN|LOADING|NOAUTH)\b/;

/** Redis did not answer in time; whether it did what it was asked for is not known. */
class NoAnswer extends Error {}

export interface RunOptions {
	/** its name in `Refusals`; without one, only the caller hears of a refusal */
	readonly what?: string;
	readonly patience?: Duration;
}

export interface LinkEvents {
	readonly onOpen?: (info: ServerInfo) => void;
	/** called when a connection has ended, by either side */
	readonly onEnd?: () => void;
}

/**
 * One connection to the Redis that holds our keys, opened when it is needed. Each opening looks for the server (in a
 * cluster, the node of our slot) and judges it. Nothing is queued or sent twice: a command fails at once if Redis is
 * away, and its caller decides what that means.
 */
export class Link {
	readonly #url: RedisUrl;
	readonly #key: string;
	readonly #refusals: Refusals;
	readonly #events: LinkEvents;
	/** nodes of a cluster that are asked when the one of the URL is away */
	#others: readonly Address[] = [];
	#client: Redis | undefined;
	/** one that is being opened */
	#candidate: Redis | undefined;
	#opening: Promise<Redis> | undefined;
	#closed = false;
	#clientId: number | undefined;
	#openedAt = Number.POSITIVE_INFINITY;

	/** `key` is any of the keys: all are in one slot. */
	constructor(url: RedisUrl, key: string, refusals: Refusals, events: LinkEvents = {}) {
		this.#url = url;
		this.#refusals = refusals;
		this.#key = key;
		this.#events = events;
	}

	/** How long the connection has been open; below 0 if it is not. */
	get openFor(): Duration {
		return this.#client?.status === 'ready' ? performance.now() - this.#openedAt : -1;
	}

	/** Redis's own name for the connection; undefined if it is not open. */
	get clientId(): number | undefined {
		return this.#client?.status === 'ready' ? this.#clientId : undefined;
	}

	/** Sends commands. Throws if Redis cannot be reached, must not be used, or does not answer in time. */
	run<T>(commands: (client: Redis) => Promise<T>, { what, patience = ANSWER_PATIENCE }: RunOptions = {}): Promise<T> {
		const running = (): Promise<T> => this.#run(commands, patience);
		return what === undefined ? running() : this.#refusals.watch(what, running);
	}

	async #run<T>(commands: (client: Redis) => Promise<T>, patience: Duration): Promise<T> {
		const client = await this.#open();
		try {
			return await inTime(commands(client), patience);
		} catch (error) {
			if (error instanceof NoAnswer || (error instanceof Error && ELSEWHERE.test(error.message))) this.drop();
			throw error;
		}
	}

	/** Ends the connection; the commands under way fail, the next one opens another. */
	drop(): void {
		if (this.#client !== undefined) end(this.#client);
		this.#client = undefined;
	}

	/** Ends the connection for good, also one that is being opened. */
	close(): void {
		this.#closed = true;
		this.drop();
		if (this.#candidate !== undefined) end(this.#candidate);
	}

	#open(): Promise<Redis> {
		if (this.#closed) return Promise.reject(new Error(CLOSED));
		if (this.#client?.status === 'ready') return Promise.resolve(this.#client);
		this.#opening ??= this.#find().finally(() => {
			this.#opening = undefined;
		});
		return this.#opening;
	}

	async #find(): Promise<Redis> {
		this.drop();
		let failure: unknown;
		for (const seed of [this.#url, ...this.#others]) {
			try {
				return await this.#follow(seed);
			} catch (error) {
				failure ??= error;
			}
		}
		throw failure;
	}

	/** Goes from a node that is known to the one that holds our keys. */
	async #follow(seed: Address): Promise<Redis> {
		let address = seed;
		for (let hop = 0; hop < MOST_HOPS; hop += 1) {
			if (this.#closed) throw new Error(CLOSED);
			const client = prepare(this.#url, address);
			this.#candidate = client;
			try {
				await connect(client);
				const elsewhere = await inTime(this.#judge(client, address), CONNECT_PATIENCE);
				if (elsewhere === undefined) {
					if (this.#closed) throw new Error(CLOSED);
					this.#client = client;
					this.#openedAt = performance.now();
					client.once('end', () => this.#events.onEnd?.());
					return client;
				}
				end(client);
				address = elsewhere;
			} catch (error) {
				end(client);
				throw error;
			} finally {
				this.#candidate = undefined;
			}
		}
		throw new NotNow('the nodes of the Redis Cluster do not agree who holds our keys');
	}

	/** Returns where to go on if our keys are elsewhere; throws if this server cannot be used. */
	async #judge(client: Redis, address: Address): Promise<Address | undefined> {
		// The client id only helps to end a blocking read; a user without that right works without it.
		const named = client.client('ID').catch(() => undefined);
		const [text, clientId] = await Promise.all([client.info(), named]);
		const info = parseInfo(text);
		if (isLoading(info)) throw new NotNow('Redis reads its data');
		const { elsewhere, nodes } = await findKey(client, info, this.#key, address);
		if (nodes.length > 0) this.#others = nodes;
		if (elsewhere !== undefined) return elsewhere;
		if (isReplica(info)) throw new NotNow('this Redis is a replica');
		const reason = unfitness(info);
		if (reason !== undefined) throw new UnfitServer(reason);
		this.#clientId = clientId;
		this.#events.onOpen?.(info);
		return undefined;
	}
}

/** Ends a connection; for one that has ended already ioredis would wait two seconds more. */
function end(client: Redis): void {
	if (client.status !== 'end' && client.status !== 'close') client.disconnect();
}

const prepare = ({ kind: _kind, url: _url, tls, ...access }: RedisUrl, { host, port }: Address): Redis =>
	new Redis({
		...access,
		...(tls ? { tls: {} } : {}),
		host,
		port,
		lazyConnect: true,
		// No reconnect by itself: each opening checks the server again.
		retryStrategy: () => null,
		enableReadyCheck: false,
		enableOfflineQueue: false,
		connectTimeout: CONNECT_PATIENCE,
		keepAlive: KEEP_ALIVE,
		disconnectTimeout: DISCONNECT_PATIENCE,
		disableClientInfo: true,
		scripts: SCRIPTS,
	});

/** Rejects with `NoAnswer` when an answer takes too long. */
const inTime = <T>(answer: Promise<T>, timeout: Duration): Promise<T> =>
	withDeadline(answer, timeout, () => new NoAnswer(`Redis did not answer within ${timeout / SECOND} s`));

/** Throws what kept the connection from being opened; ioredis itself would only say that it is closed. */
async function connect(client: Redis): Promise<void> {
	let failure: unknown;
	client.on('error', (error) => {
		failure ??= error;
	});
	try {
		await client.connect();
	} catch (error) {
		throw failure ?? error;
	}
}
