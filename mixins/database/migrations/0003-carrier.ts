import type { Migration } from './migration.ts';

/** Where PostgreSQL carries the messages: one row for each message and consumer group. */
export const migration: Migration = {
	name: '0003-carrier',
	breaking: false,
	up: `
		CREATE TABLE carrier_messages (
			position bigint GENERATED ALWAYS AS IDENTITY,
			consumer text NOT NULL,
			deliver_at timestamptz NOT NULL,
			attempts integer NOT NULL DEFAULT 0,
			id uuid NOT NULL,
			type text NOT NULL,
			key uuid NOT NULL,
			due_at timestamptz,
			body text NOT NULL
		);
		-- the consumers' claim
		CREATE INDEX carrier_messages_due ON carrier_messages (consumer, deliver_at, position);

		CREATE TABLE dead_letters (
			position bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
			consumer text NOT NULL,
			id uuid NOT NULL,
			type text NOT NULL,
			key uuid NOT NULL,
			due_at timestamptz,
			body text NOT NULL,
			attempts integer NOT NULL,
			error text NOT NULL,
			failed_at timestamptz NOT NULL DEFAULT statement_timestamp()
		);`,
	down: 'DROP TABLE dead_letters, carrier_messages;',
};
