/** What an operator sees of webhooks. */
import type { Statement } from '../../mixins/database/index.ts';
import type { Platform } from '../../mixins/platform.ts';
import type { Disabled, Outcomes } from './outcomes.ts';

export interface DeliveryMetrics {
	ended(outcome: Outcomes['counted'][number]): void;
	disabled(why: Disabled): void;
}

const MOST_COUNTED = 50_000;

const FIGURES = {
	webhook_pending_deliveries: `Deliveries to enabled endpoints that have not ended, ${MOST_COUNTED} at most.`,
	webhook_oldest_pending_age_seconds: 'How long ago the event of the oldest of them was raised.',
	webhook_disabled_endpoints: 'Endpoints that are disabled, by an admin or by themselves.',
};

/** A delivery's age is in its event's id: the first 48 bits of a UUID v7 are its milliseconds since 1970 (RFC 9562, section 5.7). */
const PENDING: Statement = {
	name: 'pending-deliveries',
	text: `SELECT count(*)::int AS pending,
			coalesce(greatest(0, extract(epoch FROM clock_timestamp()) - min(raised_at) / 1000.0), 0)::float8 AS age,
			(SELECT count(*)::int FROM webhook_endpoints WHERE status = 'disabled') AS disabled
		FROM (SELECT ('x' || translate(left(d.event_id::text, 13), '-', ''))::bit(48)::bigint AS raised_at
			FROM webhook_endpoints e JOIN webhook_deliveries d ON d.endpoint_id = e.id AND d.status = 'pending'
			WHERE e.status = 'enabled' LIMIT ${MOST_COUNTED}) AS waiting`,
	values: [],
};

export function deliveryMetrics({ database, metrics }: Platform): DeliveryMetrics {
	const ended = metrics.count(
		'webhook_deliveries_total',
		'Attempts to tell an endpoint of an event: delivered, failed but to be tried again (retry), failed for good (failed).',
		'outcome',
		['delivered', 'retry', 'failed'],
	);
	const disabled = metrics.count(
		'webhook_endpoints_disabled_total',
		'Endpoints that were disabled because they answered 410 (gone) or had no success for five days (failing).',
		'reason',
		['gone', 'failing'],
	);
	metrics.read(FIGURES, async () => {
		const [row] = await database.query<{ pending: number; age: number; disabled: number }>(PENDING);
		return {
			webhook_pending_deliveries: row?.pending ?? 0,
			webhook_oldest_pending_age_seconds: row?.age ?? 0,
			webhook_disabled_endpoints: row?.disabled ?? 0,
		};
	});
	return { ended, disabled };
}
