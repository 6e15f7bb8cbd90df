import type { Duplex } from 'node:stream';
import { Transporters } from 'moleculer';
import { type Duration, SECOND } from '../../../domain/time.ts';
import { type Linkable, NotSent, type TransporterError } from '../linkable.ts';
import { beginWithin, REQUEST_TIMEOUT } from '../transporter-options.ts';

/** What amqplib gives to a consumer; null when the broker has cancelled it, because its queue is gone. */
type Consumed = { readonly content: Buffer } | null;

/** What amqplib connects with, as far as it matters here; typed by Moleculer as anything. */
interface Connection {
	readonly connection: { readonly stream: Duplex };
	createChannel(): Promise<Prefetching>;
	close(): Promise<void>;
	on?(event: 'blocked', listener: (reason: string) => void): unknown;
}

interface Prefetching {
	prefetch(count: number): Promise<unknown>;
}

/**
 * Moleculer does not wait for the answer to `prefetch`. If the channel ends before it comes, the rejection is
 * unhandled, and the process ends. So it is caught here; the next use of the channel notices its end as well.
 */
function forgivingPrefetch(connection: Connection): Connection {
	const createChannel = connection.createChannel.bind(connection);
	return Object.assign(connection, {
		createChannel: async () => {
			const channel = await createChannel();
			const prefetch = channel.prefetch.bind(channel);
			return Object.assign(channel, { prefetch: (count: number) => prefetch(count).catch(() => undefined) });
		},
	});
}

const CONNECT_TIMEOUT: Duration = 5 * SECOND;
/**
 * Less than Moleculer waits before it reconnects; otherwise it would take the end of the old connection for the end of
 * the new one.
 */
const CLOSE_TIMEOUT: Duration = SECOND;

/**
 * Requests are taken without acknowledgement. One that was acknowledged only after its answer would be carried out a
 * second time when its node dies in between. And Moleculer's default of one unacknowledged request at a time lets calls
 * that need each other wait for ever. The bulkhead limits the work in hand.
 */
const optionsFor = (url: string) => ({
	// A list, because Moleculer would split a text at semicolons. The heartbeat finds a connection that died without a word.
	url: [`${url}?heartbeat=10`],
	prefetch: 1_000,
	consumeOptions: { noAck: true },
	// A request to a node that is gone must not wait for its successor, which has the same name.
	messageOptions: { expiration: String(beginWithin(REQUEST_TIMEOUT)) },
	socketOptions: { timeout: CONNECT_TIMEOUT, noDelay: true, keepAlive: true, keepAliveDelay: 5 * SECOND },
});

/**
 * Moleculer's AMQP transporter, with what its source (0.15.2, `transporters/amqp.js`) lacks:
 * - requests without acknowledgement, and a `prefetch` that may fail;
 * - a new connection when only the channel was closed or a queue was deleted; Moleculer would drop all that is sent
 *   from then on, without a word;
 * - an error for what is sent without a connection, for the same reason;
 * - a time limit for a connect that the broker does not answer, and the reason of a failed one as an event;
 * - no more connects after a stop.
 */
export class AmqpTransporter extends Transporters.AMQP implements Linkable {
	declare connection: Connection | null;
	readonly #longestConnect: Duration;
	#stopped = false;

	constructor(url: string, longestConnect: Duration) {
		super(optionsFor(url));
		this.#longestConnect = longestConnect;
		let connection: Connection | null = null;
		Object.defineProperty(this, 'connection', {
			get: () => connection,
			set: (made: Connection | null) => {
				connection = made === null ? null : forgivingPrefetch(made);
				// Moleculer only logs it, and its logs about a broker are off.
				made?.on?.('blocked', (reason) => this.#fail(new Error(`RabbitMQ could not store: ${reason}`)));
			},
		});
	}

	override async connect(...[onClosed]: Partial<Parameters<Linkable['connect']>>): Promise<void> {
		if (this.#stopped) return new Promise(() => {}); // Moleculer would try again for ever
		const connect: Linkable['connect'] = super.connect; // typed without what it is called with
		const tooLate = setTimeout(() => void this.#closeConnection(), this.#longestConnect);
		try {
			await connect.call(this, (error: unknown) => (this.#stopped ? undefined : onClosed?.(error)));
		} catch (error) {
			if (this.#stopped) return new Promise(() => {});
			this.#fail(error);
			void this.#closeConnection();
			throw error;
		} finally {
			clearTimeout(tooLate);
		}
	}

	#fail(error: unknown): void {
		this.broker.broadcastLocal('$transporter.error', { error } satisfies TransporterError);
	}

	override onConnected(wasReconnect?: boolean): Promise<void> {
		this.channel?.once('close', () => this.relink());
		return super.onConnected(wasReconnect);
	}

	override async disconnect(): Promise<void> {
		this.#stopped = true;
		// Moleculer cancels each queue; with a silent broker the connection is cut instead.
		const tooLate = setTimeout(() => void this.#closeConnection(), CLOSE_TIMEOUT);
		await super.disconnect();
		clearTimeout(tooLate);
	}

	/** Without a channel Moleculer drops what it is given, and its caller waits in vain. */
	override async send(...args: Parameters<Linkable['send']>): Promise<void> {
		if (!this.channel) throw new NotSent('not connected');
		await super.send(...args);
	}

	/** When it ends, Moleculer connects again after five seconds. */
	relink(): void {
		if (!this.#stopped) void this.#closeConnection();
	}

	async #closeConnection(): Promise<void> {
		const { connection } = this;
		if (connection === null) return;
		const cut = (): unknown =>
			connection.connection.stream.destroy(new Error('the broker does not end the connection'));
		const tooLate = setTimeout(cut, CLOSE_TIMEOUT);
		try {
			await connection.close();
		} catch {
			// It is closed already, or about to be.
		} finally {
			clearTimeout(tooLate);
		}
	}

	override _consumeCB(command: string): (message: Consumed) => void | Promise<void> {
		const consume = super._consumeCB(command, false);
		return (message) => (message === null ? this.relink() : consume(message));
	}
}
