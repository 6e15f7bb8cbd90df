/** The statements of endpoints. A secret is never read here: only a claim reads it, to sign. */
import type { Duration, Instant } from '../../domain/time.ts';
import type { DeliveryStatus } from '../../domain/webhook.ts';
import { instant, plainArray, type Statement } from '../../mixins/database/index.ts';

const SHOWN = `id, url, types, description, status, ${instant('created_at')}`;
const at = (parameter: string): string => `to_timestamp(${parameter}::float8)`;

export interface NewEndpoint {
	readonly id: string;
	readonly url: string;
	readonly types: readonly string[] | null;
	readonly description: string | null;
}

/** Types are names of events, which need no quotes. */
const typesOf = (types: readonly string[] | null): string | null => types && plainArray(types);

export const insertEndpoint = ({ id, url, types, description }: NewEndpoint, now: Instant): Statement => ({
	name: 'insert-endpoint',
	text: `INSERT INTO webhook_endpoints (id, url, types, description, status, created_at, changed_at)
		VALUES ($1, $2, $3::text[], $4, 'enabled', ${at('$5')}, ${at('$5')}) RETURNING ${SHOWN}`,
	values: [id, url, typesOf(types), description, now / 1_000],
});

/** `secretId`: a UUID v7; the newest secret has the greatest. */
export const insertSecret = (endpointId: string, secretId: string, secret: string): Statement => ({
	name: 'insert-secret',
	text: 'INSERT INTO webhook_secrets (endpoint_id, id, secret) VALUES ($1, $2, $3)',
	values: [endpointId, secretId, secret],
});

/** From now on the endpoint is told of events of these types. */
export const beginSubscription = (id: string, types: readonly string[] | null, now: Instant): Statement => ({
	name: 'begin-subscription',
	text: `INSERT INTO webhook_subscriptions (endpoint_id, since, types) VALUES ($1, ${at('$2')}, $3::text[])
		ON CONFLICT (endpoint_id, since) DO UPDATE SET types = excluded.types, until = NULL`,
	values: [id, now / 1_000, typesOf(types)],
});

export const lockEndpoint = (id: string): Statement => ({
	name: 'lock-endpoint',
	text: `SELECT ${SHOWN} FROM webhook_endpoints WHERE id = $1 AND status <> 'deleted' FOR NO KEY UPDATE`,
	values: [id],
});

/** A disabled endpoint that is enabled again begins anew: what failed before counts no more. */
export const updateEndpoint = (
	{ id, url, types, description, status }: NewEndpoint & { readonly status: string },
	now: Instant,
): Statement => ({
	name: 'update-endpoint',
	text: `UPDATE webhook_endpoints SET url = $2, types = $3::text[], description = $4,
			failing_since = CASE WHEN status = $5 THEN failing_since END, status = $5, changed_at = ${at('$6')}
		WHERE id = $1 RETURNING ${SHOWN}`,
	values: [id, url, typesOf(types), description, status, now / 1_000],
});

export const deleteEndpoint = (id: string, now: Instant): Statement => ({
	name: 'delete-endpoint',
	text: `UPDATE webhook_endpoints SET status = 'deleted', changed_at = ${at('$2')} WHERE id = $1`,
	values: [id, now / 1_000],
});

export const deleteSubscriptions = (id: string): Statement => ({
	name: 'delete-subscriptions',
	text: 'DELETE FROM webhook_subscriptions WHERE endpoint_id = $1',
	values: [id],
});

export const deleteSecrets = (id: string): Statement => ({
	name: 'delete-secrets',
	text: 'DELETE FROM webhook_secrets WHERE endpoint_id = $1',
	values: [id],
});

/** The present secret signs for so much longer. */
export const retireSecret = (id: string, overlap: Duration): Statement => ({
	name: 'retire-secret',
	text: `UPDATE webhook_secrets SET expires_at = clock_timestamp() + $2::float8 * interval '1 millisecond'
		WHERE endpoint_id = $1 AND expires_at IS NULL`,
	values: [id, overlap],
});

export const readEndpoint = (id: string): Statement => ({
	name: 'read-endpoint',
	text: `SELECT ${SHOWN} FROM webhook_endpoints WHERE id = $1 AND status <> 'deleted'`,
	values: [id],
});

/** A page, the newest first, below the id `before`. */
export const listEndpoints = (limit: number, before: string | null): Statement => ({
	name: 'list-endpoints',
	text: `SELECT ${SHOWN} FROM webhook_endpoints
		WHERE status <> 'deleted' AND ($2::uuid IS NULL OR id < $2::uuid) ORDER BY id DESC LIMIT $1`,
	values: [limit, before],
});

const DELIVERY = `d.event_id, d.type, d.status, d.attempts, d.response_status, d.error,
	CASE WHEN d.status = 'pending' AND e.status = 'enabled' THEN ${instant('d.next_attempt_at', '').replace(/ AS $/, '')} END AS next_attempt_at`;

/** Deliveries of an endpoint, of the newest events first, below the event `before`. */
export const listDeliveries = (
	id: string,
	{
		status,
		limit,
		before,
	}: { readonly status?: DeliveryStatus; readonly limit: number; readonly before: string | null },
): Statement => ({
	// One plan would not be right for all: what is not delivered has an index of its own.
	name: `list-deliveries-${status ?? 'all'}`,
	text: `SELECT ${DELIVERY} FROM webhook_deliveries d JOIN webhook_endpoints e ON e.id = d.endpoint_id
		WHERE d.endpoint_id = $1 AND ($3::uuid IS NULL OR d.event_id < $3::uuid) ${WHERE_STATUS[status ?? 'all']}
		ORDER BY d.event_id DESC LIMIT $2`,
	values: [id, limit, before],
});

const WHERE_STATUS: Readonly<Record<DeliveryStatus | 'all', string>> = {
	all: '',
	pending: `AND d.status = 'pending' AND d.status <> 'delivered'`,
	delivered: `AND d.status = 'delivered'`,
	failed: `AND d.status = 'failed' AND d.status <> 'delivered'`,
};

/** Lets a delivery begin anew, now; one that is still pending keeps what was tried. */
export const redeliver = (id: string, eventId: string): Statement => ({
	name: 'redeliver',
	text: `UPDATE webhook_deliveries d SET next_attempt_at = clock_timestamp(), finished_at = NULL,
			attempts = CASE WHEN d.status = 'pending' THEN attempts ELSE 0 END, status = 'pending'
		FROM webhook_endpoints e WHERE d.endpoint_id = $1 AND d.event_id = $2 AND e.id = $1 AND e.status <> 'deleted'
		RETURNING ${DELIVERY}`,
	values: [id, eventId],
});
