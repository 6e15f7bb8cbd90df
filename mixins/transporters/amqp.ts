import { Transporters } from 'moleculer';
import type { Linkable, TransporterError } from './linkable.ts';
import { amqpOptions } from './options.ts';

/** What amqplib gives to a consumer; null when the broker has cancelled it, because its queue is gone. */
type Consumed = { readonly content: Buffer } | null;

/**
 * Moleculer's AMQP transporter with what its source (0.15.2, `transporters/amqp.js`) lacks: requests without
 * acknowledgement; a way on when the channel alone is closed or a queue is deleted, after which all that is sent would be
 * dropped without a word; the reason of a failed connect as an event; and no more connects after a stop.
 */
export class AmqpTransporter extends Transporters.AMQP implements Linkable {
	#stopped = false;

	constructor(url: string) {
		super(amqpOptions(url));
	}

	override async connect(...[onClosed]: Partial<Parameters<Linkable['connect']>>): Promise<void> {
		if (this.#stopped) return new Promise(() => {}); // Moleculer would try again for ever
		const connect: Linkable['connect'] = super.connect; // typed without what it is called with
		try {
			await connect.call(this, (error: unknown) => (this.#stopped ? undefined : onClosed?.(error)));
		} catch (error) {
			if (this.#stopped) return new Promise(() => {});
			this.broker.broadcastLocal('$transporter.error', { error } satisfies TransporterError);
			void this.#closeConnection();
			throw error;
		}
	}

	override onConnected(wasReconnect?: boolean): Promise<void> {
		this.channel?.once('close', () => this.relink());
		return super.onConnected(wasReconnect);
	}

	override async disconnect(): Promise<void> {
		this.#stopped = true;
		await super.disconnect();
	}

	/** Its end lets Moleculer connect anew, after five seconds. */
	relink(): void {
		if (!this.#stopped) void this.#closeConnection();
	}

	async #closeConnection(): Promise<void> {
		try {
			await this.connection?.close();
		} catch {} // it was closed already
	}

	override _consumeCB(command: string): (message: Consumed) => void | Promise<void> {
		const consume = super._consumeCB(command, false);
		return (message) => (message === null ? this.relink() : consume(message));
	}
}
