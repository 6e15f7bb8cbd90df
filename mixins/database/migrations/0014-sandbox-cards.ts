import type { Migration } from './migration.ts';

/**
 * What the sandbox remembers beside what it did: an authorisation that waits for the buyer (`waits`) with the page where
 * the buyer answers and how that ended, a hold that lapses early (`lapses`), an error that a key answers with (`error`). An
 * ordinary card has no row. The currency is null where the release before this one wrote the row.
 */
export const migration: Migration = {
	name: '0014-sandbox-cards',
	breaking: false,
	up: `
		ALTER TABLE sandbox_operations ADD COLUMN currency text;

		CREATE TABLE sandbox_memory (
			idempotency_key text PRIMARY KEY,
			order_id uuid NOT NULL,
			operation text NOT NULL CHECK (operation IN ('authorize', 'capture', 'void')),
			kind text NOT NULL CHECK (kind IN ('waits', 'lapses', 'error')),
			amount bigint NOT NULL,
			currency text NOT NULL,
			page uuid UNIQUE,
			ended_as text CHECK (ended_as IN ('succeeded', 'failed', 'cancelled')),
			created_at timestamptz NOT NULL DEFAULT clock_timestamp()
		);
		CREATE INDEX sandbox_memory_order ON sandbox_memory (order_id);`,
	down: `
		DROP TABLE sandbox_memory;
		ALTER TABLE sandbox_operations DROP COLUMN currency;`,
};
