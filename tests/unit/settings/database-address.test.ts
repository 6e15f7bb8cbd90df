/** `DATABASE_URL` in all its forms: one address, or one line that says what cannot be taken. */
import { userInfo } from 'node:os';
import { describe, expect, it } from '@jest/globals';
import { clientConfig } from '../../../mixins/database/client.ts';
import { HOT } from '../../../mixins/database/session.ts';
import { reasonOf } from '../../../mixins/database/trouble.ts';
import { type DatabaseAddress, parseDatabaseUrl } from '../../../mixins/settings/database-address.ts';

const SECRET = 'p@ss/w%r:d#1? +';
const encoded = encodeURIComponent(SECRET);

function readFile(path: string): string {
	if (path === '/ca.pem') return 'PEM';
	throw Object.assign(new Error(path), { code: 'ENOENT' });
}

const parse = (url: string): DatabaseAddress => parseDatabaseUrl(url, readFile);
const refusal = (url: string): string => {
	try {
		parse(url);
	} catch (error) {
		return (error as Error).message;
	}
	throw new Error(`taken: ${url}`);
};

const PLAIN = { host: 'h', port: 5432, user: 'u', database: 'd' };

describe('a URL is read as', () => {
	it.each<[string, Partial<DatabaseAddress>]>([
		['postgres://u@h/d', PLAIN],
		['postgresql://u@h:1/d', { ...PLAIN, port: 1 }],
		['postgres://u@[::1]:6543/d', { ...PLAIN, host: '::1', port: 6543 }],
		['postgres://u@%2Frun%2Fpg:6543/d', { ...PLAIN, host: '/run/pg', port: 6543 }],
		['postgresql:///d?host=/run/pg&port=1&user=u', { ...PLAIN, host: '/run/pg', port: 1 }],
		['postgresql://u:x@/d?host=/run/pg', { ...PLAIN, host: '/run/pg', password: 'x' }],
		['postgresql://u@other:7/d?host=h&port=1', { ...PLAIN, port: 1 }],
		[`postgres://a%40b:${encoded}@h/d`, { ...PLAIN, user: 'a@b', password: SECRET }],
		[`postgres://h/d?user=u&password=${encoded}`, { ...PLAIN, password: SECRET }],
		['postgres://h/d', { ...PLAIN, user: userInfo().username }],
		['postgres://u@h', { ...PLAIN, database: 'u' }],
		['postgres://u@h/', { ...PLAIN, database: 'u' }],
		['postgres://u@h/a%2Fb', { ...PLAIN, database: 'a/b' }],
		['postgres://u@h/a+b', { ...PLAIN, database: 'a+b' }],
		['postgres://u@h/k%C3%A4se', { ...PLAIN, database: 'käse' }],
		['postgres://u@h/x?dbname=d', PLAIN],
		['postgres://u@h/d?sslmode=disable', PLAIN],
		['postgres://u@h/d?ssl=false', PLAIN],
		['postgres://u@h/d?connect_timeout=5&keepalives=1&application_name=x&target_session_attrs=read-write', PLAIN],
		['postgres://u@h/d?client_encoding=UTF8', PLAIN],
		['postgres://u@h/d?sslmode=require', { ...PLAIN, tls: {} }],
		['postgres://u@h/d?sslmode=verify-full&sslrootcert=/ca.pem', { ...PLAIN, tls: { ca: 'PEM' } }],
		['postgres://u@h/d?sslmode=no-verify', { ...PLAIN, tls: { rejectUnauthorized: false } }],
		['postgres://u@h/d?sslmode=verify-full&sslnegotiation=direct', { ...PLAIN, tls: {}, tlsFirst: true }],
		['postgres://u@%2Frun/d?sslmode=verify-full', { ...PLAIN, host: '/run' }],
		['postgres://u@h/d?options=-c%20search_path%3Dshop', { ...PLAIN, settings: { search_path: 'shop' } }],
		[
			'postgres://u@h/d?options=-c+search_path%3Da%5C%20b%20--work-mem%3D1MB',
			{ ...PLAIN, settings: { search_path: 'a b', work_mem: '1MB' } },
		],
	])('%s', (url, expected) => expect(parse(url)).toEqual(expected));
});

describe('a URL is refused with a reason, and never a part of its secret', () => {
	it.each<[string, RegExp]>([
		['mysql://h/d', /^$/],
		['postgres://u:s3%cret@h/d', /the password has a % that begins no escape/],
		['postgres://u:s3cret#x@h/d', /^$/],
		['postgres://u:s3cret?x@h/d', /host and port|port has to be|an @ stands behind/],
		['postgres://u:s3/cret@h/d', /the port has to be a number/],
		['postgres://u:s3cret@h1,h2/d', /several hosts/],
		['postgres://u:s3cret@h1:1,h2:2/d', /several hosts/],
		['postgres://u:s3cret@h/d?host=h1,h2', /several hosts/],
		['postgres://u:s3cret@h:0/d', /port/],
		['postgres:///d', /no host is named/],
		['postgres://u:s3cret@h/d?schema=public', /the parameter schema is not known/],
		['postgres://u:s3cret@h/d?statement_timeout=0', /the parameter statement_timeout is not known/],
		['postgres://u:s3cret@h/d?port=1&port=2', /stands twice/],
		['postgres://u:s3cret@h/d?sslmode=rubbish', /sslmode has to be disable,/],
		['postgres://u:s3cret@h/d?sslmode=verify-full&sslrootcert=/no.pem', /sslrootcert names cannot be read \(ENOENT\)/],
		['postgres://u:s3cret@h/d?target_session_attrs=standby', /target_session_attrs/],
		['postgres://u:s3cret@h/d?client_encoding=latin1', /client_encoding/],
		['postgres://u:s3cret@h/d?options=endpoint%3Dx', /options has to be of the form -c name=value/],
		['postgres://u:s3cret@h/d?sslnegotiation=direct&sslmode=disable', /sslnegotiation=direct needs TLS/],
	])('%s', (url, reason) => {
		const message = refusal(url);
		expect(message).toMatch(reason);
		expect(message).not.toMatch(/s3|cret/);
	});
});

it('what the URL asks of a session stands before what the program asks, and what the program asks stands once', () => {
	const url = 'postgres://u@h/d?options=-c%20timezone%3DAsia/Tokyo%20-c%20search_path%3Dshop';
	const { options = '' } = clientConfig(parse(url), HOT);
	expect(options).toMatch(/^-c search_path=shop -c /);
	expect(options).toContain('-c TimeZone=UTC');
	expect(options).not.toContain('Tokyo');
});

it('a password stands in no connection that is printed', () => {
	expect(JSON.stringify(clientConfig(parse('postgres://u:s3cret@h/d'), HOT))).not.toContain('s3cret');
});

describe('the reason of a failure', () => {
	const failed = (code: string, message = 'said'): Error => Object.assign(new Error(message), { code });

	it.each<[unknown, string]>([
		[failed('ECONNREFUSED', 'connect ECONNREFUSED 10.0.0.1:5432'), 'the database cannot be reached'],
		[new AggregateError([failed('ECONNREFUSED')], ''), 'the database cannot be used'],
		[failed('ENOTFOUND'), 'the database cannot be reached'],
		[failed('28P01'), 'the database refuses the login'],
		[failed('3D000'), 'there is no such database'],
		[failed('53300'), 'the database has no room left'],
		[failed('25006'), 'the database is read-only'],
		[failed('42501', 'permission denied for table x'), 'the database refuses a right: permission denied for table x'],
		[failed('DEPTH_ZERO_SELF_SIGNED_CERT'), 'the TLS connection to the database fails'],
		[failed('ERR_TLS_CERT_ALTNAME_INVALID'), 'the TLS connection to the database fails'],
		[new Error('The server does not support SSL connections'), 'the TLS connection to the database fails'],
		[new Error('timeout expired'), 'the database does not answer'],
		[new Error('Query read timeout'), 'the database does not answer'],
		[new Error('Connection terminated unexpectedly'), 'no PostgreSQL answers there'],
		[failed('08P01', 'unsupported startup parameter: options'), 'a connection pooler stands in between'],
	])('%p: %s', (error, kind) => {
		const reason = reasonOf(error);
		expect(reason.kind).toBe(kind);
		expect(reason.line).toContain(error instanceof AggregateError ? 'said' : (error as Error).message);
	});
});
