import type { Migration } from './migration.ts';

/**
 * Finds the few payments that are undecided among many. One that goes straight on is never in it, so its updates make no
 * index entries.
 */
export const migration: Migration = {
	name: '0016-undecided',
	breaking: false,
	before: [
		'DROP INDEX CONCURRENTLY IF EXISTS payments_undecided',
		'CREATE INDEX CONCURRENTLY payments_undecided ON payments (undecided_since) WHERE undecided_since IS NOT NULL',
	],
	up: '',
	down: 'DROP INDEX payments_undecided;',
};
