import type { Migration } from './migration.ts';

/** When the last scheduled reconciliation began: of several processes one does it. */
export const migration: Migration = {
	name: '0018-reconciliation',
	breaking: false,
	up: `
		CREATE TABLE reconciliation (
			only_one boolean PRIMARY KEY DEFAULT true CHECK (only_one),
			began_at timestamptz NOT NULL
		);
		INSERT INTO reconciliation (began_at) VALUES ('-infinity');`,
	down: 'DROP TABLE reconciliation;',
};
