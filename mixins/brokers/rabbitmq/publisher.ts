import type { Buffer } from 'node:buffer';
import type { ConfirmChannel, Message, Options } from 'amqplib';
import { type Duration, SECOND } from '../../../domain/time.ts';
import type { Failure } from '../carrier.ts';
import { type Connection, closeQuietly } from './connection.ts';

/** After this time without confirms the broker counts as away; well below the relay's lease of 30 s. */
const CONFIRM_TIMEOUT: Duration = 10 * SECOND;

export interface Outgoing {
	readonly id: string;
	readonly exchange: string;
	readonly routingKey: string;
	readonly content: Buffer;
	readonly options: Options.Publish;
}

/** The failure of a message that RabbitMQ has answered with a nack. */
export const NACKED = 'refused: RabbitMQ could not store it';

/** A confirm channel and what is under way on it. */
interface Line {
	readonly channel: ConfirmChannel;
	/** why the broker has closed it */
	error?: Error;
	/** the correlation ids of messages that came back */
	readonly returned: Set<string>;
}

/** Publishes on one channel with confirms: a batch goes out at once, then all its confirms are waited for. */
export class Publisher {
	readonly #connection: Connection;
	readonly #underWay = new Set<Promise<unknown>>();
	/** each ends a batch's wait for confirms */
	readonly #interrupts = new Set<(error: Error) => void>();
	#line: Promise<Line> | undefined;
	#suspect = false;
	#count = 0;

	constructor(connection: Connection) {
		this.#connection = connection;
		connection.onBlocked = () => {
			for (const interrupt of this.#interrupts) interrupt(new Error('RabbitMQ takes no messages now'));
		};
	}

	/**
	 * Resolves when the broker has confirmed all messages but the failures that it returns. Throws if the broker is away, blocks
	 * publishers or does not answer; then any of them may have arrived. The caller limits the size of a batch: it is in memory.
	 */
	send(messages: readonly Outgoing[]): Promise<readonly Failure[]> {
		const sending = this.#send(messages);
		this.#underWay.add(sending);
		const done = (): unknown => this.#underWay.delete(sending);
		sending.then(done, done);
		return sending;
	}

	/** Resolves when nothing is under way. */
	async idle(): Promise<void> {
		while (this.#underWay.size > 0) await Promise.allSettled(this.#underWay);
	}

	async #send(messages: readonly Outgoing[]): Promise<readonly Failure[]> {
		if (messages.length === 0) return [];
		const failures = await this.#sendOnce(messages);
		if (failures.length === 0) return failures;
		// A queue may have been deleted: everything is declared again, and these messages are sent once more.
		await this.#connection.restore();
		const failed = new Set(failures.map(({ id }) => id));
		return this.#sendOnce(messages.filter(({ id }) => failed.has(id)));
	}

	async #sendOnce(messages: readonly Outgoing[]): Promise<readonly Failure[]> {
		const line = await this.#open();
		if (this.#connection.blocked !== undefined)
			throw new Error(`RabbitMQ takes no messages now: ${this.#connection.blocked}`);
		const { promise: interrupted, reject: interrupt } = Promise.withResolvers<never>();
		const timer = setTimeout(() => {
			interrupt(new Error(`RabbitMQ has not confirmed for ${CONFIRM_TIMEOUT / SECOND} s`));
			void closeQuietly(line.channel);
		}, CONFIRM_TIMEOUT);
		this.#interrupts.add(interrupt);
		try {
			const errors = await Promise.race([
				Promise.all(messages.map((message) => this.#publish(line, message))),
				interrupted,
			]);
			return messages.flatMap(({ id }, index) => {
				const error = errors[index];
				return error === undefined ? [] : [{ id, error }];
			});
		} finally {
			clearTimeout(timer);
			this.#interrupts.delete(interrupt);
		}
	}

	/** Resolves with the reason why the broker refuses this message, if it does; rejects if the channel ends before. */
	#publish(line: Line, message: Outgoing): Promise<string | undefined> {
		const { channel, returned } = line;
		const correlationId = String(this.#count++);
		return new Promise((resolve, reject) => {
			const { exchange, routingKey, content } = message;
			const options = { ...message.options, correlationId, persistent: true };
			channel.publish(exchange, routingKey, content, options, (error: Error | null) => {
				// A message that nothing takes is returned first and confirmed then.
				if (returned.delete(correlationId)) resolve(`unroutable: no queue takes ${routingKey}`);
				else if (error === null) resolve(undefined);
				else if (error.message === 'message nacked') resolve(NACKED);
				else reject(line.error ?? error);
			});
		});
	}

	#open(): Promise<Line> {
		if (this.#line !== undefined) return this.#line;
		const line = this.#openLine(() => {
			if (this.#line === line) this.#line = undefined;
		});
		this.#line = line;
		return line;
	}

	async #openLine(drop: () => void): Promise<Line> {
		try {
			if (this.#suspect) await this.#connection.restore();
			this.#suspect = false;
			const connection = await this.#connection.opened();
			const channel = await connection.createConfirmChannel();
			const line: Line = { channel, returned: new Set() };
			channel.on('error', (error: Error) => {
				line.error = error;
				this.#suspect = true; // such as an exchange that is not there
			});
			channel.on('close', drop);
			channel.on('return', ({ properties }: Message) => line.returned.add(String(properties.correlationId)));
			return line;
		} catch (error) {
			drop();
			throw error;
		}
	}
}
