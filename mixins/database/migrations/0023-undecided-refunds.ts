import type { Migration } from './migration.ts';

/**
 * Finds the few refunds that are undecided, or have failed, among many. Those of the release before this one get their moment first.
 */
export const migration: Migration = {
	name: '0023-undecided-refunds',
	breaking: false,
	before: [
		`UPDATE refunds SET undecided_since = coalesce(key_used_at, created_at)
			WHERE status = 'Unknown' AND undecided_since IS NULL`,
		'DROP INDEX CONCURRENTLY IF EXISTS refunds_undecided',
		'CREATE INDEX CONCURRENTLY refunds_undecided ON refunds (undecided_since) WHERE undecided_since IS NOT NULL',
		'DROP INDEX CONCURRENTLY IF EXISTS refunds_failed',
		`CREATE INDEX CONCURRENTLY refunds_failed ON refunds (settled_at) WHERE status = 'Failed'`,
	],
	up: '',
	down: 'DROP INDEX refunds_failed, refunds_undecided;',
};
