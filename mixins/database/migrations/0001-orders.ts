import type { Migration } from './migration.ts';

/**
 * No foreign keys: the unit of work writes an order, its payment and its messages in one transaction, and the checks
 * per row would cost a tenth of the accepted orders. See docs/decisions/0004-no-foreign-keys.md.
 */
export const migration: Migration = {
	name: '0001-orders',
	breaking: false,
	up: `
		CREATE TABLE orders (
			id uuid PRIMARY KEY,
			owner text NOT NULL,
			product_name text NOT NULL,
			amount bigint NOT NULL CHECK (amount > 0),
			currency text NOT NULL CHECK (length(currency) = 3),
			payment_method text NOT NULL,
			cancellation_window integer NOT NULL CHECK (cancellation_window > 0),
			status text NOT NULL CHECK (status IN
				('Pending', 'OnHold', 'CancelRequested', 'Cancelled', 'Confirmed', 'Shipped', 'PaymentFailed')),
			created_at timestamptz NOT NULL,
			pending_until timestamptz NOT NULL,
			held_at timestamptz,
			hold_expires_at timestamptz,
			confirmed_at timestamptz,
			cancelled_at timestamptz,
			shipped_at timestamptz,
			failed_at timestamptz,
			failure_reason text,
			sequence integer NOT NULL CHECK (sequence > 0),
			sweep_at timestamptz,
			sweeps integer NOT NULL DEFAULT 0,
			CHECK ((sweep_at IS NULL) = (status IN ('Cancelled', 'Shipped', 'PaymentFailed')))
		);
		-- the sweeper's claim; finished orders are not in it
		CREATE INDEX orders_sweep ON orders (sweep_at) WHERE sweep_at IS NOT NULL;
		-- GET /orders?status=, for the ends that are few among many shipped orders; unfinished ones are in orders_sweep
		CREATE INDEX orders_rare_ends ON orders (status, id) WHERE status IN ('Cancelled', 'PaymentFailed');

		CREATE TABLE payments (
			order_id uuid PRIMARY KEY,
			status text NOT NULL CHECK (status IN
				('Requested', 'Authorized', 'Declined', 'Captured', 'Voided', 'Failed', 'Unknown')),
			operation text CHECK (operation IN ('authorize', 'capture', 'void')),
			key_used_at timestamptz,
			attempt_until timestamptz,
			attempts integer,
			reference text,
			CHECK (status <> 'Unknown' OR operation IS NOT NULL),
			CHECK (num_nulls(operation, key_used_at, attempt_until, attempts) IN (0, 4))
		);

		CREATE TABLE shipments (
			order_id uuid PRIMARY KEY,
			attempt_until timestamptz NOT NULL,
			attempts integer NOT NULL
		);`,
	down: 'DROP TABLE shipments, payments, orders;',
};
