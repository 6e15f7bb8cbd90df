import { type Duration, type Instant, SECOND } from '../../../domain/time.ts';
import {
	type Database,
	instants,
	joinedTexts,
	plainArray,
	type Statement,
	splitTexts,
	type Transaction,
	textArray,
} from '../../database/index.ts';
import { type Log, Loop, LowWater, lookingBack } from '../../runtime/index.ts';
import {
	type BatchHandler,
	type Carrier,
	type CarrierMessage,
	type Delivery,
	type Failure,
	retryDelay,
	type SubscribeOptions,
	type Subscription,
	type Topology,
} from '../carrier.ts';
import { publishable, type Refuse } from '../publishable.ts';
import { combineSubscriptions } from '../subscriptions.ts';

/** The longest pause between two queries, in case a wake-up was lost. */
const SLOW_POLL: Duration = SECOND;
/** Messages that another consumer holds may come back; look again soon. */
const BUSY_POLL: Duration = 20;
const DEFAULT_BATCH = 500;

interface Row {
	deliver_at: Place;
	id: string;
	type: string;
	key: string;
	body: string;
	due_at: Instant | null;
	attempts: number;
}

/** `deliver_at` as PostgreSQL writes it: more exact than milliseconds; it is never calculated with here. */
type Place = string;

/**
 * PostgreSQL as the carrier: a row for each message and consumer group. A consumer deletes the rows that it takes and
 * commits when they are handled; if it dies, its transaction is undone and the rows are there again.
 */
export class PostgresCarrier implements Carrier {
	readonly early = 0;
	readonly #database: Database;
	readonly #topology: Topology;
	readonly #types: ReadonlySet<string>;
	readonly #log: Log;
	readonly #loops = new Map<string, Set<Loop>>();
	readonly #lookingBack = new Set<Loop>();

	constructor(database: Database, topology: Topology, log: Log) {
		this.#database = database;
		this.#topology = topology;
		this.#types = new Set(topology.types);
		this.#log = log;
	}

	publish(messages: readonly CarrierMessage[]): Promise<readonly Failure[]> {
		return this.#database.transaction('carrier.publish', (tx) => this.publishIn(tx, messages));
	}

	async publishIn(tx: Transaction, messages: readonly CarrierMessage[]): Promise<readonly Failure[]> {
		const { messages: good, failures } = publishable(messages, this.#types, refuseControls);
		const all = good.flatMap((message) => this.#consumersOf(message.type).map((consumer) => ({ consumer, message })));
		const idle = await this.#idleOf(tx, new Set(all.map(({ consumer }) => consumer)));
		const rows = idle.size === 0 ? all : all.filter(({ consumer }) => !idle.has(consumer));
		if (rows.length > 0) tx.write(insertMessages(rows));
		const soon = new Set(rows.filter(({ message }) => message.delay < SLOW_POLL).map(({ consumer }) => consumer));
		tx.afterCommit(() => this.#wake(soon));
		return failures;
	}

	subscribe(group: string, handle: BatchHandler, options: SubscribeOptions = {}): Subscription {
		const lowWater = new LowWater<Place>('-infinity');
		const loops = Array.from(
			{ length: options.concurrency ?? 1 },
			() =>
				new Loop(
					`consumer ${group}`,
					this.#log,
					() => this.#deliver(group, handle, options.batch ?? DEFAULT_BATCH, lowWater),
					options.linger,
				),
		);
		const wake = (): void => this.#wake(new Set([group]));
		const looksBack = lookingBack(`consumer ${group}`, this.#log, () => this.#lookBack(group, lowWater), wake);
		looksBack.start();
		this.#lookingBack.add(looksBack);
		const running = this.#loops.get(group) ?? new Set();
		this.#loops.set(group, running);
		for (const loop of loops) {
			running.add(loop);
			loop.start();
		}
		return combineSubscriptions(loops, async () => {
			await looksBack.stop();
			for (const loop of loops) running.delete(loop);
			this.#lookingBack.delete(looksBack);
		});
	}

	async close(): Promise<void> {
		const loops = [...this.#loops.values(), this.#lookingBack].flatMap((some) => [...some]);
		await Promise.all(loops.map((loop) => loop.stop()));
	}

	#consumersOf(type: string): readonly string[] {
		return Object.entries(this.#topology.consumers).flatMap(([consumer, types]) =>
			types.includes(type) ? [consumer] : [],
		);
	}

	/** Of these groups, those that want no messages at present. */
	async #idleOf(tx: Transaction, consumers: ReadonlySet<string>): Promise<ReadonlySet<string>> {
		const idle = new Set<string>();
		for (const [consumer, query] of Object.entries(this.#topology.wanted ?? {})) {
			if (!consumers.has(consumer)) continue;
			const [row] = await tx.query<{ wanted: boolean }>({
				name: `wanted-${consumer}`,
				text: `SELECT EXISTS (${query}) AS wanted`,
				values: [],
			});
			if (row?.wanted !== true) idle.add(consumer);
		}
		return idle;
	}

	#wake(consumers: ReadonlySet<string>): void {
		for (const consumer of consumers) for (const loop of this.#loops.get(consumer) ?? []) loop.wake();
	}

	/** Takes one batch, has it handled, and acknowledges it; returns how long the next may wait. */
	async #deliver(consumer: string, handle: BatchHandler, batch: number, lowWater: LowWater<Place>): Promise<Duration> {
		const from = lowWater.place;
		const taken = await this.#take(consumer, handle, batch, from).catch((error: unknown) => {
			lowWater.lower(from); // what was taken is there again
			throw error;
		});
		const last = taken.at(-1)?.deliver_at;
		if (last === undefined) return this.#untilNext(consumer, lowWater);
		lowWater.reached(last, taken.length === batch);
		return 0;
	}

	async #take(consumer: string, handle: BatchHandler, batch: number, from: Place): Promise<readonly Row[]> {
		return this.#database.transaction('carrier.deliver', async (tx) => {
			const rows = await tx.query<Row>(takeMessages(consumer, batch, from));
			if (rows.length === 0) return rows;
			const failures = await handle(rows.map(toDelivery));
			if (failures.length > 0) this.#setBack(tx, consumer, rows, failures);
			// If this commit is lost with the server, the messages come again, and the inbox knows them.
			else tx.commitLazily();
			return rows;
		});
	}

	/** True if a due message lies before the point where consumers begin; that point is moved back to it. */
	async #lookBack(consumer: string, lowWater: LowWater<Place>): Promise<boolean> {
		const [row] = await this.#database.query<{ place: Place }>({
			name: 'first-due-before',
			text: `SELECT deliver_at::text AS place FROM carrier_messages WHERE consumer = $1 AND deliver_at < $2::timestamptz
				ORDER BY deliver_at LIMIT 1 FOR UPDATE SKIP LOCKED`,
			values: [consumer, lowWater.place],
		});
		if (row !== undefined) lowWater.lower(row.place);
		return row !== undefined;
	}

	#setBack(tx: Transaction, consumer: string, rows: readonly Row[], failures: readonly Failure[]): void {
		const failed = new Set(failures.map(({ id }) => id));
		tx.write(
			retryMessages(
				consumer,
				rows.filter(({ id }) => failed.has(id)),
			),
		);
	}

	/** A due message that is locked is being handled; it must not keep us from the next ones. */
	async #untilNext(consumer: string, lowWater: LowWater<Place>): Promise<Duration> {
		const [row] = await this.#database.query<{ left: number | null; busy: boolean; place: Place }>({
			name: 'next-delivery',
			text: `SELECT (date_part('epoch', min(deliver_at) - clock_timestamp()) * 1000) AS left,
				EXISTS (SELECT FROM carrier_messages WHERE consumer = $1
					AND deliver_at BETWEEN $2::timestamptz AND statement_timestamp()) AS busy,
				statement_timestamp()::text AS place
				FROM carrier_messages WHERE consumer = $1 AND deliver_at > statement_timestamp()`,
			values: [consumer, lowWater.place],
		});
		if (row?.busy === false) lowWater.reached(row.place, false);
		const left = Math.max(0, row?.left ?? SLOW_POLL);
		return Math.min(left, row?.busy === true ? BUSY_POLL : SLOW_POLL);
	}
}

/** Control characters would break the text that joins all bodies. */
const refuseControls: Refuse = ({ body }) =>
	body.includes('\0') || body.includes('\u001f')
		? 'the body holds a control character, which no JSON text has'
		: undefined;

const toDelivery = (row: Row): Delivery => ({
	id: row.id,
	type: row.type,
	key: row.key,
	body: row.body,
	deliverAt: row.due_at,
	attempt: row.attempts + 1,
});

const takeMessages = (consumer: string, most: number, from: Place): Statement => ({
	name: 'take-messages',
	text: `WITH taken AS (DELETE FROM carrier_messages WHERE ctid = ANY (ARRAY(
			SELECT ctid FROM carrier_messages
			WHERE consumer = $1 AND deliver_at BETWEEN $3::timestamptz AND statement_timestamp()
			ORDER BY deliver_at, position LIMIT $2 FOR UPDATE SKIP LOCKED))
		RETURNING deliver_at, position, id, type, key, body, due_at, attempts)
		SELECT deliver_at::text, id, type, key, body, due_at, attempts FROM taken ORDER BY deliver_at, position`,
	values: [consumer, most, from],
});

const insertMessages = (rows: readonly { consumer: string; message: CarrierMessage }[]): Statement => ({
	name: 'insert-messages',
	text: `INSERT INTO carrier_messages (consumer, deliver_at, id, type, key, due_at, body)
		SELECT consumer, greatest(to_timestamp(due_at), statement_timestamp()), id, type, key, to_timestamp(due_at), body
		FROM unnest($1::text[], $2::uuid[], $3::text[], $4::uuid[], $5::float8[], ${splitTexts('$6')})
			AS m (consumer, id, type, key, due_at, body)`,
	values: [
		plainArray(rows.map(({ consumer }) => consumer)),
		plainArray(rows.map(({ message }) => message.id)),
		plainArray(rows.map(({ message }) => message.type)),
		plainArray(rows.map(({ message }) => message.key)),
		instants(rows.map(({ message }) => message.deliverAt)),
		joinedTexts(rows.map(({ message }) => message.body)),
	],
});

const retryMessages = (consumer: string, rows: readonly Row[]): Statement => ({
	name: 'retry-messages',
	text: `INSERT INTO carrier_messages (consumer, deliver_at, id, type, key, due_at, body, attempts)
		SELECT $1, statement_timestamp() + delay * interval '1 millisecond', id, type, key, to_timestamp(due_at), body, attempts
		FROM unnest($2::uuid[], $3::text[], $4::uuid[], $5::float8[], $6::text[], $7::int[], $8::float8[])
			AS m (id, type, key, due_at, body, attempts, delay)`,
	values: [
		consumer,
		plainArray(rows.map(({ id }) => id)),
		textArray(rows.map(({ type }) => type)),
		plainArray(rows.map(({ key }) => key)),
		instants(rows.map(({ due_at }) => due_at)),
		textArray(rows.map(({ body }) => body)),
		plainArray(rows.map(({ attempts }) => attempts + 1)),
		plainArray(rows.map(({ attempts }) => retryDelay(attempts + 1))),
	],
});
