import type { Migration } from './migration.ts';

/** How often an order has been paused; what was paused before is not counted. */
export const migration: Migration = {
	name: '0010-pauses',
	breaking: false,
	up: 'ALTER TABLE orders ADD COLUMN pauses integer NOT NULL DEFAULT 0;',
	down: 'ALTER TABLE orders DROP COLUMN pauses;',
};
