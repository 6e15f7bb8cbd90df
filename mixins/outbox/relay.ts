import { performance } from 'node:perf_hooks';
import { backOff, type Duration, SECOND } from '../../domain/time.ts';
import { type Carrier, type CarrierMessage, type Failure, toEnvelope } from '../brokers/index.ts';
import { type Database, isTransient, type Statement, type Transaction } from '../database/index.ts';
import { NO_TRACING, type SpanEnd, sending, type Tracing } from '../observability/index.ts';
import { bisect, crashPoint, errorMessage, type Log, LowWater, tell } from '../runtime/index.ts';
import {
	END,
	type Found,
	firstBefore,
	type Glance,
	glance,
	lease,
	markSent,
	type OutboxRow,
	OWN,
	type Postponed,
	peek,
	postponeThese,
	take,
	takeThese,
	UNSENT,
	type Where,
} from './outbox-store.ts';

/** At most so many messages in one batch. */
const BATCH = 500;
const FIRST_RETRY: Duration = SECOND / 4;
const LONGEST_RETRY: Duration = 30 * SECOND;
/** The same after the carrier was away, shorter, so that waiting messages go soon after it is back. */
const LONGEST_ABSENCE: Duration = 5 * SECOND;
/** The slow poll beside the wake-up, and the pause after a carrier could not be reached. */
const SLOW_POLL: Duration = SECOND / 2;
/** The same where messages go to the carrier with the commit that raises them: what is left is rare. */
const QUIET_POLL: Duration = 1.9 * SECOND;
/** How long full batches follow each other within one step. */
const LONGEST_STEP: Duration = SECOND;

/** Rows that this relay alone may send for a while. */
interface Leased {
	readonly rows: readonly OutboxRow[];
	/** when they were read, by the process's timer: their delays count from then */
	readonly readAt: number;
}

/**
 * Carries the outbox to the carrier. Any number may run at once: each claims rows that no other holds. Where the
 * carrier shares the database, claim, publish and mark are one transaction; otherwise a lease is committed first, and
 * no row is locked while a broker is waited for.
 */
export class OutboxRelay {
	readonly #database: Database;
	readonly #carrier: Carrier;
	readonly #log: Log | undefined;
	readonly #tracing: Tracing;
	readonly #lowWater = new LowWater(0n);
	/** the last step had nothing to send */
	#isQuiet = false;
	/** a carrier that could not be reached is left alone until then, by the process's timer */
	#restUntil = Number.NEGATIVE_INFINITY;

	/** `log` gets programming errors. The carrier itself logs that it is away or refuses. */
	constructor(database: Database, carrier: Carrier, log?: Log, tracing = NO_TRACING) {
		this.#database = database;
		this.#carrier = carrier;
		this.#log = log;
		this.#tracing = tracing;
	}

	/** Sends a batch, or several full ones; returns how long the next may wait. */
	async step(): Promise<Duration> {
		const rest = this.#restUntil - performance.now();
		if (rest > 0) return rest; // ignores wake-ups: each try would only postpone more rows
		const isShared = this.#carrier.publishIn !== undefined;
		const pause = isShared ? QUIET_POLL : SLOW_POLL;
		if (this.#isQuiet && !(await this.#hasSome())) return pause;
		const sent = await (isShared ? this.#sendInOneTransaction() : this.#sendByLease());
		this.#isQuiet = sent === 0;
		return sent === BATCH ? 0 : pause;
	}

	/** A look that takes nothing needs no transaction. */
	async #hasSome(): Promise<boolean> {
		const [seen] = await this.#database.query<Glance>(glance(this.#lowWater.place));
		if (seen?.waits === false && seen.end !== null) this.#lowWater.reached(seen.end, false);
		return seen?.waits !== false;
	}

	/** True if a row that can be sent lies before the point where `step` begins; that point is moved back to it. */
	async lookBack(): Promise<boolean> {
		const [row] = await this.#database.query<{ position: bigint }>(firstBefore(this.#lowWater.place));
		if (row !== undefined) this.#lowWater.lower(row.position);
		return row !== undefined;
	}

	async #sendInOneTransaction(): Promise<number> {
		try {
			const sent = await this.#forward(take(this.#lowWater.place, BATCH));
			await this.#reached(sent);
			return sent.length;
		} catch (error) {
			if (isTransient(error)) throw error;
			return this.#forwardApart();
		}
	}

	/** If nothing was found, everything up to the last given position was seen. */
	async #reached(rows: readonly OutboxRow[]): Promise<void> {
		const place = rows.at(-1)?.position ?? (await this.#database.query<{ position: bigint | null }>(END))[0]?.position;
		if (place !== undefined && place !== null) this.#lowWater.reached(place, rows.length === BATCH);
	}

	async #forward(statement: Statement): Promise<readonly OutboxRow[]> {
		return this.#database.transaction('outbox.forward', async (tx) => {
			const rows = await tx.query<OutboxRow>(statement);
			if (rows.length === 0) return rows;
			const span = sending(this.#tracing, rows);
			const messages = rows.map((row) => toMessage(row, 0));
			const failures = this.#carrier.publishIn?.(tx, messages) ?? [];
			await postpone(tx, OWN, rows, failures);
			// If this commit is lost with the server, the rows are unsent again, and everything done with their messages is
			// lost as well: a later commit that waits for the disk waits for this one too.
			tx.commitLazily();
			tx.afterCommit(() => span.end(endOf(failures)));
			return rows;
		});
	}

	/** A batch failed as a whole: finds the row that is to blame, so that it cannot hold up the others. */
	async #forwardApart(): Promise<number> {
		const rows = await this.#database.query<Found>(peek(this.#lowWater.place, BATCH));
		const blamed: { row: Found; error: unknown }[] = [];
		await bisect(
			rows,
			async (group) => {
				await this.#forward(takeThese(group.map(({ position }) => position)));
			},
			(row, error) => {
				blamed.push({ row, error });
				this.#tell(error);
			},
			isTransient,
		);
		for (const { row, error } of blamed) {
			await this.#database.transaction('outbox.postpone', (tx) =>
				tx.query(postponeThese(UNSENT, [{ ...row, place: null, error: errorMessage(error), delay: LONGEST_RETRY }])),
			);
		}
		return rows.length;
	}

	/** While batches are published and others marked, the next is leased. Returns the size of the last batch. */
	async #sendByLease(): Promise<number> {
		const end = performance.now() + LONGEST_STEP;
		const { publications: most = 1 } = this.#carrier;
		const publishing: Promise<unknown>[] = [];
		const marking: Promise<void>[] = [];
		let trouble: unknown;
		const note = (error: unknown): void => {
			trouble ??= error;
		};
		let size = 0;
		for (;;) {
			const leased = await this.#lease().catch(note);
			if (leased !== undefined) await this.#reached(leased.rows).catch(note);
			size = leased?.rows.length ?? 0;
			if (leased === undefined || size === 0) break;
			if (publishing.length === most) await publishing.shift();
			if (marking.length > most) await marking.shift();
			// These promises never reject: every leased batch is published and marked even if another batch fails.
			const published = this.#publish(leased);
			publishing.push(published);
			marking.push(published.then((failures) => this.#mark(leased, failures)).catch(note));
			const now = performance.now();
			if (size < BATCH || trouble !== undefined || this.#restUntil > now || now > end) break;
		}
		await Promise.all(marking);
		if (trouble !== undefined) throw trouble;
		return size;
	}

	/** Committed lazily: what is lost with the server is sent again, and the inbox drops what comes twice. */
	async #lease(): Promise<Leased> {
		return this.#database.transaction('outbox.lease', async (tx) => {
			tx.commitLazily();
			const rows = await tx.query<OutboxRow>(lease(this.#lowWater.place, BATCH));
			return { rows, readAt: performance.now() };
		});
	}

	async #publish({ rows, readAt }: Leased): Promise<readonly Failed[]> {
		const span = sending(this.#tracing, rows);
		crashPoint('before:outbox.publish');
		const failures = await this.#tryPublish(rows, performance.now() - readAt);
		crashPoint('after:outbox.publish');
		span.end(endOf(failures));
		return failures;
	}

	/** Marks what was sent and postpones the rest. If a mark is lost in a crash of the server, its row is sent twice. */
	async #mark({ rows }: Leased, failures: readonly Failed[]): Promise<void> {
		await this.#database.transaction('outbox.sent', async (tx) => {
			tx.commitLazily();
			const failed = new Set(failures.map(({ id }) => id));
			const sent = rows.filter(({ id }) => !failed.has(id));
			if (sent.length > 0) await tx.query(markSent(sent));
			await postpone(tx, UNSENT, rows, failures);
		});
	}

	#tell(error: unknown): void {
		if (this.#log !== undefined) tell(this.#log, 'debug', 'messages were not published', error);
	}

	async #tryPublish(rows: readonly OutboxRow[], passed: Duration): Promise<readonly Failed[]> {
		try {
			return await this.#carrier.publish(rows.map((row) => toMessage(row, passed)));
		} catch (error) {
			this.#tell(error);
			// Any of them may have arrived. All are sent again; the inbox drops doubles.
			this.#restUntil = performance.now() + SLOW_POLL;
			this.#lowWater.lower();
			return rows.map(({ id }) => ({ id, error: errorMessage(error), longest: LONGEST_ABSENCE }));
		}
	}
}

/** A row that was not sent, and how long it may have to wait at most. */
interface Failed extends Failure {
	readonly longest?: Duration;
}

/** Some, or all, were not taken. */
const endOf = ({ length }: readonly Failure[]): SpanEnd =>
	length === 0 ? {} : { error: 'not_taken', attributes: { 'protected_payment.messages.failed': length } };

/** `passed`: how long ago the row was read. */
const toMessage = (row: OutboxRow, passed: Duration): CarrierMessage => ({
	id: row.id,
	type: row.type,
	key: row.order_id,
	body: toEnvelope(row),
	deliverAt: row.deliver_at,
	delay: Math.max(0, row.delay - passed),
});

/** A message that the carrier did not take stays unsent and is tried again later. */
async function postpone(
	tx: Transaction,
	where: Where,
	rows: readonly OutboxRow[],
	failures: readonly Failed[],
): Promise<void> {
	if (failures.length === 0) return;
	const reasons = new Map(failures.map((failure) => [failure.id, failure]));
	const postponed = rows.flatMap(({ id, position, place, attempts }): Postponed[] => {
		const reason = reasons.get(id);
		if (reason === undefined) return [];
		const delay = backOff(attempts + 1, FIRST_RETRY, reason.longest ?? LONGEST_RETRY);
		return [{ position, id, place: place ?? null, error: reason.error, delay }];
	});
	await tx.query(postponeThese(where, postponed));
}
