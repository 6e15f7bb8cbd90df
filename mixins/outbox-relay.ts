import { performance } from 'node:perf_hooks';
import { backOff, type Duration, type Instant, SECOND } from '../domain/time.ts';
import type { Carrier, CarrierMessage, Failure } from './brokers/carrier.ts';
import { crashPoint } from './crash-points.ts';
import { plainArray, storable, textArray } from './database/arrays.ts';
import { type Database, isTransient, type Transaction } from './database/database.ts';
import { instant } from './database/instants.ts';
import type { Statement } from './database/statement.ts';
import { type Envelope, toEnvelope } from './envelope.ts';
import { isolate } from './isolate.ts';

/** At most so many messages in one batch. */
const BATCH = 500;
/** How long a relay has for publishing what it leased; a dead one's messages are free after that. */
const LEASE: Duration = 30 * SECOND;
const FIRST_RETRY: Duration = SECOND / 4;
const LONGEST_RETRY: Duration = 30 * SECOND;
/** The same where the carrier was away: all that waits goes soon after it is back. */
const LONGEST_ABSENCE: Duration = 5 * SECOND;
/** The slow poll beside the wake-up, and the pause after a carrier could not be reached. */
const SLOW_POLL: Duration = SECOND / 2;
/** Full batches follow each other within a step for so long. */
const LONGEST_STEP: Duration = SECOND;

interface OutboxRow extends Envelope {
	position: bigint;
	/** where the row stands, told to the transaction that sends it: as long as that holds it, it stays there */
	place?: string;
	attempts: number;
	delay: number;
	deliver_at: Instant | null;
}

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
	/** a carrier that could not be reached is left alone until then, by the process's timer */
	#restUntil = Number.NEGATIVE_INFINITY;

	constructor(database: Database, carrier: Carrier) {
		this.#database = database;
		this.#carrier = carrier;
	}

	/** Sends a batch, or several full ones; answers how long the next may wait. */
	async step(): Promise<Duration> {
		const rest = this.#restUntil - performance.now();
		if (rest > 0) return rest; // whoever woke us: each try would only put more rows off
		const sent = await (this.#carrier.publishIn === undefined ? this.#sendByLease() : this.#sendInOneTransaction());
		return sent === BATCH ? 0 : SLOW_POLL;
	}

	async #sendInOneTransaction(): Promise<number> {
		try {
			return await this.#forward(take(BATCH));
		} catch (error) {
			if (isTransient(error)) throw error;
			return this.#forwardApart();
		}
	}

	async #forward(statement: Statement): Promise<number> {
		return this.#database.transaction('outbox.forward', async (tx) => {
			const rows = await tx.query<OutboxRow>(statement);
			if (rows.length === 0) return 0;
			const failures =
				(await this.#carrier.publishIn?.(
					tx,
					rows.map((row) => toMessage(row, 0)),
				)) ?? [];
			await postpone(tx, OWN, rows, failures);
			// If this commit is lost with the server, the rows are unsent again, and whatever was done with their messages
			// is lost as well: a later commit that waits for the disk waits for this one too.
			tx.commitLazily();
			return rows.length;
		});
	}

	/** A batch failed as a whole: finds the row that is to blame, so that it cannot hold up the others. */
	async #forwardApart(): Promise<number> {
		const rows = await this.#database.query<{ position: bigint }>(peek(BATCH));
		const blamed: { position: bigint; error: unknown }[] = [];
		await isolate(
			rows.map(({ position }) => position),
			async (positions) => {
				await this.#forward(takeThese(positions));
			},
			(position, error) => blamed.push({ position, error }),
			isTransient,
		);
		for (const { position, error } of blamed) {
			await this.#database.transaction('outbox.postpone', (tx) =>
				tx.query(postponeThese(UNSENT, [{ position, place: null, error: sentence(error), delay: LONGEST_RETRY }])),
			);
		}
		return rows.length;
	}

	/** While batches are published and others marked, the next is leased. Answers the last one's size. */
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
			size = leased?.rows.length ?? 0;
			if (leased === undefined || size === 0) break;
			if (publishing.length === most) await publishing.shift();
			if (marking.length > most) await marking.shift();
			// None fails by itself: what was leased is published, and what was published is marked, whatever befalls the others.
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
			const rows = await tx.query<OutboxRow>(lease(BATCH));
			return { rows, readAt: performance.now() };
		});
	}

	async #publish({ rows, readAt }: Leased): Promise<readonly Failed[]> {
		crashPoint('before:outbox.publish');
		const failures = await this.#tryPublish(rows, performance.now() - readAt);
		crashPoint('after:outbox.publish');
		return failures;
	}

	/** Marks what was sent and puts the rest off. A mark that is lost with the server lets its row go twice. */
	async #mark({ rows }: Leased, failures: readonly Failed[]): Promise<void> {
		await this.#database.transaction('outbox.sent', async (tx) => {
			tx.commitLazily();
			const failed = new Set(failures.map(({ id }) => id));
			const sent = rows.filter(({ id }) => !failed.has(id)).map(({ position }) => position);
			if (sent.length > 0) await tx.query(markSent(sent));
			await postpone(tx, UNSENT, rows, failures);
		});
	}

	async #tryPublish(rows: readonly OutboxRow[], passed: Duration): Promise<readonly Failed[]> {
		try {
			return await this.#carrier.publish(rows.map((row) => toMessage(row, passed)));
		} catch (error) {
			// Nobody knows what arrived. All go again; the inbox drops what comes twice.
			this.#restUntil = performance.now() + SLOW_POLL;
			return rows.map(({ id }) => ({ id, error: sentence(error), longest: LONGEST_ABSENCE }));
		}
	}
}

const sentence = (error: unknown): string => (error instanceof Error ? error.message : String(error));

/** A row that was not sent, and how long it may have to wait at most. */
interface Failed extends Failure {
	readonly longest?: Duration;
}

/** `passed`: how long ago the row was read. */
const toMessage = (row: OutboxRow, passed: Duration): CarrierMessage => ({
	id: row.id,
	type: row.type,
	key: row.order_id,
	body: toEnvelope(row),
	deliverAt: row.deliver_at,
	delay: Math.max(0, row.delay - passed),
});

/** What the carrier did not take is not sent; it goes again later. */
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
		return [{ position, place: place ?? null, error: reason.error, delay }];
	});
	await tx.query(postponeThese(where, postponed));
}

/** How a row is found again: unsent ones by their position, for which there is an index; one's own by its place. */
type Where = typeof UNSENT | typeof OWN;

const OWN = 'm.ctid = f.place';
const UNSENT = `m.ctid = (SELECT ctid FROM outbox_messages u WHERE u.sent_at IS NULL AND u.position = f.position)`;

const AVAILABLE = 'sent_at IS NULL AND available_at <= statement_timestamp()';

const ENVELOPED = `m.position, m.message_id AS id, m.type, m.order_id, m.sequence, m.attempts, e.data, e.traceparent,
		${instant('m.deliver_at', 'deliver_at')}, ${instant('e.occurred_at', 'occurred_at')},
		coalesce(greatest(0, extract(epoch FROM m.deliver_at - clock_timestamp()) * 1000), 0)::float8 AS delay`;

const WITH_EVENTS = 'AS m LEFT JOIN order_events e ON e.order_id = m.order_id AND e.sequence = m.sequence';

const OLDEST = `SELECT ctid FROM outbox_messages WHERE ${AVAILABLE} ORDER BY position LIMIT $1
	FOR UPDATE SKIP LOCKED`;

const THESE = `SELECT ctid FROM outbox_messages WHERE sent_at IS NULL AND position = ANY($1::bigint[])
	FOR UPDATE SKIP LOCKED`;

/** Claims rows and marks them as sent, which holds if the transaction does. */
const taken = (rows: string): string => `WITH taken AS (
		UPDATE outbox_messages SET sent_at = statement_timestamp() WHERE ctid = ANY (ARRAY(${rows}))
		RETURNING ctid::text AS place, *)
	SELECT m.place, ${ENVELOPED} FROM taken ${WITH_EVENTS} ORDER BY m.position`;

const take = (most: number): Statement => ({ name: 'take-outbox', text: taken(OLDEST), values: [most] });

const takeThese = (positions: readonly bigint[]): Statement => ({
	name: 'take-these',
	text: taken(THESE),
	values: [plainArray(positions)],
});

/** Claims rows and keeps others off them for a while. */
const lease = (most: number): Statement => ({
	name: 'lease-outbox',
	text: `WITH leased AS (
			UPDATE outbox_messages SET available_at = statement_timestamp() + $2::float8 * interval '1 millisecond'
			WHERE ctid = ANY (ARRAY(${OLDEST})) RETURNING *)
		SELECT ${ENVELOPED} FROM leased ${WITH_EVENTS} ORDER BY m.position`,
	values: [most, LEASE],
});

const peek = (most: number): Statement => ({
	name: 'peek-outbox',
	text: `SELECT position FROM outbox_messages WHERE ${AVAILABLE} ORDER BY position LIMIT $1`,
	values: [most],
});

const markSent = (positions: readonly bigint[]): Statement => ({
	name: 'mark-sent',
	text: `UPDATE outbox_messages SET sent_at = statement_timestamp()
		WHERE sent_at IS NULL AND position = ANY($1::bigint[])`,
	values: [plainArray(positions)],
});

interface Postponed {
	readonly position: bigint;
	/** null for a row that is found by its position */
	readonly place: string | null;
	readonly error: string;
	readonly delay: Duration;
}

const postponeThese = (where: Where, rows: readonly Postponed[]): Statement => ({
	name: where === UNSENT ? 'postpone-unsent' : 'postpone-own',
	text: `UPDATE outbox_messages m SET sent_at = NULL, attempts = m.attempts + 1, last_error = left(f.error, 1000),
			available_at = statement_timestamp() + f.delay * interval '1 millisecond'
		FROM unnest($1::bigint[], $2::tid[], $3::text[], $4::float8[]) AS f (position, place, error, delay)
		WHERE ${where}`,
	values: [
		plainArray(rows.map(({ position }) => position)),
		textArray(rows.map(({ place }) => place)),
		textArray(rows.map(({ error }) => storable(error))),
		plainArray(rows.map(({ delay }) => delay)),
	],
});
