import pg from 'pg';

/** Frees what a process held that vanished without a word; see the PostgreSQL manual, "Client Connection Defaults". */
const VANISHED = {
	idle_in_transaction_session_timeout: '30s',
	lock_timeout: '5s',
	statement_timeout: '30s',
	client_connection_check_interval: '2s',
	tcp_keepalives_idle: '5',
	tcp_keepalives_interval: '2',
	tcp_keepalives_count: '3',
};

/**
 * Each statement of the hot path has one right plan, through an index. A table that was empty at the last ANALYZE
 * would tempt the planner to read all of it.
 */
const ONE_PLAN = {
	enable_seqscan: 'off',
	enable_hashjoin: 'off',
	enable_mergejoin: 'off',
	jit: 'off',
	plan_cache_mode: 'force_generic_plan',
};

const COMMON = { timezone: 'UTC', synchronous_commit: 'on' };

const toOptions = (settings: Record<string, string>): string =>
	Object.entries(settings)
		.map(([name, value]) => `-c ${name}=${value}`)
		.join(' ');

/** Start-up options of the sessions that run the hand-written statements. */
export const HOT_SESSION = toOptions({ ...COMMON, ...VANISHED, ...ONE_PLAN });

/** Start-up options of the sessions that read for people. */
export const READ_SESSION = toOptions({ ...COMMON, ...VANISHED });

const { builtins } = pg.types;

/** A timestamptz as the server writes it (ISO style, UTC) in whole milliseconds since 1970. */
export function parseInstant(text: string): number {
	return Date.parse(`${text.slice(0, 10)}T${text.slice(11).replace(/\+00$/, 'Z')}`);
}

/** Times as milliseconds, bigints as `bigint`, JSON as text; everything else as `pg` has it. */
export const parseTypes: pg.CustomTypesConfig = {
	getTypeParser: ((oid: number, format?: 'text' | 'binary') => {
		if (oid === builtins.TIMESTAMPTZ) return parseInstant;
		if (oid === builtins.INT8) return BigInt;
		if (oid === builtins.JSON) return String;
		return pg.types.getTypeParser(oid, format);
	}) as typeof pg.types.getTypeParser,
};
