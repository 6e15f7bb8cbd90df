import { Redis, type RedisOptions, ReplyError } from 'ioredis';
import { Transporters } from 'moleculer';
import { type Duration, SECOND } from '../../../domain/time.ts';
import { type Linkable, NotSent, type TransporterError } from '../linkable.ts';

const CONNECT_TIMEOUT: Duration = 5 * SECOND;

/** The subscribing connection: it waits for the broker; Moleculer subscribes again after each connect. */
const SUBSCRIBER: RedisOptions = {
	connectionName: 'protected-payment-subscriber',
	connectTimeout: CONNECT_TIMEOUT,
	keepAlive: 5 * SECOND,
	retryStrategy: (times) => Math.min(times * 50, SECOND),
	maxRetriesPerRequest: null,
	autoResubscribe: false,
};

/** The publishing connection: what cannot be sent now fails now, and is never sent again. */
const PUBLISHER: RedisOptions = {
	...SUBSCRIBER,
	connectionName: 'protected-payment-publisher',
	maxRetriesPerRequest: 0,
	autoResendUnfulfilledCommands: false,
	enableOfflineQueue: false,
};

/**
 * Moleculer's Redis transporter with what its source (0.15.2, `transporters/redis.js`) lacks: each time the subscriber
 * connects it opens another publisher and keeps the old one for good; a PUBLISH or SUBSCRIBE that fails is an unhandled
 * rejection, which would end the process; and a stop before the first connection goes on connecting.
 */
export class RedisTransporter extends Transporters.Redis implements Linkable {
	readonly #url: string;
	#subscriber: Redis | undefined;
	#publisher: Redis | undefined;

	constructor(url: string) {
		super();
		this.#url = url;
	}

	override connect(): Promise<void> {
		this.#retireAll();
		return super.connect();
	}

	override async disconnect(): Promise<void> {
		this.connected = false;
		this.#retireAll();
		this.clientSub = null;
		this.clientPub = null;
	}

	relink(): void {
		this.#publisher?.disconnect(true);
		this.#subscriber?.disconnect(true);
	}

	/** Moleculer asks for the subscriber first, and for a publisher each time that the subscriber has connected. */
	override getRedisClient(): Redis {
		if (this.#subscriber === undefined) {
			this.#subscriber = this.#open(SUBSCRIBER);
			return this.#subscriber;
		}
		retire(this.#publisher);
		this.#publisher = this.#open(PUBLISHER);
		return this.#publisher;
	}

	/** Resolves when Redis has confirmed it, so that answers to what is published next are heard. */
	override async subscribe(command: string, nodeID?: string): Promise<void> {
		try {
			await this.#subscriber?.subscribe(this.getTopicName(command, nodeID));
		} catch (error) {
			// The connection was closed, and the next one subscribes; or the user may not, which the link tells.
			this.broker.broadcastLocal('$transporter.error', { error } satisfies TransporterError);
		}
	}

	override async send(topic: string, data: Buffer): Promise<void> {
		if (this.#publisher?.status !== 'ready') throw new NotSent('not connected');
		try {
			await this.#publisher.publish(topic, data);
		} catch (error) {
			throw error instanceof ReplyError ? new NotSent('refused', { cause: error }) : error;
		}
	}

	#open(options: RedisOptions): Redis {
		return new Redis(this.#url, options);
	}

	#retireAll(): void {
		retire(this.#publisher);
		retire(this.#subscriber);
		this.#publisher = undefined;
		this.#subscriber = undefined;
	}
}

/** Closes a connection whose errors do not matter any more. */
function retire(client: Redis | undefined): void {
	if (client === undefined) return;
	for (const event of ['ready', 'close', 'error', 'messageBuffer']) client.removeAllListeners(event);
	client.on('error', () => {});
	client.disconnect();
}
