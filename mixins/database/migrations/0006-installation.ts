import type { Migration } from './migration.ts';

/** What distinguishes this system from others on the same broker. The first process that asks makes the one row. */
export const migration: Migration = {
	name: '0006-installation',
	breaking: false,
	up: `
		CREATE TABLE installation (
			only_one boolean PRIMARY KEY DEFAULT true CHECK (only_one),
			id uuid NOT NULL DEFAULT gen_random_uuid()
		);`,
	down: 'DROP TABLE installation;',
};
