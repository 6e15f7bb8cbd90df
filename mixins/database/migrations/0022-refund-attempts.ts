import type { Migration } from './migration.ts';

/** What was tried for a refund whose outcome is not known, and since when it is not: as of a payment. */
export const migration: Migration = {
	name: '0022-refund-attempts',
	breaking: false,
	up: `
		ALTER TABLE refunds
			-- the attempts as JSON; null if there are none
			ADD COLUMN tried text,
			ADD COLUMN undecided_since timestamptz;`,
	down: 'ALTER TABLE refunds DROP COLUMN undecided_since, DROP COLUMN tried;',
};
