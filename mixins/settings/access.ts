/** Who is let in (`AUTH…`), how often (`RATE_LIMIT`), and which proxies are trusted (`TRUST_PROXY`). */
import { Buffer } from 'node:buffer';
import { isIP } from 'node:net';
import { MINUTE, SECOND } from '../../domain/time.ts';
import {
	type Environment,
	get,
	HIDDEN,
	isLoopback,
	type ReadFile,
	readDuration,
	readSecret,
	refused,
	SettingsError,
	show,
} from './reading.ts';

/** What proves that a token is genuine: one of a set of public keys, or a secret that is shared with its issuer. */
export type TokenKeys =
	| { readonly kind: 'jwks'; readonly url: string }
	/** never log it */
	| { readonly kind: 'secret'; readonly secret: string };

/** Which tokens are good (RFC 7519). */
export interface TokenRules {
	readonly keys: TokenKeys;
	/** `AUTH_ISSUER`: the only `iss` that is accepted; any, or none, where it is not set. */
	readonly issuer: string | undefined;
	/** `AUTH_AUDIENCE`: what has to stand in `aud`; anything, or nothing, where it is not set. */
	readonly audience: string | undefined;
	/** `AUTH_ALGORITHMS`: the signatures that are accepted (RFC 7518, section 3.1); never `none`. */
	readonly algorithms: readonly string[];
	/** `AUTH_CLOCK_TOLERANCE` in ms: how far the issuer's clock and ours may be apart. */
	readonly clockTolerance: number;
}

/** `AUTH`: `off` lets everybody do everything who reaches the gateway at `HOST`. */
export type Auth = { readonly kind: 'off'; readonly host: string } | ({ readonly kind: 'jwt' } & TokenRules);

/** `RATE_LIMIT`: so many requests in so many ms. */
export interface RateLimit {
	readonly requests: number;
	readonly per: number;
}

/** A range of addresses in CIDR notation (RFC 4632; RFC 4291, section 2.3). */
export interface Subnet {
	readonly address: string;
	readonly prefix: number;
	readonly family: 'ipv4' | 'ipv6';
}

export interface Access {
	readonly auth: Auth;
	/** undefined: no limit */
	readonly rateLimit: RateLimit | undefined;
	/** whose `Forwarded`, `X-Forwarded-For` and `X-Forwarded-Prefix` are believed */
	readonly trustProxy: readonly Subnet[];
}

/** A key has at least as many bytes as the hash of its algorithm (RFC 7518, section 3.2). */
const SHORTEST_SECRET: Readonly<Record<string, number>> = { HS256: 32, HS384: 48, HS512: 64 };

const ALGORITHMS = {
	secret: { known: ['HS256', 'HS384', 'HS512'], usual: ['HS256'] },
	jwks: {
		known: ['RS256', 'RS384', 'RS512', 'PS256', 'PS384', 'PS512', 'ES256', 'ES384', 'ES512', 'EdDSA', 'Ed25519'],
		usual: ['RS256', 'PS256', 'ES256', 'EdDSA', 'Ed25519'],
	},
} as const;

const JWKS_URL = 'a URL https://… without user and password, http://… only to this machine';
const SECRET = 'at least 32 bytes for HS256, 48 for HS384, 64 for HS512';
const MOST_REQUESTS = 1_000_000;

const AUTH_DETAILS = [
	...['AUTH_JWKS_URL', 'AUTH_JWT_SECRET', 'AUTH_JWT_SECRET_FILE', 'AUTH_ISSUER', 'AUTH_AUDIENCE'],
	...['AUTH_ALGORITHMS', 'AUTH_CLOCK_TOLERANCE'],
];

interface Place {
	readonly host: string;
	/** the gateway runs in this process; without it there is nothing to guard, and nothing has to be set */
	readonly isDoor: boolean;
}

/**
 * Throws a `SettingsError` if anything is missing or does not fit, so that no mistake opens the gateway.
 */
export function readAccess(env: Environment, place: Place, readFile: ReadFile): Access {
	return {
		auth: readAuth(env, place, readFile),
		rateLimit: readRateLimit(env, place),
		trustProxy: readSubnets(env),
	};
}

function readAuth(env: Environment, { host, isDoor }: Place, readFile: ReadFile): Auth {
	const value = get(env, 'AUTH');
	if (value !== undefined && value !== 'off' && value !== 'jwt') throw refused('AUTH', show(value), 'off, jwt');
	const rules = readRules(env, readFile);
	if (value === 'off' || !isDoor) return { kind: 'off', host };
	if (value === undefined && isLoopback(host)) {
		const given = AUTH_DETAILS.find((name) => get(env, name) !== undefined);
		if (given === undefined) return { kind: 'off', host };
		throw new SettingsError(
			`${given}=${display(env, given)} is set, but on a loopback HOST tokens are checked only if asked for; ` +
				'accepted: with it AUTH=jwt, or AUTH=off spelt out',
		);
	}
	if (rules !== undefined) return { kind: 'jwt', ...rules };
	const needed = 'AUTH_JWKS_URL or AUTH_JWT_SECRET';
	if (value === 'jwt') throw new SettingsError(`AUTH="jwt" lacks the keys of tokens; accepted: with it ${needed}`);
	throw new SettingsError(
		`HOST=${show(host)} is not loopback, where AUTH is jwt unless set, and that lacks the keys of tokens; ` +
			`accepted: with it ${needed}, AUTH=off spelt out, or a loopback HOST`,
	);
}

/** What the variables say, whether or not tokens are checked; undefined without keys. */
function readRules(env: Environment, readFile: ReadFile): TokenRules | undefined {
	const issuer = get(env, 'AUTH_ISSUER');
	const audience = get(env, 'AUTH_AUDIENCE');
	const clockTolerance = readDuration(env, 'AUTH_CLOCK_TOLERANCE', '30s', { min: 0, max: 5 * MINUTE });
	const keys = readKeys(env, readFile);
	const algorithms = readAlgorithms(env, keys?.kind);
	if (keys === undefined) return undefined;
	if (keys.kind === 'secret') requireLength(env, keys.secret, algorithms);
	return { keys, issuer, audience, algorithms, clockTolerance };
}

function readKeys(env: Environment, readFile: ReadFile): TokenKeys | undefined {
	const url = get(env, 'AUTH_JWKS_URL');
	const secret = readSecret(env, 'AUTH_JWT_SECRET', { parse: (text) => text || undefined, accepted: SECRET }, readFile);
	if (url !== undefined && !isJwksUrl(url)) throw refused('AUTH_JWKS_URL', show(url), JWKS_URL);
	if (url !== undefined && secret !== undefined) {
		throw new SettingsError(`AUTH_JWKS_URL=${show(url)} and a secret are both set; accepted: one of them`);
	}
	if (url !== undefined) return { kind: 'jwks', url };
	return secret === undefined ? undefined : { kind: 'secret', secret };
}

/** Anybody who can change this answer can make tokens, so the URL must use TLS or lead to this machine. */
function isJwksUrl(text: string): boolean {
	const url = /^https?:\/\/\S+$/.test(text) ? URL.parse(text) : null;
	if (url === null || url.username !== '' || url.password !== '' || url.hash !== '') return false;
	return url.protocol === 'https:' || isLoopback(url.hostname.replace(/^\[|\]$/g, ''));
}

function readAlgorithms(env: Environment, kind: TokenKeys['kind'] | undefined): readonly string[] {
	const value = get(env, 'AUTH_ALGORITHMS');
	const known: readonly string[] =
		kind === undefined ? [...ALGORITHMS.jwks.known, ...ALGORITHMS.secret.known] : ALGORITHMS[kind].known;
	if (value === undefined) return kind === undefined ? [] : [...ALGORITHMS[kind].usual];
	const algorithms = value.split(',').map((part) => part.trim());
	if (new Set(algorithms).size === algorithms.length && algorithms.every((name) => known.includes(name))) {
		return algorithms;
	}
	const where = kind === undefined ? '' : kind === 'jwks' ? ' with AUTH_JWKS_URL' : ' with AUTH_JWT_SECRET';
	throw refused('AUTH_ALGORITHMS', show(value), `a comma list, each at most once, of ${known.join(', ')}${where}`);
}

function requireLength(env: Environment, secret: string, algorithms: readonly string[]): void {
	const least = Math.max(...algorithms.map((name) => SHORTEST_SECRET[name] ?? Number.POSITIVE_INFINITY));
	if (Buffer.byteLength(secret) >= least) return;
	const path = get(env, 'AUTH_JWT_SECRET_FILE');
	const [name, shown] =
		path === undefined ? ['AUTH_JWT_SECRET', HIDDEN] : ['AUTH_JWT_SECRET_FILE', `${show(path)} with content ${HIDDEN}`];
	throw new SettingsError(`${name}=${shown} is too short; accepted: ${SECRET}`);
}

const display = (env: Environment, name: string): string =>
	name === 'AUTH_JWT_SECRET' ? HIDDEN : show(get(env, name) ?? '');

function readRateLimit(env: Environment, { host, isDoor }: Place): RateLimit | undefined {
	const value = get(env, 'RATE_LIMIT') ?? (isDoor && !isLoopback(host) ? '100/s' : 'off');
	if (value === 'off') return undefined;
	const { count, unit } = /^(?<count>[1-9]\d{0,6})\/(?<unit>[sm])$/.exec(value)?.groups ?? {};
	if (count === undefined || Number(count) > MOST_REQUESTS) {
		throw refused('RATE_LIMIT', show(value), `off, or 1 to ${MOST_REQUESTS} requests, written like 100/s or 3000/m`);
	}
	return { requests: Number(count), per: unit === 's' ? SECOND : MINUTE };
}

function readSubnets(env: Environment): readonly Subnet[] {
	const value = get(env, 'TRUST_PROXY');
	if (value === undefined) return [];
	const subnets = value.split(',').map((part) => parseSubnet(part.trim()));
	const known = subnets.filter((subnet) => subnet !== undefined);
	if (known.length === subnets.length) return known;
	throw refused('TRUST_PROXY', show(value), 'a comma list of addresses and CIDR ranges, such as 10.0.0.0/8,fd00::/8');
}

/** No zones, and no IPv4 addresses written as IPv6: connections never have such addresses. */
function parseSubnet(text: string): Subnet | undefined {
	const [, address = '', digits] = /^([\da-f:.]+)(?:\/(0|[1-9]\d{0,2}))?$/i.exec(text) ?? [];
	const family = isIP(address);
	if (family === 0 || (family === 6 && address.includes('.'))) return undefined;
	const longest = family === 4 ? 32 : 128;
	const prefix = digits === undefined ? longest : Number(digits);
	if (prefix > longest) return undefined;
	return { address, prefix, family: family === 4 ? 'ipv4' : 'ipv6' };
}
