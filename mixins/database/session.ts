import pg from 'pg';
import { type Duration, SECOND } from '../../domain/time.ts';

type ServerSettings = Readonly<Record<string, string>>;

/** What a connection is for: what it is called, what it asks of the server, and how long an answer may take. */
export interface Session {
	readonly application: string;
	/** told when the session is opened, so they count more than what the server, the database or the role has */
	readonly settings: ServerSettings;
	/** a connection that leaves us without an answer for longer is dead */
	readonly answer: Duration;
}

/** Longer than the server's own limits below. If this limit is reached, the connection is dead. */
const ANSWER: Duration = 7 * SECOND;

/**
 * How values are written and read, and what a commit promises. The same for all sessions, whatever the settings of the
 * server and the role are.
 */
const COMMON = {
	client_encoding: 'UTF8',
	standard_conforming_strings: 'on',
	TimeZone: 'UTC',
	DateStyle: 'ISO, MDY',
	IntervalStyle: 'postgres',
	extra_float_digits: '1',
	bytea_output: 'hex',
	array_nulls: 'on',
	default_transaction_isolation: 'read committed',
	default_transaction_deferrable: 'off',
	synchronous_commit: 'on',
	idle_session_timeout: '0',
};

/**
 * Lets the server notice a process that vanished silently, and free its locks; see the PostgreSQL manual, "Client
 * Connection Defaults".
 */
const VANISHED = {
	idle_in_transaction_session_timeout: '30s',
	lock_timeout: '5s',
	statement_timeout: '6s',
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

/** Sessions that run the hand-written statements. */
export const HOT: Session = {
	application: 'protected-payment',
	settings: { ...COMMON, ...VANISHED, ...ONE_PLAN },
	answer: ANSWER,
};

/** Sessions for reads that people ask for. */
export const READING: Session = {
	application: 'protected-payment-reads',
	settings: { ...COMMON, ...VANISHED },
	answer: ANSWER,
};

/** A session that migrates: statements may take long, locks are waited for briefly. */
export const MIGRATING: Session = {
	application: 'protected-payment-migrations',
	settings: { ...COMMON, ...VANISHED, lock_timeout: '1s', statement_timeout: '0' },
	answer: ANSWER,
};

/**
 * A session that holds a lock as long as the process lives. If the process vanishes silently, the server notices soon.
 */
export const holding = (application: string): Session => ({
	application,
	settings: { ...COMMON, ...VANISHED, statement_timeout: '4s', lock_timeout: '4s' },
	answer: 5 * SECOND,
});

const { builtins } = pg.types;

/** A timestamptz as the server writes it (ISO style, UTC) in whole milliseconds since 1970. */
function parseInstant(text: string): number {
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
