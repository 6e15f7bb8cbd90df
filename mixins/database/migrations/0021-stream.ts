import type { Migration } from './migration.ts';

/** Finds the newest events. Entries come in ascending order, and those of one transaction share one. */
export const migration: Migration = {
	name: '0021-stream',
	breaking: false,
	before: [
		'DROP INDEX CONCURRENTLY IF EXISTS order_events_xact',
		'CREATE INDEX CONCURRENTLY order_events_xact ON order_events (xact) WHERE xact IS NOT NULL',
	],
	up: '',
	down: 'DROP INDEX order_events_xact;',
};
