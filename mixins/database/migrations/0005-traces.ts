import type { Migration } from './migration.ts';

/** The trace (W3C Trace Context) of the request that placed an order: later steps without one of their own belong to it. */
export const migration: Migration = {
	name: '0005-traces',
	breaking: false,
	up: 'ALTER TABLE orders ADD COLUMN traceparent text;',
	down: 'ALTER TABLE orders DROP COLUMN traceparent;',
};
