import { setTimeout as pause } from 'node:timers/promises';
import { Transporters } from 'moleculer';
import { type Duration, SECOND } from '../../domain/time.ts';
import type { BrokerUrl } from '../brokers/broker-url.ts';
import type { Linkable } from './linkable.ts';
import { kafkaOptions } from './options.ts';

interface Closable {
	close(force?: boolean): Promise<void>;
}

/** While the broker is away a client may wait for it to say goodbye. */
const CLOSE_PATIENCE: Duration = SECOND;
const RETRY: Duration = SECOND;

/**
 * Moleculer's Kafka transporter with what its source (0.15.2, `transporters/kafka.js`) lacks: a consumer that has failed
 * is made anew instead of leaving the node deaf for good, each connect closes what the one before has left open, and a
 * stop does not wait for a broker that is away.
 */
export class KafkaTransporter extends Transporters.Kafka implements Linkable {
	declare consumerStream: (Closable & { once(event: 'error', listener: () => void): void }) | null;
	#stopped = false;
	#linking = false;

	constructor(url: Extract<BrokerUrl, { kind: 'kafka' }>) {
		super(kafkaOptions(url));
	}

	override async connect(): Promise<void> {
		await this.#close();
		if (this.#stopped) return new Promise(() => {}); // Moleculer would try again for ever
		await super.connect();
	}

	override async makeSubscriptions(topics: Record<string, unknown>[]): Promise<void> {
		await super.makeSubscriptions(topics);
		this.consumerStream?.once('error', () => this.relink());
	}

	override async disconnect(): Promise<void> {
		this.#stopped = true;
		this.connected = false;
		await this.#close();
	}

	relink(): void {
		if (this.#linking || this.#stopped) return;
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
		const open: (Closable | null)[] = [this.consumerStream, this.consumer, this.admin, this.producer];
		this.consumerStream = null;
		this.consumer = null;
		this.admin = null;
		this.producer = null;
		const closing = open.map((client) => client?.close(true).catch(() => {}));
		await Promise.race([Promise.all(closing), pause(CLOSE_PATIENCE, undefined, { ref: false })]);
	}
}
