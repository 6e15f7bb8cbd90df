import type { Migration } from './migration.ts';

/**
 * What a provider's answers need: a buyer who must act, the key of the present attempt, an error that is remembered under
 * it, the amount that is held and until when. An order that has ended may have a refund under way.
 */
export const migration: Migration = {
	name: '0013-payments',
	breaking: { reason: 'it lets payments into states that a program without it cannot read' },
	up: `
		ALTER TABLE payments
			ADD COLUMN key_number integer,
			ADD COLUMN remembered_at timestamptz,
			ADD COLUMN request_version integer,
			ADD COLUMN authorized_minor bigint,
			ADD COLUMN capture_before timestamptz,
			-- what the buyer has to do, as JSON; a secret of the buyer's is in it
			ADD COLUMN action text,
			ADD COLUMN refunded_minor bigint NOT NULL DEFAULT 0,
			DROP CONSTRAINT payments_status_check,
			ADD CONSTRAINT payments_status_check CHECK (status IN
				('Requested', 'ActionRequired', 'Authorized', 'Declined', 'Captured', 'PartiallyRefunded', 'Refunded',
				'Voided', 'Failed', 'Unknown')) NOT VALID;
		ALTER TABLE orders
			DROP CONSTRAINT orders_check,
			ADD CONSTRAINT orders_check CHECK (
				CASE WHEN status IN ('Cancelled', 'PaymentFailed') THEN sweep_at IS NULL
				ELSE status = 'Shipped' OR sweep_at IS NOT NULL END) NOT VALID;`,
	down: `
		ALTER TABLE orders
			DROP CONSTRAINT orders_check,
			ADD CONSTRAINT orders_check CHECK (
				(sweep_at IS NULL) = (status IN ('Cancelled', 'Shipped', 'PaymentFailed'))) NOT VALID;
		ALTER TABLE payments
			DROP CONSTRAINT payments_status_check,
			ADD CONSTRAINT payments_status_check CHECK (status IN
				('Requested', 'Authorized', 'Declined', 'Captured', 'Voided', 'Failed', 'Unknown')) NOT VALID,
			DROP COLUMN refunded_minor,
			DROP COLUMN action,
			DROP COLUMN capture_before,
			DROP COLUMN authorized_minor,
			DROP COLUMN request_version,
			DROP COLUMN remembered_at,
			DROP COLUMN key_number;`,
};
