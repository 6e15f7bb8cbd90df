import type { Migration } from './migration.ts';

/** The dead letters of every broker: each message once for a group, and some have no order's id for a key. */
export const migration: Migration = {
	name: '0012-dead-letters',
	breaking: false,
	up: `
		CREATE UNIQUE INDEX dead_letters_once ON dead_letters (letter);
		ALTER TABLE dead_letters ALTER key DROP NOT NULL;`,
	down: `
		UPDATE dead_letters SET key = id WHERE key IS NULL;
		ALTER TABLE dead_letters ALTER key SET NOT NULL;
		DROP INDEX dead_letters_once;`,
};
