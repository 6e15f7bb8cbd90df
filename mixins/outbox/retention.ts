import { type Duration, MINUTE, SECOND } from '../../domain/time.ts';
import type { Database, Statement } from '../database/index.ts';
import { Loop } from '../runtime/index.ts';
import { defineMixin, type Mixin } from '../service.ts';

/** Rows deleted by one statement. */
const BATCH = 5_000;
const LONGEST_PAUSE: Duration = MINUTE;

/** How many rows of each kind were deleted. */
export interface Purged {
	readonly outbox: number;
	readonly inbox: number;
	readonly keys: number;
	/** there may be more rows to delete, with the next call */
	readonly more: boolean;
}

/**
 * Deletes what has been kept for the retention: sent outbox rows, idempotency keys, and inbox rows of orders that have
 * ended so long ago. One small statement each, the oldest rows first, so that neither other work nor a stop waits long.
 * Orders and their history are kept for ever.
 */
export async function purge(database: Database, retention: Duration): Promise<Purged> {
	const { length: outbox } = await database.query(purgeOutbox(retention));
	const { length: inbox } = await database.query(purgeInbox(retention));
	const { length: keys } = await database.query(purgeKeys(retention));
	return { outbox, inbox, keys, more: Math.max(outbox, inbox, keys) === BATCH };
}

const CUTOFF = `statement_timestamp() - $1::float8 * interval '1 millisecond'`;

const purgeOutbox = (retention: Duration): Statement => ({
	name: 'purge-outbox',
	text: `DELETE FROM outbox_messages WHERE ctid = ANY (ARRAY(
			SELECT ctid FROM outbox_messages WHERE sent_at < ${CUTOFF} LIMIT ${BATCH}))
		RETURNING position`,
	values: [retention],
});

const purgeInbox = (retention: Duration): Statement => ({
	name: 'purge-inbox',
	text: `DELETE FROM inbox_messages WHERE ctid = ANY (ARRAY(
			SELECT i.ctid FROM inbox_messages i JOIN orders o ON o.id = i.order_id
			WHERE i.handled_at < ${CUTOFF} AND o.sweep_at IS NULL
				AND greatest(o.shipped_at, o.cancelled_at, o.failed_at) < ${CUTOFF}
			LIMIT ${BATCH}))
		RETURNING message_id`,
	values: [retention],
});

const purgeKeys = (retention: Duration): Statement => ({
	name: 'purge-keys',
	text: `DELETE FROM idempotency_keys WHERE ctid = ANY (ARRAY(
			SELECT ctid FROM idempotency_keys WHERE created_at < ${CUTOFF} LIMIT ${BATCH}))
		RETURNING key`,
	values: [retention],
});

/** Deletes rows that are older than `RETENTION`. */
export const retention = (): Mixin<{ purging: Loop }> =>
	defineMixin<{ purging: Loop }>({
		created() {
			const { database, settings } = this.platform;
			this.purging = new Loop('purge', this.logger, async () => {
				const { more } = await purge(database, settings.retention);
				return more ? 0 : Math.max(SECOND, Math.min(settings.retention / 10, LONGEST_PAUSE));
			});
		},
		started() {
			this.purging.start();
		},
		async stopped() {
			await this.purging.stop();
		},
	});
