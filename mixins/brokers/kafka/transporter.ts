import { setTimeout as pause } from 'node:timers/promises';
import type { Admin, Consumer } from '@platformatic/kafka';
import { Transporters } from 'moleculer';
import { type Duration, SECOND } from '../../../domain/time.ts';
import { endedWithin } from '../../runtime/index.ts';
import type { BrokerUrl } from '../../settings/index.ts';
import { type Linkable, NotSent } from '../linkable.ts';

/**
 * Kafka, in the object form: a text with several hosts is not split. With its default retries the consumer stays deaf
 * for good after an outage. The producer has none: the client repeats what may have been stored, so one request would
 * arrive twice.
 */
function kafkaOptions({ hosts, tls, login }: Extract<BrokerUrl, { kind: 'kafka' }>) {
	const connection = {
		...(tls ? { tls: {}, tlsServerName: true } : {}),
		...(login === undefined
			? {}
			: {
					sasl: {
						mechanism: login.mechanism.toUpperCase(),
						username: login.username,
						password: login.password,
					},
				}),
	};
	return {
		clientId: 'protected-payment',
		bootstrapBrokers: [...hosts],
		producer: { ...connection, retries: 0 },
		admin: connection,
		consumer: { ...connection, retries: true, retryDelay: 250 },
	};
}
interface Closable {
	close(force?: boolean): Promise<void>;
}

/** While the broker is away a client may wait for it to say goodbye. */
const CLOSE_PATIENCE: Duration = SECOND;
const RETRY: Duration = SECOND;

/**
 * Moleculer's Kafka transporter with what its source (0.15.2, `transporters/kafka.js`) lacks: a failed consumer is
 * replaced (otherwise the node would receive nothing any more); each connect closes what the one before has left open,
 * and has a time limit; and a stop does not wait for a broker that is away.
 */
export class KafkaTransporter extends Transporters.Kafka implements Linkable {
	declare consumerStream: (Closable & { readonly destroyed: boolean }) | null;
	declare consumer: Consumer | null;
	declare admin: Admin | null;
	declare waitForTopicsReady: (topics: string[]) => Promise<void>;
	readonly #longestConnect: Duration;
	#stopped = false;
	#subscriptions = 0;
	#linking = false;
	#connecting: Promise<void> | undefined;

	constructor(url: Extract<BrokerUrl, { kind: 'kafka' }>, longestConnect: Duration) {
		super(kafkaOptions(url));
		this.#longestConnect = longestConnect;
		let consumer: Consumer | null = null;
		Object.defineProperty(this, 'consumer', {
			get: () => consumer,
			set: (made: Consumer | null) => {
				consumer = made;
				if (made === null) return;
				const failed = (): void => {
					if (made === this.consumer) this.relink();
				};
				// Of a heartbeat after which it could not join again. Without a listener it would end the process.
				made.on('error', failed);
				hearStreamsOf(made, failed);
			},
		});
	}

	override connect(): Promise<void> {
		this.#connecting ??= this.#connect().finally(() => {
			this.#connecting = undefined;
		});
		return this.#connecting;
	}

	async #connect(): Promise<void> {
		await this.#close();
		if (this.#stopped) return new Promise(() => {}); // Moleculer would try again for ever
		let isTooLate = false;
		// Again and again: what is closed in one step may be opened in the next.
		const tooLate = setInterval(() => {
			isTooLate = true;
			void this.#close();
		}, this.#longestConnect).unref();
		try {
			await super.connect();
		} finally {
			clearInterval(tooLate);
		}
		if (isTooLate) throw new Error('the broker took too long to connect');
		if (this.consumerStream?.destroyed) throw new Error('the consumer has failed while it was connected');
	}

	/**
	 * Uses a new group each time. If it joined its old group again, the broker would give half of the topics to the
	 * consumer from before until it notices that this is gone. The name begins like the topics' names, so one right is
	 * enough for all of them.
	 */
	override async makeSubscriptions(topics: Record<string, unknown>[]): Promise<void> {
		this.#subscriptions += 1;
		const groupId = `${this.prefix}-${this.broker.instanceID}-${this.#subscriptions}`;
		Object.assign(this.opts.consumer ?? {}, { groupId });
		await super.makeSubscriptions(topics);
	}

	override async send(...args: Parameters<Linkable['send']>): Promise<void> {
		if (this.producer === null) throw new NotSent('not connected');
		try {
			await super.send(...args);
		} catch (error) {
			throw hasNoConnection(error) ? new NotSent('no connection', { cause: error }) : error;
		}
	}

	override async disconnect(): Promise<void> {
		this.#stopped = true;
		this.connected = false;
		await this.#close();
	}

	relink(): void {
		if (this.#linking || this.#connecting !== undefined || this.#stopped) return; // a connect comes to an end by itself
		this.#linking = true;
		this.connected = false;
		void this.#connectAgain();
	}

	async #connectAgain(): Promise<void> {
		while (!this.#stopped) {
			try {
				await this.connect();
				break;
			} catch {
				this.connected = false;
				await pause(RETRY, undefined, { ref: false });
			}
		}
		this.#linking = false;
	}

	async #close(): Promise<void> {
		const stream = this.consumerStream;
		const { consumer } = this;
		const clients: (Closable | null)[] = [this.admin, this.producer];
		this.consumerStream = null;
		this.consumer = null;
		this.admin = null;
		this.producer = null;
		const closing = [stream?.close(), closeForGood(consumer), ...clients.map((client) => client?.close())];
		await endedWithin(Promise.allSettled(closing), CLOSE_PATIENCE);
	}
}

/** The form of `consume` with a callback. */
type Consume = (
	options: unknown,
	callback: (error: Error | null, stream?: { once(event: 'error', listener: () => void): void }) => void,
) => void;

/**
 * A stream on a consumer that was closed meanwhile fails before whoever waits for the promise of `consume` has it. Without
 * a listener that would end the process, so it gets one as soon as it is made.
 */
function hearStreamsOf(consumer: Consumer, failed: () => void): void {
	const consume = consumer.consume.bind(consumer) as unknown as Consume;
	const heard = (options: unknown): Promise<unknown> =>
		new Promise((resolve, reject) => {
			consume(options, (error, stream) => {
				stream?.once('error', failed);
				if (error) reject(error);
				else resolve(stream);
			});
		});
	Object.assign(consumer, { consume: heard });
}

/** While the broker is away, a consumer cannot leave its group, and would reconnect when the broker is back. */
async function closeForGood(consumer: Closable | null): Promise<void> {
	for (let closed = consumer === null; !closed; ) {
		try {
			await consumer?.close(true);
			closed = true;
		} catch {
			await pause(RETRY, undefined, { ref: false });
		}
	}
}

/** The fields of the client's errors, and of Node's errors within them. */
interface Failure {
	readonly syscall?: unknown;
	/** of the client's connections: they were all closed before */
	readonly closed?: unknown;
	readonly cause?: unknown;
	readonly errors?: unknown;
}

const isFailure = (error: unknown): error is Failure => typeof error === 'object' && error !== null;

/** The client wraps the errors of each attempt in others; without retries there is one attempt, and it got nowhere. */
function hasNoConnection(error: unknown): boolean {
	if (!isFailure(error)) return false;
	const { syscall, closed, cause, errors } = error;
	if (syscall === 'connect' || syscall === 'getaddrinfo' || closed === true) return true;
	return [cause, ...(Array.isArray(errors) ? errors : [])].some(hasNoConnection);
}
