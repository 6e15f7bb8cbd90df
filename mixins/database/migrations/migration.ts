/** One version of the database: SQL that leads there, and SQL that leads back. Each runs in one transaction. */
export interface Migration {
	readonly name: string;
	/** statements before `up` that no transaction may hold; each may find what it, or a later one, has done already */
	readonly before?: readonly string[];
	readonly up: string;
	readonly down: string;
}
