/** The statements of deliveries. */
import type { Duration, Instant } from '../../domain/time.ts';
import type { DeliveryStatus, EndpointStatus } from '../../domain/webhook.ts';
import type { Envelope } from '../../mixins/brokers/index.ts';
import { instant, instants, plainArray, type Statement, textArray } from '../../mixins/database/index.ts';

/** Of so many secrets of an endpoint the newest sign. */
const MOST_SECRETS = 5;

/** The types that endpoints ask for, or asked for; a row with null for all. No rows: nobody asks for anything. */
export const WANTED_TYPES: Statement = {
	name: 'wanted-types',
	text: 'SELECT DISTINCT types FROM webhook_subscriptions',
	values: [],
};

const NEW_DELIVERY =
	'INSERT INTO webhook_deliveries (endpoint_id, event_id, order_id, sequence, type, next_attempt_at)';

/** Asked for at the moment it was raised, whatever has changed since. */
const ASKED_FOR = `e.occurred_at >= s.since AND (s.until IS NULL OR e.occurred_at < s.until)
	AND (s.types IS NULL OR e.type = ANY (s.types))`;

/**
 * A delivery for each of these events and each endpoint that asks for it, unless it is there. Only of events that are
 * younger than `kept`: of older ones it may have been there.
 */
export const insertDeliveries = (events: readonly { id: string; key: string }[], kept: Duration): Statement => ({
	name: 'insert-deliveries',
	text: `${NEW_DELIVERY}
		SELECT s.endpoint_id, e.id, e.order_id, e.sequence, e.type, statement_timestamp()
		FROM unnest($1::uuid[], $2::uuid[]) AS m (order_id, id)
		JOIN order_events e ON e.order_id = m.order_id AND e.id = m.id
		JOIN webhook_subscriptions s ON ${ASKED_FOR}
		WHERE e.occurred_at > statement_timestamp() - $3::float8 * interval '1 millisecond'
		ORDER BY s.endpoint_id, e.id
		ON CONFLICT DO NOTHING RETURNING endpoint_id`,
	values: [plainArray(events.map(({ key }) => key)), plainArray(events.map(({ id }) => id)), kept],
});

/** The same for all events that were raised in this time. */
export const insertLostDeliveries = (from: Instant, until: Instant): Statement => ({
	name: 'insert-lost-deliveries',
	text: `${NEW_DELIVERY}
		SELECT s.endpoint_id, e.id, e.order_id, e.sequence, e.type, statement_timestamp()
		FROM order_events e JOIN webhook_subscriptions s ON ${ASKED_FOR}
		WHERE e.occurred_at >= to_timestamp($1::float8) AND e.occurred_at < to_timestamp($2::float8)
			AND NOT EXISTS (SELECT FROM webhook_deliveries d WHERE d.endpoint_id = s.endpoint_id AND d.event_id = e.id)
		ORDER BY s.endpoint_id, e.id
		ON CONFLICT DO NOTHING RETURNING endpoint_id`,
	values: [from / 1_000, until / 1_000],
});

/** An attempt that this process may make now. `url` and `secrets` are not for logs. */
export interface Claimed extends Envelope {
	readonly endpoint_id: string;
	/** the database's clock as it was claimed */
	readonly now: Instant;
	/** the number of the claim: another one means that somebody else has taken the delivery over */
	readonly claims: number;
	readonly url: string;
	/** the newest first */
	readonly secrets: readonly string[];
}

/** Takes due deliveries of these endpoints, so many of each, for as long as `lease`. */
export const claimDeliveries = (places: ReadonlyMap<string, number>, lease: Duration): Statement => ({
	name: 'claim-deliveries',
	text: `WITH picked AS (
			SELECT d.endpoint_id, d.event_id
			FROM unnest($1::uuid[], $2::int[]) AS w (endpoint_id, places)
			JOIN webhook_endpoints e ON e.id = w.endpoint_id AND e.status = 'enabled'
			CROSS JOIN LATERAL (
				SELECT endpoint_id, event_id FROM webhook_deliveries
				WHERE endpoint_id = w.endpoint_id AND status = 'pending' AND next_attempt_at <= statement_timestamp()
					AND (attempt_until IS NULL OR attempt_until <= statement_timestamp())
				ORDER BY next_attempt_at LIMIT w.places FOR UPDATE SKIP LOCKED) AS d),
		claimed AS (
			UPDATE webhook_deliveries d SET claims = d.claims + 1,
				attempt_until = statement_timestamp() + $3::float8 * interval '1 millisecond'
			FROM picked p WHERE d.endpoint_id = p.endpoint_id AND d.event_id = p.event_id
			RETURNING d.endpoint_id, d.event_id, d.order_id, d.sequence, d.claims)
		SELECT c.endpoint_id, floor(extract(epoch FROM clock_timestamp()) * 1000)::float8 AS now, c.claims, e.url, v.id, v.type, v.order_id, v.sequence, v.data, v.traceparent,
			${instant('v.occurred_at', 'occurred_at')}, NULL AS deliver_at,
			ARRAY(SELECT secret FROM webhook_secrets s WHERE s.endpoint_id = c.endpoint_id
				AND (expires_at IS NULL OR expires_at > statement_timestamp())
				ORDER BY s.id DESC LIMIT ${MOST_SECRETS}) AS secrets
		FROM claimed c JOIN webhook_endpoints e ON e.id = c.endpoint_id
		JOIN order_events v ON v.order_id = c.order_id AND v.sequence = c.sequence`,
	values: [plainArray([...places.keys()]), plainArray([...places.values()]), lease],
});

/** Which delivery. */
export interface DeliveryKey {
	readonly endpointId: string;
	readonly eventId: string;
}

const KEYS = 'unnest($1::uuid[], $2::uuid[]) AS k (endpoint_id, event_id)';
const keysOf = (keys: readonly DeliveryKey[]): readonly [string, string] => [
	plainArray(keys.map(({ endpointId }) => endpointId)),
	plainArray(keys.map(({ eventId }) => eventId)),
];

export interface LockedDelivery {
	readonly endpoint_id: string;
	readonly event_id: string;
	readonly status: DeliveryStatus;
	readonly attempts: number;
	readonly claims: number;
}

export const lockDeliveries = (keys: readonly DeliveryKey[]): Statement => ({
	name: 'lock-deliveries',
	text: `SELECT d.endpoint_id, d.event_id, d.status, d.attempts, d.claims
		FROM ${KEYS} JOIN webhook_deliveries d ON d.endpoint_id = k.endpoint_id AND d.event_id = k.event_id
		ORDER BY d.endpoint_id, d.event_id FOR UPDATE OF d`,
	values: keysOf(keys),
});

/** A delivery after an attempt. */
export interface Settled extends DeliveryKey {
	readonly status: DeliveryStatus;
	readonly attempts: number;
	readonly responseStatus: number | null;
	readonly error: string | null;
	/** when it is tried again; null if it is not */
	readonly nextAttemptAt: Instant | null;
	/** when it ended; null if it has not */
	readonly finishedAt: Instant | null;
}

export const storeOutcomes = (settled: readonly Settled[]): Statement => ({
	name: 'store-outcomes',
	text: `UPDATE webhook_deliveries d SET status = c.status, attempts = c.attempts, response_status = c.response_status,
			error = c.error, next_attempt_at = coalesce(to_timestamp(c.next_attempt_at), d.next_attempt_at),
			finished_at = to_timestamp(c.finished_at), attempt_until = NULL
		FROM unnest($1::uuid[], $2::uuid[], $3::text[], $4::int[], $5::int[], $6::text[], $7::float8[], $8::float8[])
			AS c (endpoint_id, event_id, status, attempts, response_status, error, next_attempt_at, finished_at)
		WHERE d.endpoint_id = c.endpoint_id AND d.event_id = c.event_id`,
	values: [
		...keysOf(settled),
		plainArray(settled.map(({ status }) => status)),
		plainArray(settled.map(({ attempts }) => attempts)),
		plainArray(settled.map(({ responseStatus }) => responseStatus)),
		textArray(settled.map(({ error }) => error)),
		instants(settled.map(({ nextAttemptAt }) => nextAttemptAt)),
		instants(settled.map(({ finishedAt }) => finishedAt)),
	],
});

/** Gives attempts back that were cut off. */
export const releaseDeliveries = (keys: readonly DeliveryKey[]): Statement => ({
	name: 'release-deliveries',
	text: `UPDATE webhook_deliveries d SET attempt_until = NULL FROM ${KEYS}
		WHERE d.endpoint_id = k.endpoint_id AND d.event_id = k.event_id`,
	values: keysOf(keys),
});

export interface LockedEndpoint {
	readonly id: string;
	readonly status: EndpointStatus;
	readonly failing_since: Instant | null;
	readonly armed_for: Instant | null;
}

export const lockEndpoints = (ids: readonly string[]): Statement => ({
	name: 'lock-endpoints',
	text: `SELECT id, status, ${instant('failing_since')}, ${instant('armed_for')} FROM webhook_endpoints
		WHERE id = ANY ($1::uuid[]) ORDER BY id FOR NO KEY UPDATE`,
	values: [plainArray(ids)],
});

export const storeEndpoints = (endpoints: readonly LockedEndpoint[]): Statement => ({
	name: 'store-endpoints',
	text: `UPDATE webhook_endpoints e SET status = c.status, failing_since = to_timestamp(c.failing_since),
			armed_for = to_timestamp(c.armed_for)
		FROM unnest($1::uuid[], $2::text[], $3::float8[], $4::float8[]) AS c (id, status, failing_since, armed_for)
		WHERE e.id = c.id`,
	values: [
		plainArray(endpoints.map(({ id }) => id)),
		plainArray(endpoints.map(({ status }) => status)),
		instants(endpoints.map(({ failing_since }) => failing_since)),
		instants(endpoints.map(({ armed_for }) => armed_for)),
	],
});

/** From now on these endpoints are told of no more events. */
export const endSubscriptions = (ids: readonly string[], now: Instant): Statement => ({
	name: 'end-subscriptions',
	text: `UPDATE webhook_subscriptions SET until = to_timestamp($2::float8)
		WHERE endpoint_id = ANY ($1::uuid[]) AND until IS NULL`,
	values: [plainArray(ids), now / 1_000],
});

/** When the next attempt of each of these endpoints is due after now. */
export const nextAttempts = (ids: readonly string[]): Statement => ({
	name: 'next-attempts',
	text: `SELECT w.id, ${instant('d.next_attempt_at', 'next')} FROM unnest($1::uuid[]) AS w (id)
		CROSS JOIN LATERAL (SELECT next_attempt_at FROM webhook_deliveries
			WHERE endpoint_id = w.id AND status = 'pending' AND next_attempt_at > clock_timestamp()
			ORDER BY next_attempt_at LIMIT 1) AS d`,
	values: [plainArray(ids)],
});

/** The endpoints that have a delivery which nobody has taken up though it has been due for so long. */
export const overdueEndpoints = (patience: Duration): Statement => ({
	name: 'overdue-endpoints',
	text: `SELECT id FROM webhook_endpoints e WHERE status = 'enabled' AND EXISTS (
		SELECT FROM webhook_deliveries WHERE endpoint_id = e.id AND status = 'pending'
			AND next_attempt_at <= statement_timestamp() - $1::float8 * interval '1 millisecond'
			AND (attempt_until IS NULL OR attempt_until <= statement_timestamp()))`,
	values: [patience],
});
