import type { Migration } from './migration.ts';

/** Money that is given back; each row with the call for it, while that is open. */
export const migration: Migration = {
	name: '0015-refunds',
	breaking: false,
	up: `
		CREATE TABLE refunds (
			id uuid PRIMARY KEY,
			order_id uuid NOT NULL,
			amount_minor bigint NOT NULL CHECK (amount_minor > 0),
			status text NOT NULL CHECK (status IN ('Requested', 'Unknown', 'Succeeded', 'Failed')),
			reason text,
			created_at timestamptz NOT NULL,
			settled_at timestamptz,
			failure_reason text,
			reference text,
			key_used_at timestamptz,
			attempt_until timestamptz,
			attempts integer,
			remembered_at timestamptz,
			request_version integer,
			CHECK (status <> 'Unknown' OR key_used_at IS NOT NULL),
			CHECK (num_nulls(key_used_at, attempt_until, attempts, request_version) IN (0, 4))
		);
		CREATE INDEX refunds_order ON refunds (order_id, id);`,
	down: 'DROP TABLE refunds;',
};
