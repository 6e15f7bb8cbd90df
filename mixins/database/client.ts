/** The one way to a connection: what is in the address and the session, and nothing of the process's environment. */
import pg from 'pg';
import { type Duration, SECOND } from '../../domain/time.ts';
import type { DatabaseAddress } from '../settings/index.ts';
import type { Session } from './session.ts';
import { dropped, SessionRefused } from './trouble.ts';

/** How long a connection may take to be made, or to be had from a pool. */
export const CONNECT: Duration = 5 * SECOND;
/** How long the server may take to close a connection that we end; a dead line never does. */
const FAREWELL: Duration = SECOND;
/** How long the first question of a session may take. */
const FIRST_ANSWER: Duration = 3 * SECOND;

/**
 * Each value that `pg` would look for in the environment is given, so that it does not: `PGHOST` to `PGPASSWORD`,
 * `PGOPTIONS`, `PGSSLMODE`, the password file. `pipeline` also has `pg` end a connection that leaves it without an answer.
 */
export function clientConfig(address: DatabaseAddress, { application, settings, answer }: Session): pg.ClientConfig {
	const { host, port, user, database, password = '', tls, tlsFirst = false, channelBinding = false } = address;
	const own = new Set(Object.keys(settings).map((name) => name.toLowerCase()));
	const asked = Object.entries(address.settings ?? {}).filter(([name]) => !own.has(name));
	return {
		host,
		port,
		user,
		database,
		password: () => password, // a function, so that it stands in no error and no dump; an empty one is none
		ssl: tls === undefined ? false : { ...tls },
		sslnegotiation: tlsFirst ? 'direct' : 'postgres',
		enableChannelBinding: channelBinding,
		application_name: application,
		client_encoding: 'UTF8',
		options: [...asked, ...Object.entries(settings)].map(toOption).join(' '),
		...{ replication: 'false' }, // not among its types
		connectionTimeoutMillis: CONNECT,
		query_timeout: answer,
		keepAlive: true,
		keepAliveInitialDelayMillis: 5 * SECOND,
		pipeline: true,
	};
}

const toOption = ([name, value]: readonly [string, string]): string => `-c ${name}=${value.replace(/[\s\\]/g, '\\$&')}`;

/** A `pg.Client` whose errors end no process, and whose end has one. */
export class DatabaseClient extends pg.Client {
	/** when the server last answered, by the process's timer */
	heardAt = performance.now();

	constructor(config?: string | pg.ClientConfig) {
		super(config);
		this.connection.on('readyForQuery', () => {
			this.heardAt = performance.now();
		});
		this.on('error', () => {}); // from the start; users of the connection get the error from their queries
	}

	/** Closes the connection at once, whatever state the server is in. */
	destroy(): void {
		this.connection.stream.destroy();
	}

	override end(): Promise<void>;
	override end(callback: (error: Error) => void): void;
	override end(callback?: (error: Error) => void): Promise<void> | undefined {
		const farewell = setTimeout(() => this.destroy(), FAREWELL).unref();
		this.once('end', () => clearTimeout(farewell));
		if (callback === undefined) return super.end();
		super.end(callback);
		return undefined;
	}
}

/** Opens a session that was found to be as it was asked for. The caller ends it. */
export async function openClient(
	address: DatabaseAddress,
	session: Session,
	more: pg.ClientConfig = {},
): Promise<DatabaseClient> {
	const client = new DatabaseClient({ ...clientConfig(address, session), ...more });
	try {
		await client.connect();
		await verify(client, session);
		return client;
	} catch (error) {
		client.destroy();
		throw error;
	}
}

/** The server shows none of these where the connection is no TCP connection. */
const NOT_SHOWN = /^tcp_/;
/** From PostgreSQL 17 on, and then not ours to set as the session is opened: before, the server would refuse it. */
const NO_LIMIT = `CASE WHEN current_setting('transaction_timeout', true) <> '0' THEN set_config('transaction_timeout', '0', false) END`;

/**
 * Rejects unless the session has its settings, writes UTF-8, and may write. What stands in between may have dropped or
 * changed them without a word.
 */
export async function verify(client: pg.ClientBase, { settings }: Session): Promise<void> {
	const names = Object.keys(settings).filter((name) => !NOT_SHOWN.test(name));
	const { rows } = await client.query<{ name: string | null; value: string }>({
		text: `SELECT name, current_setting(name, true) AS value FROM unnest($1::text[]) AS name
			UNION ALL SELECT NULL, concat_ws(' ', current_setting('transaction_read_only'), current_setting('server_encoding'), ${NO_LIMIT})`,
		values: [names],
		...{ query_timeout: FIRST_ANSWER },
	});
	for (const { name, value } of rows) {
		if (name !== null && value !== settings[name]) throw dropped(name, value);
		if (name !== null) continue;
		const [readOnly, encoding] = value.split(' ');
		if (encoding !== 'UTF8') throw new SessionRefused(`the database's encoding is ${encoding}; it has to be UTF8`);
		if (readOnly === 'on') throw new SessionRefused('the database is read-only');
	}
}
