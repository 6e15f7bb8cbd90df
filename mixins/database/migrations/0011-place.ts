import type { Migration } from './migration.ts';

/** Where the database stood when the installation got its name: a copy elsewhere gets another. Null: the name stays. */
export const migration: Migration = {
	name: '0011-place',
	breaking: false,
	up: 'ALTER TABLE installation ADD COLUMN place text;',
	down: 'ALTER TABLE installation DROP COLUMN place;',
};
