import type { Migration } from './migration.ts';

/** The journals of the stand-ins for the payment provider and the parcel service. Only these write them. */
export const migration: Migration = {
	name: '0004-sandbox',
	breaking: false,
	up: `
		CREATE TABLE sandbox_operations (
			idempotency_key text PRIMARY KEY,
			order_id uuid NOT NULL,
			operation text NOT NULL CHECK (operation IN ('authorize', 'capture', 'void', 'refund')),
			amount bigint NOT NULL CHECK (amount > 0),
			outcome text NOT NULL CHECK (outcome IN ('succeeded', 'declined', 'refused')),
			created_at timestamptz NOT NULL DEFAULT clock_timestamp()
		);
		-- what has become of an order's money so far
		CREATE INDEX sandbox_operations_order ON sandbox_operations (order_id);

		CREATE TABLE sandbox_parcels (
			idempotency_key text PRIMARY KEY,
			order_id uuid NOT NULL,
			parcel text NOT NULL,
			created_at timestamptz NOT NULL DEFAULT clock_timestamp()
		);`,
	down: 'DROP TABLE sandbox_parcels, sandbox_operations;',
};
