import type { Migration } from './migration.ts';

/** An order that has ended may still have something to end at the provider. */
export const migration: Migration = {
	name: '0024-left-behind',
	breaking: false,
	up: `
		ALTER TABLE orders
			DROP CONSTRAINT orders_check,
			ADD CONSTRAINT orders_check CHECK (
				status IN ('Cancelled', 'Shipped', 'PaymentFailed') OR sweep_at IS NOT NULL) NOT VALID;`,
	down: `
		UPDATE orders SET sweep_at = NULL WHERE sweep_at IS NOT NULL AND status IN ('Cancelled', 'PaymentFailed');
		ALTER TABLE orders
			DROP CONSTRAINT orders_check,
			ADD CONSTRAINT orders_check CHECK (
				CASE WHEN status IN ('Cancelled', 'PaymentFailed') THEN sweep_at IS NULL
				ELSE status = 'Shipped' OR sweep_at IS NOT NULL END) NOT VALID;`,
};
