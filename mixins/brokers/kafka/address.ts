import type { SASLOptions } from 'kafkajs';

/** Where the brokers are and how to log in, as kafkajs takes it. */
export interface Address {
	readonly brokers: string[];
	readonly ssl: boolean;
	readonly sasl?: SASLOptions;
}

const DEFAULT_PORT = 9092;
const FORM = 'kafka://host:port[,host:port] or kafkas://user:password@host:port[,host:port]';
const MECHANISMS = ['plain', 'scram-sha-256', 'scram-sha-512'] as const;

/**
 * Reads `kafka://host:port[,host:port]` (plain) or `kafkas://user:password@…` (TLS and SASL, `?mechanism=` plain,
 * scram-sha-256 or scram-sha-512, plain unless given). Throws one sentence that never holds the URL itself.
 */
export function parseAddress(url: string): Address {
	const match = /^(kafkas?):\/\/(?:([^@/?]*)@)?([^@/?]+)\/?(?:\?(.*))?$/.exec(url);
	if (match === null) throw new Error(`not a Kafka address, expected ${FORM}`);
	const [, scheme = '', login, hosts = '', query = ''] = match;
	const brokers = hosts.split(',').map(toBroker);
	const mechanism = mechanismOf(new URLSearchParams(query), login !== undefined);
	if (login === undefined) return { brokers, ssl: scheme === 'kafkas' };
	if (scheme !== 'kafkas') throw new Error('a password would go over the wire unencrypted: use kafkas://');
	const [username = '', password = ''] = login.split(':', 2).map(decode);
	if (username === '' || password === '') throw new Error(`user and password belong together, expected ${FORM}`);
	return { brokers, ssl: true, sasl: { mechanism, username, password } };
}

function toBroker(text: string): string {
	const match = /^(\[[\da-fA-F:.]+\]|[^:[\]\s]+)(?::(\d{1,5}))?$/.exec(text);
	const port = Number(match?.[2] ?? DEFAULT_PORT);
	if (match === null || port < 1 || port > 65_535) throw new Error(`not a Kafka host and port, expected ${FORM}`);
	return `${match[1]}:${port}`;
}

function mechanismOf(query: URLSearchParams, withLogin: boolean): (typeof MECHANISMS)[number] {
	for (const name of query.keys())
		if (name !== 'mechanism' || !withLogin)
			throw new Error('a Kafka address knows no option but mechanism, for a login');
	const asked = query.get('mechanism') ?? 'plain';
	const mechanism = MECHANISMS.find((name) => name === asked);
	if (mechanism === undefined) throw new Error(`the mechanism of a Kafka login is one of ${MECHANISMS.join(', ')}`);
	return mechanism;
}

function decode(text: string): string {
	try {
		return decodeURIComponent(text);
	} catch {
		throw new Error('user and password of a Kafka address are to be percent-encoded');
	}
}
