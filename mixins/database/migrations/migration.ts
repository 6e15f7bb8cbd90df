/** One version of the database: SQL that leads there, and SQL that leads back. Each runs in one transaction. */
export interface Migration {
	readonly name: string;
	/** whether the programs of the release before, which do not know it, can work beside it (docs/operations.md) */
	readonly breaking: false | Break;
	/**
	 * Statements before `up` that no transaction may hold: indexes on tables that can be large. They may run again after a
	 * crash in the midst of them, so each may find what it, or a later one, has done already. An index that was not
	 * finished stays and is invalid: `DROP INDEX CONCURRENTLY IF EXISTS` comes before each `CREATE INDEX CONCURRENTLY`.
	 */
	readonly before?: readonly string[];
	readonly up: string;
	readonly down: string;
}

/** What a migration takes from programs that do not know it. */
export interface Break {
	/** what they could not do any more, for the operator; ends the sentence "…, because" */
	readonly reason: string;
	/**
	 * The name of a migration of an earlier release. Programs that know that one are not broken: they do not use any more
	 * what this one takes away.
	 */
	readonly spares?: string;
}
