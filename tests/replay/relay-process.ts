import type { CarrierMessage, Failure } from '../../mixins/brokers/carrier.ts';
import type { Database } from '../../mixins/database/database.ts';
import { OutboxRelay } from '../../mixins/outbox/relay.ts';
import type { TestDatabase } from '../support/database.ts';
import { type Held, HeldCarrier } from './carrier.ts';
import { Difference, within } from './difference.ts';
import { ProcessDatabase } from './process.ts';

/** Which row a relay claims, and when a lease has run out, the trace says. */
const ONLY_THIS = `UPDATE outbox_messages SET available_at = CASE WHEN message_id = $1 THEN statement_timestamp()
	ELSE 'infinity' END WHERE sent_at IS NULL`;

const LEASED = `SELECT available_at > statement_timestamp() + interval '1 second' AS leased FROM outbox_messages
	WHERE message_id = $1 AND sent_at IS NULL`;

/** A relay that stops between its steps: the lease, the publishing, the mark. */
export class RelayProcess {
	readonly #database: ProcessDatabase;
	readonly #relay: OutboxRelay;
	readonly #server: TestDatabase;
	readonly #held: Held;
	readonly #published = Promise.withResolvers<readonly CarrierMessage[]>();
	readonly #confirmed = Promise.withResolvers<readonly Failure[]>();
	#step: Promise<unknown> | undefined;
	#shiftedBefore = 0;

	constructor(shared: Database, server: TestDatabase, held: Held) {
		this.#server = server;
		this.#held = held;
		this.#database = new ProcessDatabase(shared);
		this.#confirmed.promise.catch(() => {});
		const carrier = new HeldCarrier((messages) => {
			this.#published.resolve(messages);
			return this.#confirmed.promise;
		});
		this.#relay = new OutboxRelay(this.#database, carrier);
	}

	/** Claims one row, and leases it. */
	async claim(id: string): Promise<void> {
		await this.#server.query(ONLY_THIS, [id]);
		this.#shiftedBefore = this.#held.shifted;
		this.#step = this.#relay.step();
		this.#step.catch(() => {});
		const early = this.#step.then(() => {
			throw new Difference('the relay claimed nothing');
		});
		early.catch(() => {});
		const messages = await within(Promise.race([this.#published.promise, early]), 'the relay claims a row');
		if (messages.length !== 1 || messages[0]?.id !== id) throw new Difference('the relay claimed other rows');
		const [row] = await this.#server.query<{ leased: boolean }>(LEASED, [id]);
		if (row?.leased !== true) throw new Difference('the row is not leased while the relay publishes it');
	}

	async publish(): Promise<void> {
		this.#held.take(await this.#published.promise, this.#shiftedBefore);
	}

	async mark(): Promise<void> {
		this.#confirmed.resolve([]);
		await within(Promise.resolve(this.#step), 'the relay marks what it sent');
	}

	die(): void {
		this.#database.die();
		this.#confirmed.reject(new Error('the relay died'));
	}
}
