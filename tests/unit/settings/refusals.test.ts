import { inspect } from 'node:util';
import { describe, expect, it } from '@jest/globals';
import fc from 'fast-check';
import { parseSettings, SettingsError } from '../../../mixins/settings/settings.ts';
import { BROKER_TEXT, type Env, failure, parse, URL_TEXT, VARIABLES } from '../../support/settings.ts';

describe('bad values: one line that names the variable, the value and what is accepted', () => {
	const services = /a comma list, each at most once, of gateway, orders, outbox-relay, settlement, shipping, webhooks$/;
	const week = /1s to 7d, in whole milliseconds/;
	const url = /accepted: .*postgres:\/\/… or postgresql:\/\/…$/;
	const host = /an IP address or a host name, without a port$/;

	it.each<[string, readonly string[], RegExp]>([
		[
			'SERVICES',
			['order', 'Orders', ',', ' ', 'orders,', 'orders,,gateway', 'orders,orders', 'orders;gateway'],
			services,
		],
		['MIGRATE', ['ON', 'true', '1', ' on'], /accepted: on, off$/],
		['CANCELLATION_WINDOW', ['0s', '999ms', '7.1d', '604800001ms', '600', '10min', '10 m', '-1s', '1.0005s'], week],
		['HOLD_LIMIT', ['0s', '999ms', '169h', 'forever', '1d12h'], week],
		['RETENTION', ['0d', '999ms', '3651d', '7w'], /1s to 3650d/],
		['PROVIDER_TIMEOUT', ['99ms', '0s', '60001ms', '5'], /100ms to 1m/],
		['SANDBOX_LATENCY', ['0', '-1ms', '61s', '1,5s'], /0ms to 1m/],
		['SHUTDOWN_DELAY', ['5', '-1s', '61s'], /0ms to 1m/],
		[
			'HOST',
			['http://localhost', 'localhost:80', '[::1]', '*', 'a b', '127.1', '1.2.3.4.5', '256.0.0.1', 'a..b'],
			host,
		],
		[
			'PORT',
			['-1', '65536', '99999999', '80.0', '1e3', '0x50', '080', ' 80', 'http'],
			/from 0 \(any free port\) to 65535$/,
		],
		['METRICS_PORT', ['-1', '65536', '9100/tcp', 'off'], /from 0 \(any free port\) to 65535$/],
		['DEFAULT_CURRENCY', ['usd', 'US', 'EURO', 'XXX', 'XAU', 'ZZZ', '840', ' USD'], /ISO 4217 code/],
		['LOG_LEVEL', ['INFO', 'silent', 'warning'], /accepted: fatal, error, warn, info, debug, trace$/],
		['PAYMENT_PROVIDER', ['paypal', 'Stripe'], /accepted: sandbox, stripe$/],
		['AUTH', ['none', 'OFF', 'JWT', 'on'], /accepted: off, jwt$/],
		[
			'RATE_LIMIT',
			['none', '0', '100', '100/h', '-1/s', '0/s', '1.5/s', '1000001/s', '10000000/m', '1e3/s', '100/s '],
			/accepted: off, or 1 to 1000000 requests, written like 100\/s or 3000\/m$/,
		],
		[
			'TRUST_PROXY',
			[
				...['all', 'localhost', '10.0.0.0/33', '10.0.0.0/', '10.0.0.0/08', '10.0.0/8', 'fd00::/129', ',', '10.0.0.1,'],
				...['fe80::1%eth0', '::ffff:10.0.0.0/104', '10.0.0.0/255.0.0.0', '10.0.0.1 10.0.0.2'],
			],
			/a comma list of addresses and CIDR ranges/,
		],
		['AUTH_CLOCK_TOLERANCE', ['-1s', '301s', '5', 'none'], /0ms to 5m/],
		[
			'AUTH_JWKS_URL',
			[
				...[
					'id.example/keys',
					'ftp://id/keys',
					'http://id.example/keys',
					'https://',
					'https://id/k#x',
					'https://i d/k',
				],
				'http://192.168.0.7/keys',
			],
			/a URL https:\/\/… without user and password, http:\/\/… only to this machine$/,
		],
		[
			'AUTH_ALGORITHMS',
			['none', 'RS256,none', 'rs256', 'RS256,RS256', ',', 'A256GCM', 'ES256K'],
			/of RS256, .*, HS512$/,
		],
	])('%s', (name, values, accepted) => {
		for (const value of values) {
			const { message } = failure({ [name]: value });
			expect(message).toMatch(accepted);
			expect(message.startsWith(`${name}=${JSON.stringify(value)} is not understood; accepted: `)).toBe(true);
		}
	});

	it.each(['postgres', 'postgres:', 'postgres://', 'mysql://h/d', 'h/d', 'postgres://h:port/d', 'postgres://h/d\n'])(
		'DATABASE_URL %j',
		(value) => {
			const { message } = failure({ DATABASE_URL: value });
			expect(message).toMatch(url);
			expect(message.startsWith('DATABASE_URL=(hidden) is not understood')).toBe(true);
		},
	);

	it.each(['amqp', 'mysql://h', 'nats://h', 'amqp://u:s3cret@h:port', 'redis://h/first'])('BROKER_URL %j', (value) => {
		const { message } = failure({ BROKER_URL: value });
		expect(message).toBe(
			'BROKER_URL=(hidden) is not understood; accepted: a URL amqp://… or amqps://…, redis://… or rediss://…, ' +
				'kafka://host:9092[,host:9092] or kafkas://user:password@…',
		);
	});

	it.each<[Env, string]>([
		[{ SERVICES: 'orders' }, 'BROKER_URL and DATABASE_URL'],
		[{ SERVICES: 'orders', DATABASE_URL: URL_TEXT }, 'BROKER_URL'],
		[{ SERVICES: 'orders', BROKER_URL: BROKER_TEXT }, 'DATABASE_URL'],
	])('a part of the services alone: %j', (env, missing) =>
		expect(failure(env).message).toBe(
			`SERVICES="orders" is a part of the services, which needs ${missing} too; ` +
				'accepted: BROKER_URL and DATABASE_URL set, or SERVICES unset to run all in one process',
		),
	);

	it.each<[Env, string]>([
		[
			{ BROKER_URL_FILE: '/run/url' },
			'BROKER_URL_FILE="/run/url" with content (hidden) is not understood; accepted: a file with a URL amqp://… or ' +
				'amqps://…, redis://… or rediss://…, kafka://host:9092[,host:9092] or kafkas://user:password@…',
		],
		[
			{ BROKER_URL_FILE: '/run/broker', BROKER_URL: BROKER_TEXT },
			'BROKER_URL=(hidden) and BROKER_URL_FILE="/run/broker" are both set; accepted: one of them',
		],
		[
			{ DATABASE_URL_FILE: '/run/none' },
			'DATABASE_URL_FILE="/run/none" cannot be read (ENOENT); accepted: the path of a readable file',
		],
		[
			{ DATABASE_URL_FILE: '/run/not-a-url' },
			'DATABASE_URL_FILE="/run/not-a-url" with content (hidden) is not understood; ' +
				'accepted: a file with a URL postgres://… or postgresql://…',
		],
		[
			{ DATABASE_URL_FILE: '/run/empty' },
			'DATABASE_URL_FILE="/run/empty" with content (hidden) is not understood; ' +
				'accepted: a file with a URL postgres://… or postgresql://…',
		],
		[
			{ DATABASE_URL_FILE: '/run/url', DATABASE_URL: URL_TEXT },
			'DATABASE_URL=(hidden) and DATABASE_URL_FILE="/run/url" are both set; accepted: one of them',
		],
		[
			{ DATABASE_URL_FILE: URL_TEXT },
			'DATABASE_URL_FILE="postgres://(hidden)@db.example:5432/orders?sslmode=require" cannot be read (ENOENT); ' +
				'accepted: the path of a readable file',
		],
	])('%j', (env, message) => expect(failure(env).message).toBe(message));

	it('shows a value shortened and on one line', () => {
		expect(failure({ PORT: 'a\r\n\u2028\u0085"' }).message).toContain('PORT="a\\r\\n\\u2028\\u0085\\""');
		expect(failure({ PORT: 'x'.repeat(5000) }).message.length).toBeLessThan(250);
	});
});

describe('properties', () => {
	/** Long and odd enough never to stand in a message by chance. */
	const secret = fc.stringMatching(/^[A-Za-z0-9%#?&~/@:-]{16,40}$/);
	const secretVariable = fc.constantFrom(
		...['DATABASE_URL', 'BROKER_URL', 'STRIPE_API_KEY', 'STRIPE_WEBHOOK_SECRET', 'AUTH_JWT_SECRET'],
	);
	const wrapped = fc.constantFrom('%', 'postgres://u:%@h:x/d', 'postgres://%', 'mysql://u:%@h/d', '%\n%', 'amqp://%@h');
	const others = fc.dictionary(
		fc.constantFrom(...VARIABLES),
		fc.constantFrom('', 'off', 'nonsense', '0.0.0.0', '/run/url'),
	);

	it('no secret ever appears in an error', () => {
		let errors = 0;
		fc.assert(
			fc.property(secret, secretVariable, wrapped, fc.constantFrom('env', 'file', 'thrown'), others, (...drawn) => {
				const [text, name, wrap, where, rest] = drawn;
				const value = wrap.replaceAll('%', () => text);
				const env = where === 'env' ? { ...rest, [name]: value } : { ...rest, [`${name}_FILE`]: '/run/secret' };
				try {
					parseSettings(env, () => {
						if (where === 'thrown') throw Object.assign(new Error(value), { code: value, cause: value });
						return value;
					});
				} catch (error) {
					errors += 1;
					expect(error).toBeInstanceOf(SettingsError);
					expect(inspect(error, { depth: Number.POSITIVE_INFINITY, showHidden: true })).not.toContain(text);
				}
			}),
			{ numRuns: 2000 },
		);
		expect(errors).toBeGreaterThan(1000);
	});

	it('any text in any variable gives settings or one line that names a variable', () => {
		const text = fc.oneof(fc.string({ unit: 'binary' }), fc.constantFrom('off', 'on', 'jwt', '::', '\n', '1s', '0'));
		fc.assert(
			fc.property(fc.dictionary(fc.constantFrom(...VARIABLES), text, { maxKeys: 4 }), (env) => {
				try {
					expect(Object.isFrozen(parse(env))).toBe(true);
				} catch (error) {
					if (!(error instanceof SettingsError)) throw error;
					expect(error.message).toMatch(/^[A-Z_]+=[^\p{Cc}\p{Zl}\p{Zp}]+$/u);
					expect(VARIABLES).toContain(error.message.split('=')[0]);
				}
			}),
			{ numRuns: 2000 },
		);
	});
});
