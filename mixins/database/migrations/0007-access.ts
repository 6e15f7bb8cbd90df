import type { Migration } from './migration.ts';

/** What a customer sees, and how often a client has asked. */
export const migration: Migration = {
	name: '0007-access',
	breaking: false,
	up: `
		-- GET /orders of a customer. Who calls without a token sees all orders, so those are never looked for by owner.
		CREATE INDEX orders_owner ON orders (owner, id) WHERE owner <> 'anonymous';

		-- how much of its RATE_LIMIT each client has used; nothing is lost with it but that
		CREATE UNLOGGED TABLE rate_limits (
			client text PRIMARY KEY,
			-- when nothing of the limit will be used any more, in milliseconds since 1970
			free_at float8 NOT NULL,
			-- how many requests the last statement let pass
			granted integer NOT NULL
		) WITH (fillfactor = 50);`,
	down: 'DROP TABLE rate_limits; DROP INDEX orders_owner;',
};
