import type { Migration } from './migration.ts';

/** The consumer groups that an operator has paused. Every process reads it every two seconds. */
export const migration: Migration = {
	name: '0019-paused-consumers',
	breaking: false,
	up: `
		CREATE TABLE paused_consumers (
			consumer text PRIMARY KEY,
			paused_at timestamptz NOT NULL DEFAULT clock_timestamp(),
			paused_by text NOT NULL
		);`,
	down: 'DROP TABLE paused_consumers;',
};
