/** What an error of the database is about (the statement, the session or the server), and how it is reported. */
import pg from 'pg';
import type { Duration } from '../../domain/time.ts';
import { errorMessage } from '../runtime/index.ts';

/** The database cannot be used now; what was tried may be tried again later. */
export class DatabaseUnavailable extends Error {
	override readonly name = 'DatabaseUnavailable';
	/** as an action's error: HTTP's 503 */
	readonly code = 503;
	readonly type = 'Service.Unavailable';
}

/** A session that is unusable for every statement. The message is one line for the operator. */
export class SessionRefused extends Error {
	override readonly name = 'SessionRefused';
}

/** deadlock, lock time-out, serialisation failure: the transaction is repeated as a whole */
const REPEATABLE = new Set(['40P01', '55P03', '40001']);
const UNIQUE_VIOLATION = '23505';

/**
 * SQLSTATE classes and codes that speak of the connection, the server or the operator's part, not of the statement
 * (PostgreSQL, appendix A): no connection, no login, no right, no resources, a shutdown, a crash, a time-out, a server
 * that only reads, a session that was meddled with.
 */
const UNAVAILABLE = /^(08...|28...|3D000|40003|42501|53...|57P0.|58...|25P0[34]|57014)$/;
const READ_ONLY = '25006';
/** prepared statements that are gone, or there already: another client uses the session too, such as a pooler's */
const MEDDLED = new Set(['26000', '42P05']);
/** a table has changed under a prepared statement */
const STALE_PLAN = /^cached plan must not change result type/;
const SILENCE = 'Query read timeout';

const codeOf = (error: unknown): string =>
	typeof error === 'object' && error !== null && 'code' in error && typeof error.code === 'string' ? error.code : '';

const isServerError = (error: unknown): error is pg.DatabaseError => error instanceof pg.DatabaseError;

/** `unique` names a constraint whose violation says that the transaction looked too early. */
export function isRepeatable(error: unknown, unique?: string): boolean {
	if (!isServerError(error)) return false;
	const { code = '', constraint } = error;
	return REPEATABLE.has(code) || (code === UNIQUE_VIOLATION && constraint !== undefined && constraint === unique);
}

/** True if the session must be closed: the error is not about the statement. */
export function speaksOfSession(error: unknown): boolean {
	if (!isServerError(error)) return false;
	const { code = '', message } = error;
	return UNAVAILABLE.test(code) || code === READ_ONLY || MEDDLED.has(code) || STALE_PLAN.test(message);
}

/**
 * Sessions that were last heard of before this moment (by the process's timer) have the same fault as the one that got
 * the error: the server only reads, or the connection has been dead since the query was sent, `answer` ago.
 */
export function sessionsToo(error: unknown, answer: Duration): number {
	if (codeOf(error) === READ_ONLY) return Number.POSITIVE_INFINITY;
	return errorMessage(error) === SILENCE ? performance.now() - answer : Number.NEGATIVE_INFINITY;
}

/** True where the server has no room for another session. */
export const speaksOfRoom = (error: unknown): boolean => codeOf(error) === '53300';

/** True for a transient error: the database was away, or the transaction lost a conflict too often. */
export const isTransient = (error: unknown): boolean =>
	error instanceof DatabaseUnavailable || isRepeatable(error) || speaksOfSession(error);

/** True for failures of the connection itself, which are no answer of the server. */
export const isNoAnswer = (error: unknown): boolean => !isServerError(error);

export const unavailable = (error: unknown): DatabaseUnavailable =>
	error instanceof DatabaseUnavailable ? error : new DatabaseUnavailable(errorMessage(error), { cause: error });

/** Why the database cannot be used. */
export interface Reason {
	/** for everybody: no host, no user, nothing of the server's own words but a missing right */
	readonly kind: string;
	/** for the operator, one line; the words of the server or the network are in it, never a secret */
	readonly line: string;
	/** it does not pass by itself within seconds */
	readonly lasts: boolean;
}

type Kind = readonly [pattern: RegExp, kind: string, lasts?: boolean];

const CERTIFICATE = /^(ERR_TLS_|ERR_SSL_|CERT_|UNABLE_TO_|SELF_SIGNED|DEPTH_ZERO|HOSTNAME_MISMATCH|INVALID_CA)/;
/** By the error's code. */
const CODES: readonly Kind[] = [
	[/^28...$/, 'the database refuses the login', true],
	[/^3D000$/, 'there is no such database', true],
	[/^42501$/, 'the database refuses a right', true],
	[/^53...$/, 'the database has no room left', true],
	[/^25006$/, 'the database is read-only', true],
	[/^57P0[1-5]$/, 'the database is starting or stopping'],
	[CERTIFICATE, 'the TLS connection to the database fails', true],
	[/^E[A-Z_]+$/, 'the database cannot be reached'],
];
/** By the message, where there is no code. */
const MESSAGES: readonly Kind[] = [
	[/SSL|TLS/, 'the TLS connection to the database fails', true],
	[/SASL|password/i, 'the database refuses the login', true],
	[/time-?out/i, 'the database does not answer'],
	[/^(Connection terminated|Client )/, 'no PostgreSQL answers there'],
];

const POOLER =
	'a connection pooler such as PgBouncer stands in between; DATABASE_URL has to lead to PostgreSQL directly';

/** The reason behind any error from a use of the database. */
export function reasonOf(error: unknown): Reason {
	const cause = error instanceof Error && error.cause instanceof Error ? reasonOf(error.cause) : undefined;
	if (cause !== undefined && cause.kind !== UNKNOWN) return cause;
	const said = errorMessage(error).replace(/\s*\n\s*/g, ' ');
	if (error instanceof SessionRefused) return { kind: said, line: said, lasts: true };
	const code = codeOf(error);
	if (/startup parameter|command-line options/.test(said))
		return { kind: 'a connection pooler stands in between', line: `${said}: ${POOLER}`, lasts: true };
	const found = code === '' ? MESSAGES.find(([test]) => test.test(said)) : CODES.find(([test]) => test.test(code));
	if (found === undefined) return { kind: UNKNOWN, line: `${UNKNOWN}: ${said}`, lasts: isServerError(error) };
	const [, kind, lasts = false] = found;
	return { kind: code === '42501' ? `${kind}: ${said}` : kind, line: `${kind}: ${said}`, lasts };
}

const UNKNOWN = 'the database cannot be used';

/** What a session lacks that was opened with these settings. */
export const dropped = (name: string, value: string): SessionRefused =>
	new SessionRefused(`the sessions have not the settings that they were opened with (${name} is ${value}): ${POOLER}`);
