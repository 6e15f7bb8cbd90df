/** One version of the database: SQL that leads there, and SQL that leads back. Each runs in one transaction. */
export interface Migration {
	readonly name: string;
	readonly up: string;
	readonly down: string;
}
