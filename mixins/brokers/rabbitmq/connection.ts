import { Duplex } from 'node:stream';
import { setTimeout as pause } from 'node:timers/promises';
import { type ChannelModel, connect } from 'amqplib';
import { type Duration, SECOND } from '../../../domain/time.ts';
import { endedWithin, type Log, Loop } from '../../runtime/index.ts';
import type { Refusals } from '../refusals.ts';
import { brokerTrouble } from '../trouble.ts';

/** A connection on which nothing came for two or three of these is dead; in seconds, as the protocol has it. */
const HEARTBEAT = 5;
const CONNECT_TIMEOUT: Duration = 5 * SECOND;
/**
 * A quorum queue that is deleted and declared again within milliseconds keeps its old consumers, and what is delivered to
 * them is lost (seen on RabbitMQ 3.10). After this delay they know that their queue is gone.
 */
const REDECLARE_DELAY: Duration = SECOND / 2;
/** How long a close waits for a step that waits for the broker. */
const STEP_TIMEOUT: Duration = SECOND;
export const CLOSE_TIMEOUT: Duration = 2 * SECOND;

export interface ConnectionOptions {
	readonly name: string;
	readonly url: string;
	readonly log: Log;
	readonly refusals: Refusals;
	/** called for each new connection before its first use, again after each `every`, and by `restore` */
	readonly prepare: (connection: ChannelModel) => Promise<void>;
	readonly every: Duration;
}

/** One connection to the broker. It is opened in the background, and opened again with back-off for as long as it takes. */
export class Connection {
	/** Called when the broker stops taking messages on this connection. */
	onBlocked: () => void = () => {};
	readonly #options: ConnectionOptions;
	readonly #loop: Loop;
	#current: Promise<ChannelModel>;
	#connection: ChannelModel | undefined;
	#preparing: Promise<void> | undefined;
	#restoring: Promise<void> | undefined;
	#blocked: string | undefined;
	#trouble: string | undefined = 'the broker was not reached yet';
	#closing = false;

	constructor(options: ConnectionOptions) {
		this.#options = options;
		this.#loop = new Loop(options.name, options.log, () => this.#step());
		this.#current = Promise.reject(new Error('not connected yet'));
		this.#current.catch(() => {});
		this.#loop.start();
	}

	/** What keeps it from its work, as one sentence without hosts and logins. */
	get waitsFor(): string | undefined {
		return this.#blocked === undefined ? this.#trouble : `the broker is short of memory or disk: ${this.#blocked}`;
	}

	/** Why the broker takes no messages on this connection now, if so: memory or disk is short. */
	get blocked(): string | undefined {
		return this.#blocked;
	}

	/** The connection, or the one that is being opened. Throws if it could not be opened; another attempt follows. */
	opened(): Promise<ChannelModel> {
		return this.#current;
	}

	/** Prepares the connection anew: something is missing on the broker. Those who ask at the same time share it. */
	async restore(): Promise<void> {
		this.#restoring ??= this.#restore().finally(() => {
			this.#restoring = undefined;
		});
		await this.#restoring;
	}

	async #restore(): Promise<void> {
		await this.opened();
		await pause(REDECLARE_DELAY);
		await this.#prepare();
	}

	async #prepare(): Promise<void> {
		const connection = await this.opened();
		this.#preparing ??= this.#options.prepare(connection).finally(() => {
			this.#preparing = undefined;
		});
		await this.#preparing;
	}

	async close(): Promise<void> {
		this.#closing = true;
		await endedWithin(this.#loop.stop(), STEP_TIMEOUT);
		const connection = this.#connection;
		if (connection !== undefined) await end(connection);
	}

	async #step(): Promise<Duration> {
		try {
			await this.#options.refusals.watch(this.#options.name, () => this.#keep());
			this.#trouble = undefined;
			return this.#options.every;
		} catch (error) {
			this.#trouble = troubleOf(error);
			throw error;
		}
	}

	async #keep(): Promise<void> {
		if (this.#connection === undefined) {
			const opening = this.#open();
			this.#current = opening;
			opening.catch(() => {}); // this step may be its only listener
			await opening;
		} else await this.#prepare();
	}

	async #open(): Promise<ChannelModel> {
		const { url, prepare, log, name } = this.#options;
		const options = { noDelay: true, keepAlive: true, timeout: CONNECT_TIMEOUT };
		const connection = await connect(withHeartbeat(url), options);
		if (this.#closing) {
			await end(connection);
			throw new Error('it is closed');
		}
		connection.on('error', (error: Error) => log.debug(`${name}: ${error.message}`)); // 'close' follows
		connection.on('close', (error?: Error) => this.#lost(connection, error));
		connection.on('blocked', (reason: string) => {
			this.#blocked = reason;
			this.onBlocked();
			log.warn(`${name}: the broker takes no messages: ${reason}`);
		});
		connection.on('unblocked', () => {
			this.#blocked = undefined;
			log.info(`${name}: the broker takes messages again`);
		});
		this.#connection = connection;
		this.#blocked = undefined;
		try {
			await prepare(connection);
		} catch (error) {
			await end(connection);
			this.#lost(connection, undefined); // if the broker did not answer, it does not report the end either
			throw error;
		}
		log.debug(`${name}: connected`);
		return connection;
	}

	#lost(connection: ChannelModel, error: Error | undefined): void {
		if (this.#connection !== connection) return;
		const { log, name } = this.#options;
		this.#connection = undefined;
		this.#blocked = undefined;
		this.#trouble ??= brokerTrouble(undefined);
		this.#current = Promise.reject(error ?? new Error('the connection to the broker is lost'));
		this.#current.catch(() => {});
		if (this.#closing) return;
		log.debug(`${name}: connection lost${error === undefined ? '' : `: ${error.message}`}`);
		this.#loop.wake();
	}
}

const PRECONDITION_FAILED = 406;

function troubleOf(error: unknown): string {
	const { code } = error as { readonly code?: unknown };
	if (code === PRECONDITION_FAILED) return 'a queue or exchange of this name is there, and of another kind';
	return brokerTrouble(error);
}

/** The client takes the heartbeat from the URL alone; what the operator has set there stays. */
function withHeartbeat(url: string): string {
	const parsed = new URL(url);
	if (!parsed.searchParams.has('heartbeat')) parsed.searchParams.set('heartbeat', String(HEARTBEAT));
	return parsed.href;
}

/** Closes the connection, and cuts it if the broker does not answer: a broker that is short of memory does not read. */
async function end(connection: ChannelModel): Promise<void> {
	await endedWithin(connection.close(), CLOSE_TIMEOUT);
	const socket = 'stream' in connection.connection ? connection.connection.stream : undefined;
	if (socket instanceof Duplex) socket.destroy();
}

/** Closes a channel; on a connection that ends meanwhile the client would wait for ever. */
export async function closeQuietly(channel: { close(): Promise<void> }): Promise<void> {
	await endedWithin(channel.close(), CLOSE_TIMEOUT);
}
