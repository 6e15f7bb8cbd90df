import type { Migration } from './migration.ts';

/** What was tried for an operation whose outcome is not known, and since when it is not: for people. */
export const migration: Migration = {
	name: '0016-attempts',
	breaking: false,
	up: `
		ALTER TABLE payments
			-- the attempts as JSON; null if there are none
			ADD COLUMN tried text,
			ADD COLUMN undecided_since timestamptz;`,
	down: 'ALTER TABLE payments DROP COLUMN undecided_since, DROP COLUMN tried;',
};
