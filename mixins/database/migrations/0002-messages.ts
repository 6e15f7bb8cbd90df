import type { Migration } from './migration.ts';

export const migration: Migration = {
	name: '0002-messages',
	breaking: false,
	up: `
		-- the history: every event once, for ever; outbox rows point here
		CREATE TABLE order_events (
			order_id uuid NOT NULL,
			sequence integer NOT NULL CHECK (sequence > 0),
			id uuid NOT NULL,
			type text NOT NULL,
			occurred_at timestamptz NOT NULL,
			data json NOT NULL,
			traceparent text,
			PRIMARY KEY (order_id, sequence)
		);
		-- outbox.replay
		CREATE INDEX order_events_age ON order_events USING brin (occurred_at) WITH (autosummarize = on);

		CREATE TABLE outbox_messages (
			position bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
			message_id uuid NOT NULL,
			type text NOT NULL,
			order_id uuid NOT NULL,
			sequence integer,
			deliver_at timestamptz,
			available_at timestamptz NOT NULL DEFAULT statement_timestamp(),
			attempts integer NOT NULL DEFAULT 0,
			last_error text,
			sent_at timestamptz,
			-- an event is found in order_events by its sequence, a wake-up has a moment instead
			CHECK (num_nulls(sequence, deliver_at) = 1)
		);
		-- the relay's claim; sent rows are not in it
		CREATE INDEX outbox_messages_unsent ON outbox_messages (available_at, position) WHERE sent_at IS NULL;

		CREATE TABLE inbox_messages (
			consumer text NOT NULL,
			message_id uuid NOT NULL,
			order_id uuid NOT NULL,
			handled_at timestamptz NOT NULL DEFAULT statement_timestamp(),
			PRIMARY KEY (consumer, message_id)
		);
		-- the purge; rows come in the order of time
		CREATE INDEX inbox_messages_age ON inbox_messages USING brin (handled_at) WITH (autosummarize = on);

		CREATE TABLE idempotency_keys (
			caller text NOT NULL,
			key text NOT NULL,
			fingerprint text NOT NULL,
			order_id uuid NOT NULL,
			answer text NOT NULL,
			created_at timestamptz NOT NULL,
			PRIMARY KEY (caller, key)
		);
		CREATE INDEX idempotency_keys_age ON idempotency_keys USING brin (created_at) WITH (autosummarize = on);`,
	down: 'DROP TABLE idempotency_keys, inbox_messages, outbox_messages, order_events;',
};
