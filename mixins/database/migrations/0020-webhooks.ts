import type { Migration } from './migration.ts';

/** Endpoints of shops that are told of events. New tables only. */
export const migration: Migration = {
	name: '0020-webhooks',
	breaking: false,
	up: `
		CREATE TABLE webhook_endpoints (
			id uuid PRIMARY KEY,
			url text NOT NULL,
			description text,
			-- null: all
			types text[],
			status text NOT NULL CHECK (status IN ('enabled', 'disabled', 'deleted')),
			created_at timestamptz NOT NULL,
			changed_at timestamptz NOT NULL,
			-- the first attempt that failed since the last success
			failing_since timestamptz,
			-- the moment of the wake-up that is under way
			armed_for timestamptz
		);

		-- which events an endpoint is told of: those of these types that were raised in this time
		CREATE TABLE webhook_subscriptions (
			endpoint_id uuid NOT NULL,
			since timestamptz NOT NULL,
			until timestamptz,
			types text[],
			PRIMARY KEY (endpoint_id, since)
		);

		CREATE TABLE webhook_secrets (
			id uuid PRIMARY KEY,
			endpoint_id uuid NOT NULL,
			secret text NOT NULL,
			-- null: the present one
			expires_at timestamptz
		);
		CREATE INDEX webhook_secrets_endpoint ON webhook_secrets (endpoint_id);

		-- no foreign keys: a deleted endpoint may have millions, which go in parts
		CREATE TABLE webhook_deliveries (
			endpoint_id uuid NOT NULL,
			event_id uuid NOT NULL,
			order_id uuid NOT NULL,
			sequence integer NOT NULL,
			type text NOT NULL,
			status text NOT NULL DEFAULT 'pending' CHECK (status IN ('pending', 'delivered', 'failed')),
			attempts integer NOT NULL DEFAULT 0,
			next_attempt_at timestamptz NOT NULL,
			-- an attempt is under way until then; counted, so that each knows whether it is still the one
			attempt_until timestamptz,
			claims integer NOT NULL DEFAULT 0,
			response_status integer,
			error text,
			finished_at timestamptz,
			PRIMARY KEY (endpoint_id, event_id)
		) WITH (fillfactor = 80);
		-- the claim
		CREATE INDEX webhook_deliveries_due ON webhook_deliveries (endpoint_id, next_attempt_at) WHERE status = 'pending';
		-- lists of what is not delivered
		CREATE INDEX webhook_deliveries_open ON webhook_deliveries (endpoint_id, status, event_id) WHERE status <> 'delivered';
		-- the purge
		CREATE INDEX webhook_deliveries_age ON webhook_deliveries USING brin (finished_at) WITH (autosummarize = on);

		-- one row: up to when events were looked through for those that the broker has lost
		CREATE TABLE webhook_looks (
			one boolean PRIMARY KEY DEFAULT true CHECK (one),
			through timestamptz NOT NULL
		);`,
	down: 'DROP TABLE webhook_looks, webhook_deliveries, webhook_secrets, webhook_subscriptions, webhook_endpoints;',
};
