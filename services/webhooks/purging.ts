/** Deletes finished deliveries that were kept long enough, and what is left of endpoints that were deleted. */
import { DAY, type Duration, MINUTE } from '../../domain/time.ts';
import type { Database, Statement } from '../../mixins/database/index.ts';

const BATCH = 5_000;
const LONGEST_PAUSE: Duration = MINUTE;

const FINISHED = (kept: Duration): Statement => ({
	name: 'purge-deliveries',
	text: `DELETE FROM webhook_deliveries WHERE ctid = ANY (ARRAY(
			SELECT ctid FROM webhook_deliveries
			WHERE finished_at < statement_timestamp() - $1::float8 * interval '1 millisecond' LIMIT ${BATCH}))
		RETURNING event_id`,
	values: [kept],
});

const OF_DELETED: Statement = {
	name: 'purge-deleted',
	text: `DELETE FROM webhook_deliveries WHERE ctid = ANY (ARRAY(
			SELECT d.ctid FROM webhook_endpoints e JOIN webhook_deliveries d ON d.endpoint_id = e.id
			WHERE e.status = 'deleted' LIMIT ${BATCH}))
		RETURNING event_id`,
	values: [],
};

/** A day later, nothing that was under way can still come. */
const DELETED: Statement = {
	name: 'purge-endpoints',
	text: `DELETE FROM webhook_endpoints e WHERE status = 'deleted' AND changed_at < statement_timestamp() - interval '1 day'
			AND NOT EXISTS (SELECT FROM webhook_deliveries WHERE endpoint_id = e.id)
		RETURNING id`,
	values: [],
};

const SECRETS: Statement = {
	name: 'purge-secrets',
	text: 'DELETE FROM webhook_secrets WHERE expires_at < statement_timestamp() RETURNING id',
	values: [],
};

/** What was asked for in the past matters until every event of that time was looked through. */
const SUBSCRIPTIONS: Statement = {
	name: 'purge-subscriptions',
	text: `DELETE FROM webhook_subscriptions WHERE until < (SELECT min(through) FROM webhook_looks) - $1::float8 * interval '1 millisecond'
		RETURNING since`,
	values: [DAY],
};

/** Small statements, one after the other; returns how long the next may wait. */
export async function purgeDeliveries(database: Database, kept: Duration): Promise<Duration> {
	const { length: finished } = await database.query(FINISHED(kept));
	const { length: orphaned } = await database.query(OF_DELETED);
	await database.query(DELETED);
	await database.query(SECRETS);
	await database.query(SUBSCRIPTIONS);
	return Math.max(finished, orphaned) === BATCH ? 0 : LONGEST_PAUSE;
}
