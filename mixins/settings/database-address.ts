/** `DATABASE_URL`, read once and for everybody: where the database is, and what the URL asks of its sessions. */
import { userInfo } from 'node:os';
import type { ConnectionOptions } from 'node:tls';
import { NotUnderstood, type ReadFile } from './reading.ts';

/** Where the database is, and who comes. Nothing else decides it: no `PG*` variable, no password file. */
export interface DatabaseAddress {
	/** a name, an IP address, or the folder of a Unix socket */
	readonly host: string;
	readonly port: number;
	readonly user: string;
	readonly database: string;
	/** a secret: never log it */
	readonly password?: string;
	/** none: plain text */
	readonly tls?: ConnectionOptions;
	/** TLS from the first byte, without PostgreSQL's own question before it */
	readonly tlsFirst?: boolean;
	/** binds the login to the TLS connection, where the server offers it */
	readonly channelBinding?: boolean;
	/** server settings that the URL's `options` ask for; the program's own settings come after them and win */
	readonly settings?: Readonly<Record<string, string>>;
}

const FORM = /^postgres(?:ql)?:\/\/(?<authority>[^/?#]*)(?<path>\/[^?#]*)?(?:\?(?<query>[^#]*))?$/;
const ESCAPES = 'write / ? # @ : % and blanks in it as %2F %3F %23 %40 %3A %25 %20';
const DEFAULT_PORT = 5432;

/** Of these the program has its own, which count: how long to connect, when a silent line is dead, what a session is called. */
const OURS = ['application_name', 'fallback_application_name', 'connect_timeout', 'tcp_user_timeout'];
const KEEPALIVES = ['keepalives', 'keepalives_idle', 'keepalives_interval', 'keepalives_count'];

/** What each parameter may say, where that is no more than a few words. */
const WORDS: Readonly<Record<string, readonly string[]>> = {
	ssl: ['true', 'false', '1', '0', 'no-verify'],
	sslmode: ['disable', 'prefer', 'require', 'verify-ca', 'verify-full', 'no-verify'],
	uselibpqcompat: ['true', 'false'],
	sslnegotiation: ['postgres', 'direct'],
	channel_binding: ['disable', 'prefer', 'require'],
	gssencmode: ['disable', 'prefer'],
	client_encoding: ['utf8', 'utf-8', 'auto'],
	// each session is asked whether it can write
	target_session_attrs: ['any', 'read-write', 'primary'],
};
const TEXTS = ['user', 'password', 'host', 'port', 'dbname', 'database', 'options'];
const FILES = ['sslrootcert', 'sslcert', 'sslkey'];
const KNOWN = new Set([...OURS, ...KEEPALIVES, ...Object.keys(WORDS), ...TEXTS, ...FILES]);

type Parameters = Readonly<Record<string, string | undefined>>;

/** Throws a `NotUnderstood` that says in a few words what cannot be taken, and never shows a part of the URL's secrets. */
export function parseDatabaseUrl(text: string, readFile: ReadFile): DatabaseAddress {
	const match = FORM.exec(text)?.groups;
	if (match === undefined || /\s/.test(text)) throw new NotUnderstood();
	const { authority = '', path = '', query = '' } = match;
	if (query.includes('@')) throw new NotUnderstood(`an @ stands behind the ?: in user and password ${ESCAPES}`);
	const at = authority.lastIndexOf('@');
	const login = at < 0 ? '' : authority.slice(0, at);
	const colon = login.indexOf(':');
	const place = placeOf(authority.slice(at + 1));
	const asked = parametersOf(query);
	const { host, port } = { ...place, ...placeIn(asked) };
	if (host === '') throw new NotUnderstood('no host is named');
	const isSocket = host.startsWith('/');
	const user = asked.user ?? (decode(colon < 0 ? login : login.slice(0, colon), 'the user') || userInfo().username);
	const password = asked.password ?? (colon < 0 ? '' : decode(login.slice(colon + 1), 'the password'));
	const tls = isSocket ? undefined : tlsOf(asked, readFile); // as PostgreSQL's own tools have it
	const tlsFirst = asked.sslnegotiation === 'direct' && !isSocket;
	if (tlsFirst && tls === undefined) throw new NotUnderstood('sslnegotiation=direct needs TLS');
	return {
		host,
		port,
		user,
		database: asked.dbname ?? asked.database ?? (decode(path.slice(1), 'the name of the database') || user),
		...(password === '' ? {} : { password }),
		...(tls === undefined ? {} : { tls }),
		...(tlsFirst ? { tlsFirst } : {}),
		...(['prefer', 'require'].includes(asked.channel_binding ?? '') ? { channelBinding: true } : {}),
		...(asked.options === undefined ? {} : { settings: settingsOf(asked.options) }),
	};
}

function parametersOf(query: string): Parameters {
	const found: Record<string, string> = {};
	for (const pair of query.split('&').filter((part) => part !== '')) {
		const equals = pair.indexOf('=');
		const name = pair.slice(0, equals < 0 ? pair.length : equals);
		if (!KNOWN.has(name)) {
			const shown = /^[a-z_]{1,40}$/i.test(name) ? `the parameter ${name}` : 'a parameter';
			throw new NotUnderstood(`${shown} is not known`);
		}
		const value = equals < 0 ? '' : decode(pair.slice(equals + 1).replaceAll('+', ' '), `the parameter ${name}`);
		const words = WORDS[name];
		if (words !== undefined && !words.includes(value.toLowerCase()))
			throw new NotUnderstood(`${name} has to be ${words.join(', ')}`);
		if (found[name] !== undefined) throw new NotUnderstood(`the parameter ${name} stands twice`);
		found[name] = words === undefined ? value : value.toLowerCase();
	}
	return found;
}

const SEVERAL = 'several hosts are not supported: name one that leads to the primary';

interface Place {
	readonly host: string;
	readonly port: number;
}

function placeOf(authority: string): Place {
	if (authority.includes(',')) throw new NotUnderstood(SEVERAL);
	const form = /^(?:\[(?<bracketed>[0-9a-f:.%]+)\]|(?<plain>[^:[\]]*))(?::(?<port>\d*))?$/i;
	const { bracketed, plain = '', port } = form.exec(authority)?.groups ?? { port: 'none' };
	return { host: bracketed ?? decode(plain, 'the host'), port: portOf(port || DEFAULT_PORT) };
}

/** What the parameters say of it counts more. */
function placeIn({ host, port }: Parameters): Partial<Place> {
	if (host?.includes(',') || port?.includes(',')) throw new NotUnderstood(SEVERAL);
	return { ...(host === undefined ? {} : { host }), ...(port === undefined ? {} : { port: portOf(port) }) };
}

function portOf(text: string | number): number {
	const port = Number(text);
	if (Number.isInteger(port) && port > 0 && port <= 65_535) return port;
	throw new NotUnderstood(`the port has to be a number from 1 to 65535; in user and password ${ESCAPES}`);
}

function decode(text: string, what: string): string {
	let decoded: string;
	try {
		decoded = decodeURIComponent(text);
	} catch {
		throw new NotUnderstood(`${what} has a % that begins no escape: ${ESCAPES}`);
	}
	if (decoded.includes('\0')) throw new NotUnderstood(`${what} holds a zero byte`);
	return decoded;
}

/**
 * As `pg` has it: prefer, require and verify-ca are verify-full, unless `uselibpqcompat=true` asks for the weaker
 * meaning that they have for PostgreSQL's own tools.
 */
function tlsOf(asked: Parameters, readFile: ReadFile): ConnectionOptions | undefined {
	const { ssl, sslmode, sslrootcert } = asked;
	if (sslmode === 'disable' || (sslmode === undefined && (ssl === 'false' || ssl === '0'))) return undefined;
	const isAsked = FILES.some((name) => asked[name] !== undefined) || asked.sslnegotiation === 'direct';
	if (sslmode === undefined && ssl === undefined && !isAsked) return undefined;
	const read = (name: string): string | undefined => {
		const path = asked[name];
		return path === undefined ? undefined : readPem(name, path, readFile);
	};
	const ca = sslrootcert === 'system' ? undefined : read('sslrootcert');
	const [cert, key] = [read('sslcert'), read('sslkey')];
	const files = {
		...(ca === undefined ? {} : { ca }),
		...(cert === undefined ? {} : { cert }),
		...(key === undefined ? {} : { key }),
	};
	const unverified = { ...files, rejectUnauthorized: false };
	const anyName: ConnectionOptions = { ...files, checkServerIdentity: () => undefined };
	if (sslmode === 'no-verify' || (sslmode === undefined && ssl === 'no-verify')) return unverified;
	if (asked.uselibpqcompat === 'true') {
		if (sslmode === 'verify-ca' && ca === undefined) throw new NotUnderstood('sslmode=verify-ca needs sslrootcert');
		if (sslmode === 'verify-ca' || (sslmode === 'require' && ca !== undefined)) return anyName;
		if (sslmode === 'prefer' || sslmode === 'require') return unverified;
	}
	return files;
}

function readPem(name: string, path: string, readFile: ReadFile): string {
	try {
		return readFile(path);
	} catch (error) {
		const { code = 'no reason' } = error as NodeJS.ErrnoException;
		throw new NotUnderstood(`the file that ${name} names cannot be read (${code})`);
	}
}

/** The `-c name=value` and `--name=value` of `options`, a blank in a value behind a backslash, as PostgreSQL reads them. */
function settingsOf(options: string): Record<string, string> {
	const words = options.match(/(?:\\.|[^\s\\])+/gs)?.map((word) => word.replace(/\\(.)/gs, '$1')) ?? [];
	const settings: Record<string, string> = {};
	for (let index = 0; index < words.length; index += 1) {
		const word = words[index] ?? '';
		const setting = word === '-c' ? words[++index] : /^(?:-c|--)(.+)$/s.exec(word)?.[1];
		const [, name, value] = /^([a-z_][\w.-]*)=(.*)$/is.exec(setting ?? '') ?? [];
		if (name === undefined || value === undefined)
			throw new NotUnderstood('options has to be of the form -c name=value');
		settings[name.replaceAll('-', '_').toLowerCase()] = value;
	}
	return settings;
}
