import type { Migration } from './migration.ts';

/**
 * For logical replication: every table has a replica identity, and nothing depends on the values of a sequence, because
 * a copy's sequences start again. See docs/decisions/0020-look-ups.md.
 */
export const migration: Migration = {
	name: '0009-any-sequence',
	breaking: false,
	before: [
		'DROP INDEX CONCURRENTLY IF EXISTS outbox_messages_waiting',
		'CREATE INDEX CONCURRENTLY outbox_messages_waiting ON outbox_messages (position) WHERE sent_at IS NULL',
	],
	up: `
		DROP INDEX outbox_messages_unsent;
		ALTER INDEX outbox_messages_waiting RENAME TO outbox_messages_unsent;

		-- costs nothing as long as wal_level is not logical; a primary key would cost two index entries for each message
		ALTER TABLE outbox_messages REPLICA IDENTITY FULL;
		ALTER TABLE carrier_messages REPLICA IDENTITY FULL;

		ALTER TABLE dead_letters DROP CONSTRAINT dead_letters_pkey,
			ADD COLUMN letter uuid NOT NULL DEFAULT gen_random_uuid(),
			ADD PRIMARY KEY (failed_at, letter);`,
	down: `
		ALTER TABLE dead_letters DROP CONSTRAINT dead_letters_pkey, DROP COLUMN letter, ADD PRIMARY KEY (position);
		ALTER TABLE carrier_messages REPLICA IDENTITY DEFAULT;
		ALTER TABLE outbox_messages REPLICA IDENTITY DEFAULT;
		DROP INDEX outbox_messages_unsent;
		CREATE UNIQUE INDEX outbox_messages_unsent ON outbox_messages (position) WHERE sent_at IS NULL;`,
};
