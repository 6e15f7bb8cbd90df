import type { Migration } from './migration.ts';

/** What tells this system from others that use the same broker. Its one row is made by who first asks for it. */
export const migration: Migration = {
	name: '0006-installation',
	up: `
		CREATE TABLE installation (
			only_one boolean PRIMARY KEY DEFAULT true CHECK (only_one),
			id uuid NOT NULL DEFAULT gen_random_uuid()
		);`,
	down: 'DROP TABLE installation;',
};
