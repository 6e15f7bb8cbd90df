import { describe, expect, it } from '@jest/globals';
import { parseSettings, type Settings, SettingsError } from '../../../mixins/settings/settings.ts';

type Env = Readonly<Record<string, string>>;

const FILES: Readonly<Record<string, string>> = { '/run/jwt': `${'k'.repeat(32)}\n`, '/run/short': 'too short\n' };

const parse = (env: Env): Settings => parseSettings(env, (path) => FILES[path] ?? '');

function failure(env: Env): SettingsError {
	try {
		parse(env);
	} catch (error) {
		if (error instanceof SettingsError) return error;
		throw error;
	}
	throw new Error(`accepted: ${JSON.stringify(env)}`);
}

describe('who may come in', () => {
	const secret = 'k'.repeat(32);
	const keys = { kind: 'secret', secret } as const;
	const rules = { keys, issuer: undefined, audience: undefined, algorithms: ['HS256'], clockTolerance: 30_000 };
	const jwks = (url: string) => ({
		...rules,
		keys: { kind: 'jwks', url },
		algorithms: ['RS256', 'PS256', 'ES256', 'EdDSA', 'Ed25519'],
	});
	const SECRET = { AUTH_JWT_SECRET: secret };
	const JWKS = { AUTH_JWKS_URL: 'https://id.example/keys?v=1' };
	const jwt = { AUTH: 'jwt' };

	it.each<[Env, object]>([
		[{ ...jwt, ...SECRET }, rules],
		[{ ...jwt, AUTH_JWT_SECRET_FILE: '/run/jwt' }, rules],
		[{ ...jwt, ...JWKS }, jwks('https://id.example/keys?v=1')],
		[{ ...jwt, AUTH_JWKS_URL: 'http://127.0.0.1:8080/keys' }, jwks('http://127.0.0.1:8080/keys')],
		[{ ...jwt, AUTH_JWKS_URL: 'http://[::1]:8080/keys' }, jwks('http://[::1]:8080/keys')],
		[{ ...jwt, AUTH_JWKS_URL: 'http://localhost/keys' }, jwks('http://localhost/keys')],
		[
			{ ...jwt, ...SECRET, AUTH_ISSUER: 'https://id', AUTH_AUDIENCE: 'orders', AUTH_CLOCK_TOLERANCE: '0s' },
			{ ...rules, issuer: 'https://id', audience: 'orders', clockTolerance: 0 },
		],
		[
			{ ...jwt, ...JWKS, AUTH_ALGORITHMS: 'ES256, RS512' },
			{ ...jwks('https://id.example/keys?v=1'), algorithms: ['ES256', 'RS512'] },
		],
		[
			{ ...jwt, AUTH_JWT_SECRET: 'k'.repeat(64), AUTH_ALGORITHMS: 'HS512,HS256' },
			{ ...rules, keys: { kind: 'secret', secret: 'k'.repeat(64) }, algorithms: ['HS512', 'HS256'] },
		],
		// Bytes count, not characters.
		[
			{ ...jwt, AUTH_JWT_SECRET: '€'.repeat(11) },
			{ ...rules, keys: { kind: 'secret', secret: '€'.repeat(11) } },
		],
	])('tokens: %j', (env, auth) => expect(parse(env).access.auth).toEqual({ kind: 'jwt', ...auth }));

	it.each(['0.0.0.0', '::', '10.0.0.1', '128.0.0.1', '::2', 'example.com', 'localhost.example.com'])(
		'on HOST=%s the door is closed unless it is said how to open it',
		(HOST) => {
			expect(failure({ HOST }).message).toBe(
				`HOST="${HOST}" is not loopback, where AUTH is jwt unless set, and that lacks the keys of tokens; ` +
					'accepted: with it AUTH_JWKS_URL or AUTH_JWT_SECRET, AUTH=off spelt out, or a loopback HOST',
			);
			expect(parse({ HOST, ...SECRET }).access).toEqual({
				auth: { kind: 'jwt', ...rules },
				rateLimit: { requests: 100, per: 1000 },
				trustProxy: [],
			});
			expect(parse({ HOST, AUTH: 'off' }).access.auth).toEqual({ kind: 'off', host: HOST });
			expect(parse({ HOST, AUTH: 'off', RATE_LIMIT: 'off' }).access.rateLimit).toBeUndefined();
		},
	);

	it('where there is no gateway there is no door', () => {
		const apart = { BROKER_URL: 'redis://localhost', DATABASE_URL: 'postgres://localhost/orders' };
		const { access } = parse({ ...apart, SERVICES: 'orders,settlement', HOST: '0.0.0.0' });
		expect(access).toEqual({ auth: { kind: 'off', host: '0.0.0.0' }, rateLimit: undefined, trustProxy: [] });
		expect(parse({ ...apart, SERVICES: 'orders', AUTH_ISSUER: 'https://id' }).access.auth.kind).toBe('off');
	});

	it.each<[Env, string]>([
		[jwt, 'AUTH="jwt" lacks the keys of tokens; accepted: with it AUTH_JWKS_URL or AUTH_JWT_SECRET'],
		[
			{ ...jwt, AUTH_ISSUER: 'https://id', AUTH_ALGORITHMS: 'RS256' },
			'AUTH="jwt" lacks the keys of tokens; accepted: with it AUTH_JWKS_URL or AUTH_JWT_SECRET',
		],
		[
			{ ...jwt, ...JWKS, ...SECRET },
			'AUTH_JWKS_URL="https://id.example/keys?v=1" and a secret are both set; accepted: one of them',
		],
		[
			{ ...jwt, ...SECRET, AUTH_JWT_SECRET_FILE: '/run/jwt' },
			'AUTH_JWT_SECRET=(hidden) and AUTH_JWT_SECRET_FILE="/run/jwt" are both set; accepted: one of them',
		],
		[
			{ ...jwt, AUTH_JWT_SECRET: 'k'.repeat(31) },
			'AUTH_JWT_SECRET=(hidden) is too short; accepted: at least 32 bytes for HS256, 48 for HS384, 64 for HS512',
		],
		[
			{ ...jwt, ...SECRET, AUTH_ALGORITHMS: 'HS256,HS384' },
			'AUTH_JWT_SECRET=(hidden) is too short; accepted: at least 32 bytes for HS256, 48 for HS384, 64 for HS512',
		],
		[
			{ ...jwt, AUTH_JWT_SECRET_FILE: '/run/short' },
			'AUTH_JWT_SECRET_FILE="/run/short" with content (hidden) is too short; ' +
				'accepted: at least 32 bytes for HS256, 48 for HS384, 64 for HS512',
		],
		[
			{ ...jwt, ...SECRET, AUTH_ALGORITHMS: 'RS256' },
			'AUTH_ALGORITHMS="RS256" is not understood; ' +
				'accepted: a comma list, each at most once, of HS256, HS384, HS512 with AUTH_JWT_SECRET',
		],
		[
			{ ...jwt, ...JWKS, AUTH_ALGORITHMS: 'RS256,HS256' },
			'AUTH_ALGORITHMS="RS256,HS256" is not understood; accepted: a comma list, each at most once, of RS256, RS384, ' +
				'RS512, PS256, PS384, PS512, ES256, ES384, ES512, EdDSA, Ed25519 with AUTH_JWKS_URL',
		],
		[
			{ ...jwt, AUTH_JWKS_URL: 'https://u:s3cret@id/keys' },
			'AUTH_JWKS_URL="https://(hidden)@id/keys" is not understood; ' +
				'accepted: a URL https://… without user and password, http://… only to this machine',
		],
		[
			SECRET,
			'AUTH_JWT_SECRET=(hidden) is set, but on a loopback HOST tokens are checked only if asked for; ' +
				'accepted: with it AUTH=jwt, or AUTH=off spelt out',
		],
		[
			{ AUTH_AUDIENCE: 'orders' },
			'AUTH_AUDIENCE="orders" is set, but on a loopback HOST tokens are checked only if asked for; ' +
				'accepted: with it AUTH=jwt, or AUTH=off spelt out',
		],
	])('%j stops the start', (env, message) => expect(failure(env).message).toBe(message));

	it('off, spelt out, is off, but never hides a mistake', () => {
		expect(parse({ AUTH: 'off', ...SECRET, AUTH_ISSUER: 'https://id' }).access.auth).toEqual({
			kind: 'off',
			host: '127.0.0.1',
		});
		expect(failure({ AUTH: 'off', AUTH_JWT_SECRET: 'short' }).message).toMatch(/too short/);
	});

	it.each<[string, object | undefined]>([
		['off', undefined],
		['1/s', { requests: 1, per: 1000 }],
		['3000/m', { requests: 3000, per: 60_000 }],
		['1000000/m', { requests: 1_000_000, per: 60_000 }],
	])('RATE_LIMIT=%s', (value, rateLimit) => expect(parse({ RATE_LIMIT: value }).access.rateLimit).toEqual(rateLimit));

	it('TRUST_PROXY takes addresses and ranges', () => {
		expect(parse({ TRUST_PROXY: '10.0.0.0/8, 192.168.0.7 ,FD00::/8,::1,0.0.0.0/0' }).access.trustProxy).toEqual([
			{ address: '10.0.0.0', prefix: 8, family: 'ipv4' },
			{ address: '192.168.0.7', prefix: 32, family: 'ipv4' },
			{ address: 'FD00::', prefix: 8, family: 'ipv6' },
			{ address: '::1', prefix: 128, family: 'ipv6' },
			{ address: '0.0.0.0', prefix: 0, family: 'ipv4' },
		]);
	});
});
