import type { Migration } from './migration.ts';

/**
 * Each event's transaction, for reading events in the order of commits. The default is set after the column was added:
 * so existing rows stay as they are, without a rewrite, and have none. See docs/decisions/0031-stream.md.
 */
export const migration: Migration = {
	name: '0021-commit-order',
	breaking: false,
	up: `
		ALTER TABLE order_events ADD COLUMN xact xid8;
		ALTER TABLE order_events ALTER COLUMN xact SET DEFAULT pg_current_xact_id();`,
	down: 'ALTER TABLE order_events DROP COLUMN xact;',
};
