import { type Duration, SECOND } from '../../../domain/time.ts';
import { type Database, isTransient, type Transaction } from '../../database/index.ts';
import { errorMessage, type Log, Loop, LowWater, lookingBack } from '../../runtime/index.ts';
import type {
	BatchHandler,
	Carrier,
	CarrierMessage,
	Delivery,
	Failure,
	SubscribeOptions,
	Subscription,
	Topology,
} from '../carrier.ts';
import { publishable, type Refuse } from '../publishable.ts';
import { combineSubscriptions } from '../subscriptions.ts';
import { Lookout } from './lookout.ts';
import {
	firstDueBefore,
	insertMessages,
	isWanted,
	type Look,
	type Peek,
	type Place,
	peekAtMessages,
	type Row,
	retryMessages,
	takeMessages,
} from './statements.ts';

/** The longest pause between two queries, in case a wake-up was lost. */
const SLOW_POLL: Duration = 2 * SECOND;
/** Messages that another consumer holds may come back; look again soon. */
const BUSY_POLL: Duration = 20;
const DEFAULT_BATCH = 500;

/** What one consumer group has in this process. */
interface Consumer {
	readonly group: string;
	readonly lookout: Lookout;
	readonly lowWater: LowWater<Place>;
}

/** What a loop takes, and for whom. */
interface Take {
	readonly loop: Loop;
	readonly consumer: Consumer;
	readonly handle: BatchHandler;
	readonly batch: number;
	readonly from: Place;
}

/**
 * PostgreSQL as the carrier: a row for each message and consumer group. A consumer deletes the rows that it takes and
 * commits when they are handled; if it dies, its transaction is undone and the rows are there again. A handler that can
 * works in the same transaction.
 */
export class PostgresCarrier implements Carrier {
	readonly early = 0;
	readonly #database: Database;
	readonly #topology: Topology;
	readonly #types: ReadonlySet<string>;
	readonly #log: Log;
	readonly #consumers = new Map<string, Consumer>();
	/** groups that wanted nothing when they looked last: they are not woken, and look by themselves */
	readonly #idle = new Set<string>();
	readonly #insert: ReturnType<typeof insertMessages>;
	readonly #running = new Set<Loop>();

	constructor(database: Database, topology: Topology, log: Log) {
		this.#database = database;
		this.#topology = topology;
		this.#types = new Set(topology.types);
		this.#insert = insertMessages(topology);
		this.#log = log;
	}

	publish(messages: readonly CarrierMessage[]): Promise<readonly Failure[]> {
		return this.#database.transaction('carrier.publish', async (tx) => this.publishIn(tx, messages));
	}

	publishIn(tx: Transaction, messages: readonly CarrierMessage[]): readonly Failure[] {
		const { messages: good, failures } = publishable(messages, this.#types, refuseControls);
		const rows = good.flatMap((message) => this.#groupsOf(message.type).map((group) => ({ group, message })));
		if (rows.length === 0) return failures;
		tx.write(this.#insert(rows));
		const soon = new Set(rows.filter(({ message }) => message.delay < SLOW_POLL).map(({ group }) => group));
		tx.afterCommit(() => this.#wake(soon));
		return failures;
	}

	subscribe(group: string, handle: BatchHandler, options: SubscribeOptions = {}): Subscription {
		const consumer = this.#consumerOf(group);
		const { lookout, lowWater } = consumer;
		const batch = options.batch ?? DEFAULT_BATCH;
		const loops = Array.from({ length: options.concurrency ?? 1 }, () => {
			const loop: Loop = new Loop(
				`consumer ${group}`,
				this.#log,
				() => this.#deliver(loop, consumer, handle, batch),
				options.linger,
			);
			return loop;
		});
		const wake = (): void => lookout.wake();
		const looksBack = lookingBack(`consumer ${group}`, this.#log, () => this.#lookBack(group, lowWater), wake);
		for (const loop of loops) lookout.add(loop);
		for (const loop of [...loops, looksBack]) {
			this.#running.add(loop);
			loop.start();
		}
		return combineSubscriptions(loops, async () => {
			await looksBack.stop();
			for (const loop of [...loops, looksBack]) this.#running.delete(loop);
			for (const loop of loops) lookout.delete(loop);
		});
	}

	async close(): Promise<void> {
		await Promise.all(Array.from(this.#running, (loop) => loop.stop()));
	}

	#consumerOf(group: string): Consumer {
		const known = this.#consumers.get(group);
		if (known !== undefined) return known;
		const consumer = { group, lookout: new Lookout(), lowWater: new LowWater<Place>('-infinity') };
		this.#consumers.set(group, consumer);
		return consumer;
	}

	#groupsOf(type: string): readonly string[] {
		return Object.entries(this.#topology.consumers).flatMap(([group, types]) => (types.includes(type) ? [group] : []));
	}

	#wake(groups: ReadonlySet<string>): void {
		for (const group of groups) if (!this.#idle.has(group)) this.#consumers.get(group)?.lookout.wake();
	}

	/** Takes one batch, has it handled, and acknowledges it; returns how long the next may wait. */
	async #deliver(loop: Loop, consumer: Consumer, handle: BatchHandler, batch: number): Promise<Duration> {
		const { group, lookout, lowWater } = consumer;
		const wait = lookout.wait(loop, SLOW_POLL);
		if (wait > 0) {
			loop.skipRest();
			return wait;
		}
		const from = lowWater.place;
		const take: Take = { loop, consumer, handle, batch, from };
		try {
			if (!lookout.expects && !(await this.#isDue(take))) {
				loop.skipRest();
				return 0;
			}
			const taken = await this.#takeTogether(take);
			const last = taken.at(-1)?.deliver_at;
			if (last !== undefined) {
				loop.found(taken.length);
				lowWater.reached(last, taken.length === batch);
			} else {
				loop.skipRest();
				await this.#askWanted(group);
			}
			return 0;
		} catch (error) {
			lowWater.lower(from); // what was taken is there again
			lookout.handles(loop);
			throw error;
		}
	}

	/** A look that takes nothing needs no transaction. */
	async #isDue({ loop, consumer: { group, lookout, lowWater }, from }: Take): Promise<boolean> {
		const looked = lookout.look(loop);
		const [peek] = await this.#database.query<Peek>(peekAtMessages(group, from));
		const left = peek?.left ?? Number.POSITIVE_INFINITY;
		if (left <= 0) return true;
		looked(Math.min(left, SLOW_POLL), left < SLOW_POLL);
		if (peek !== undefined) lowWater.reached(peek.place, false);
		await this.#askWanted(group);
		return false;
	}

	/** In one transaction with the handler. Where that fails, the handler has transactions of its own, one for each part. */
	async #takeTogether(take: Take): Promise<readonly Row[]> {
		try {
			return await this.#take(take, true);
		} catch (error) {
			if (isTransient(error)) throw error;
			this.#log.debug(`consumer ${take.consumer.group}: a batch is handled in parts: ${errorMessage(error)}`);
			return this.#take(take, false);
		}
	}

	async #take({ loop, consumer, handle, batch, from }: Take, isTogether: boolean): Promise<readonly Row[]> {
		const { group, lookout, lowWater } = consumer;
		let tries = 0;
		return this.#database.transaction('carrier.deliver', async (tx) => {
			tries += 1;
			const looked = lookout.look(loop);
			const found = await tx.query<Look>(takeMessages(group, batch, from));
			const rows = found.filter((row): row is Look & Row => row.id !== null);
			const [rest] = found;
			const left = rows.length === batch ? 0 : untilNext(rest, rows.length === 0);
			looked(left, left < SLOW_POLL);
			if (rows.length === 0) {
				if (rest?.busy === false) lowWater.reached(rest.place, false);
				return rows;
			}
			this.#idle.delete(group);
			lookout.handles(loop);
			// Unless the handler joins in: if this commit is lost with the server, the messages come again, and the inbox knows
			// them.
			tx.commitLazily();
			const failures = await handle(rows.map(toDelivery), isTogether && tries === 1 ? tx : undefined);
			if (failures.length > 0) {
				setBack(tx, group, rows, failures);
				tx.commitDurably();
			}
			return rows;
		});
	}

	/** A group that has nothing to do need not be woken. */
	async #askWanted(group: string): Promise<void> {
		const query = this.#topology.wanted?.[group];
		if (query === undefined) return;
		const [row] = await this.#database.query<{ wanted: boolean }>(isWanted(group, query));
		if (row?.wanted === false) this.#idle.add(group);
		else this.#idle.delete(group);
	}

	/** True if a due message lies before the point where consumers begin; that point is moved back to it. */
	async #lookBack(group: string, lowWater: LowWater<Place>): Promise<boolean> {
		const [row] = await this.#database.query<{ place: Place }>(firstDueBefore(group, lowWater.place));
		if (row !== undefined) lowWater.lower(row.place);
		return row !== undefined;
	}
}

/** A due message that is locked is being handled; it must not keep us from the next ones. */
function untilNext(rest: Look | undefined, foundNothing: boolean): Duration {
	const left = Math.max(0, rest?.left ?? SLOW_POLL);
	return Math.min(left, foundNothing && rest?.busy === true ? BUSY_POLL : SLOW_POLL);
}

function setBack(tx: Transaction, group: string, rows: readonly Row[], failures: readonly Failure[]): void {
	const failed = new Set(failures.map(({ id }) => id));
	const back = rows.filter(({ id }) => failed.has(id));
	tx.write(retryMessages(group, back));
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
