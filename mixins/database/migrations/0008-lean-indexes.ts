import type { Migration } from './migration.ts';

/**
 * Fewer index entries for each order. An update that changes no indexed column, on a page with room, makes no index
 * entries (PostgreSQL manual, "Heap-Only Tuples"). So pages keep room, and no index contains an order's status.
 */
export const migration: Migration = {
	name: '0008-lean-indexes',
	breaking: false,
	up: `
		ALTER TABLE orders SET (fillfactor = 60);
		ALTER TABLE payments SET (fillfactor = 50);

		-- GET /orders?status=, for the ends that are few among many shipped orders; unfinished ones are in orders_sweep
		DROP INDEX orders_rare_ends;
		CREATE INDEX orders_cancelled ON orders (id) WHERE cancelled_at IS NOT NULL;
		CREATE INDEX orders_failed ON orders (id) WHERE failed_at IS NOT NULL;

		-- what differs most stands first: one comparison tells two keys apart
		ALTER TABLE idempotency_keys DROP CONSTRAINT idempotency_keys_pkey, ADD PRIMARY KEY (key, caller);
		ALTER TABLE inbox_messages DROP CONSTRAINT inbox_messages_pkey, ADD PRIMARY KEY (message_id, consumer);

		-- the relay's claim, and all that it does with a row until it is sent; sent rows are in no index but the purge's
		ALTER TABLE outbox_messages DROP CONSTRAINT outbox_messages_pkey;
		DROP INDEX outbox_messages_unsent;
		CREATE UNIQUE INDEX outbox_messages_unsent ON outbox_messages (position) WHERE sent_at IS NULL;
		-- the purge; rows are sent nearly in the order of time
		CREATE INDEX outbox_messages_sent ON outbox_messages USING brin (sent_at) WITH (autosummarize = on);`,
	down: `
		DROP INDEX outbox_messages_sent, outbox_messages_unsent;
		CREATE INDEX outbox_messages_unsent ON outbox_messages (available_at, position) WHERE sent_at IS NULL;
		ALTER TABLE outbox_messages ADD PRIMARY KEY (position);
		ALTER TABLE inbox_messages DROP CONSTRAINT inbox_messages_pkey, ADD PRIMARY KEY (consumer, message_id);
		ALTER TABLE idempotency_keys DROP CONSTRAINT idempotency_keys_pkey, ADD PRIMARY KEY (caller, key);
		DROP INDEX orders_failed, orders_cancelled;
		CREATE INDEX orders_rare_ends ON orders (status, id) WHERE status IN ('Cancelled', 'PaymentFailed');
		ALTER TABLE payments RESET (fillfactor);
		ALTER TABLE orders RESET (fillfactor);`,
};
