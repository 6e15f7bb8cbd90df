import { WAKE_UP_TYPES } from '../../domain/events.ts';
import type { Instant } from '../../domain/time.ts';
import { type BatchHandler, type Delivery, type Failure, LONGEST_BODY } from '../brokers/index.ts';
import {
	type Database,
	instants,
	isTransient,
	plainArray,
	type Statement,
	storable,
	textArray,
} from '../database/index.ts';
import type { Platform } from '../platform.ts';
import { isUuid, type Log, tell } from '../runtime/index.ts';

/** After so many failures a message is set aside for a person: about a minute after the first. */
export const MOST_ATTEMPTS = 8;

/** A message that no consumer could handle. */
export interface DeadLetter {
	readonly id: string;
	readonly consumer: string;
	readonly type: string;
	/** null where the message had none, or one that is no order's id */
	readonly key: string | null;
	readonly body: string;
	readonly attempts: number;
	readonly error: string;
	readonly failedAt: Instant;
}

type Failed = Delivery & { readonly error: string };

/** What is longer is cut: it is for reading. */
const LONGEST_ERROR = 2_000;
const LONGEST_TYPE = 200;
const LONGEST_LINE = 1_000;
/** So much of a body is in a list, which goes from process to process as one message; none of ours is that long. */
const LONGEST_SHOWN = 10_000;
/** The last moment that JavaScript knows; PostgreSQL knows it as well. */
const LAST_MOMENT: Instant = 8.64e15;
/** The greatest count that fits into its column; strangers may write any. */
const MOST_COUNTED = 2_147_483_647;
/** So many bodies, the longest ones, go into one statement. */
const MOST_WRITTEN = 50;

/** Those of a process, which its metrics count. */
export const deadLettersOf = ({ database, log, metrics }: Platform): DeadLetters =>
	new DeadLetters(database, log('inbox'), (group) => metrics.setAside(group));

/**
 * The messages that cannot be handled, in one table for every broker. Operators look at them when the broker is in
 * trouble, and a change of the broker must not lose them.
 */
export class DeadLetters {
	readonly #database: Database;
	readonly #log: Log;
	readonly #onWritten: (group: string) => void;

	/** `onWritten` is called for each letter that was not there before, after its commit. */
	constructor(database: Database, log: Log, onWritten: (group: string) => void = () => {}) {
		this.#database = database;
		this.#log = log;
		this.#onWritten = onWritten;
	}

	/**
	 * Returns a handler that stores two kinds of messages as dead letters: what cannot be read, and what `handle` has
	 * failed with too often. Both count as handled once they are stored. What the database refuses comes again like any
	 * failure, and holds up no other message. While the database is away, it throws because of unreadable ones.
	 */
	catching(group: string, handle: BatchHandler): BatchHandler {
		return async (deliveries, within) => {
			const readable: Delivery[] = [];
			const unreadable: Failed[] = [];
			for (const delivery of deliveries) {
				if (delivery.unreadable === undefined) readable.push(delivery);
				else unreadable.push({ ...delivery, error: delivery.unreadable });
			}
			const unstored = await this.#writeOrReturn(group, unreadable);
			if (readable.length === 0) return unstored;

			const failures = await handle(readable, within);
			if (failures.length === 0) return unstored;
			const errors = new Map(failures.map(({ id, error }) => [id, error]));
			const dead = readable.flatMap((delivery) => {
				const error = errors.get(delivery.id);
				return error === undefined || delivery.attempt < MOST_ATTEMPTS ? [] : [{ ...delivery, error }];
			});
			const left = await this.#writeOrReturn(group, dead).catch(() => asFailures(dead));
			const gone = new Set(dead.map(({ id }) => id));
			return [...unstored, ...failures.filter(({ id }) => !gone.has(id)), ...left];
		};
	}

	/** Returns what the database refuses; throws where it is away. */
	async #writeOrReturn(group: string, letters: readonly Failed[]): Promise<readonly Failure[]> {
		try {
			await this.#write(group, letters);
			return [];
		} catch (error) {
			if (isTransient(error)) throw error;
			tell(this.#log, 'error', `dead letters of ${group} cannot be stored`, error);
			return asFailures(letters);
		}
	}

	/** The newest first. */
	async list(limit: number): Promise<readonly DeadLetter[]> {
		const rows = await this.#database.query<Omit<DeadLetter, 'failedAt'> & { failed_at: Instant }>({
			name: 'dead-letters',
			text: `SELECT id, consumer, type, key, left(body, ${LONGEST_SHOWN}) AS body, attempts, error, failed_at FROM dead_letters
				ORDER BY failed_at DESC, letter DESC LIMIT $1`,
			values: [limit],
		});
		return rows.map(({ failed_at, ...row }) => ({ ...row, failedAt: failed_at }));
	}

	/**
	 * Puts the messages of dead letters, all or those with these ids, into the outbox again; returns how many. A message
	 * that this system never raised cannot be sent and stays.
	 */
	async replay(ids?: readonly string[]): Promise<number> {
		const [row] = await this.#database.query<{ letters: number }>({
			name: 'replay-dead-letters',
			text: `WITH replayed AS (
					DELETE FROM dead_letters d WHERE ($1::uuid[] IS NULL OR id = ANY ($1::uuid[])) AND key IS NOT NULL
						AND CASE WHEN type = ANY ($2::text[]) THEN due_at IS NOT NULL ELSE EXISTS (
							SELECT FROM order_events e WHERE e.order_id = d.key AND e.id = d.id AND e.type = d.type) END
					RETURNING id, type, key, due_at),
				again AS (
					INSERT INTO outbox_messages (message_id, type, order_id, sequence, deliver_at)
					SELECT DISTINCT r.id, r.type, r.key, e.sequence, CASE WHEN e.id IS NULL THEN r.due_at END
					FROM replayed r LEFT JOIN order_events e ON e.order_id = r.key AND e.id = r.id)
				SELECT count(*)::int AS letters FROM replayed`,
			values: [ids === undefined ? null : plainArray(ids), plainArray(WAKE_UP_TYPES)],
		});
		return row?.letters ?? 0;
	}

	async #write(group: string, letters: readonly Failed[]): Promise<void> {
		for (let from = 0; from < letters.length; from += MOST_WRITTEN) {
			const some = letters.slice(from, from + MOST_WRITTEN);
			const rows = await this.#database.query<{ id: string }>(insertDeadLetters(group, some));
			const fresh = new Set(rows.map(({ id }) => id));
			for (const { id, type, error } of some) {
				if (!fresh.delete(id)) continue;
				this.#log.error(`dead letter for ${group}: ${type} ${id}: ${error.slice(0, LONGEST_LINE)}`);
				this.#onWritten(group);
			}
		}
	}
}

/**
 * Each once: a message that comes again, because its acknowledgement was lost, stands there already. The release before
 * gives its letters a random name, so that it never meets this constraint.
 */
const insertDeadLetters = (consumer: string, letters: readonly Failed[]): Statement => ({
	name: 'insert-dead-letters',
	text: `INSERT INTO dead_letters (letter, consumer, id, type, key, due_at, body, attempts, error)
		SELECT md5($1 || ' ' || id)::uuid, $1, id, type, key, to_timestamp(due_at), body, attempts, error
		FROM unnest($2::uuid[], $3::text[], $4::uuid[], $5::float8[], $6::text[], $7::int[], $8::text[])
			AS m (id, type, key, due_at, body, attempts, error)
		ON CONFLICT (letter) DO NOTHING RETURNING id`,
	values: [
		consumer,
		plainArray(letters.map(({ id }) => id)),
		textArray(letters.map(({ type }) => readable(type, LONGEST_TYPE))),
		plainArray(letters.map(({ key }) => (isUuid(key) ? key : null))),
		instants(letters.map(({ deliverAt }) => (deliverAt !== null && isMoment(deliverAt) ? deliverAt : null))),
		textArray(letters.map(({ body }) => readable(body, LONGEST_BODY))),
		plainArray(letters.map(({ attempt }) => Math.min(Math.trunc(attempt), MOST_COUNTED))),
		textArray(letters.map(({ error }) => readable(error, LONGEST_ERROR))),
	],
});

const asFailures = (letters: readonly Failed[]): Failure[] => letters.map(({ id, error }) => ({ id, error }));
const readable = (text: string, longest: number): string => storable(text.slice(0, longest));
const isMoment = (value: Instant): boolean => value >= 0 && value <= LAST_MOMENT;
