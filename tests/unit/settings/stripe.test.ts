/** `PAYMENT_PROVIDER=stripe`, and what it needs. */
import { describe, expect, it } from '@jest/globals';
import { parseSettings, type Settings, SettingsError } from '../../../mixins/settings/settings.ts';

type Env = Readonly<Record<string, string>>;

const FILES: Readonly<Record<string, string>> = {
	'/run/key': 'rk_live_51Abc\r\n',
	'/run/blank': ' \n',
	'/run/secrets': 'whsec_old,\nwhsec_new\n',
};

const parse = (env: Env): Settings => parseSettings(env, (path) => FILES[path] ?? '');

function refusal(env: Env): string {
	try {
		parse(env);
	} catch (error) {
		if (error instanceof SettingsError) return error.message;
		throw error;
	}
	throw new Error(`accepted: ${JSON.stringify(env)}`);
}

const STRIPE = { PAYMENT_PROVIDER: 'stripe' };
const PARTS = { DATABASE_URL: 'postgres://u@h/d', BROKER_URL: 'redis://h' };

describe('a key', () => {
	it.each<[Env, string, boolean]>([
		[{ STRIPE_API_KEY: 'sk_test_51Abc' }, 'sk_test_51Abc', false],
		[{ STRIPE_API_KEY: ' rk_test_51Abc\n' }, 'rk_test_51Abc', false],
		[{ STRIPE_API_KEY: 'sk_live_51Abc' }, 'sk_live_51Abc', true],
		[{ STRIPE_API_KEY_FILE: '/run/key' }, 'rk_live_51Abc', true],
	])('%j', (env, apiKey, isLive) => {
		const { paymentProvider, stripe } = parse({ ...STRIPE, ...env });
		expect(paymentProvider).toBe('stripe');
		expect(stripe).toMatchObject({ apiKey, isLive });
	});

	it.each(['pk_test_51Abc', 'sk_51Abc', 'sk_test_', 'SK_TEST_51Abc', 'sk_test_51 Abc', 'whsec_abc', 'x', ' '])(
		'%j is none, and is not shown',
		(key) => {
			const message = 'is not understood; accepted: an API key of Stripe for servers,';
			expect(refusal({ ...STRIPE, STRIPE_API_KEY: key })).toContain(`STRIPE_API_KEY=(hidden) ${message}`);
			expect(refusal({ STRIPE_API_KEY: key })).toContain('STRIPE_API_KEY=(hidden)');
		},
	);

	it('from a file is none if the file is blank', () => {
		expect(refusal({ ...STRIPE, STRIPE_API_KEY_FILE: '/run/blank' })).toContain('STRIPE_API_KEY_FILE="/run/blank"');
	});

	it('is needed where money is moved, and nowhere else', () => {
		expect(refusal(STRIPE)).toBe(
			'PAYMENT_PROVIDER="stripe" lacks its key; ' +
				'accepted: with it STRIPE_API_KEY or STRIPE_API_KEY_FILE, such as sk_test_…',
		);
		expect(refusal({ ...STRIPE, ...PARTS, SERVICES: 'settlement' })).toContain('STRIPE_API_KEY');
		expect(parse({ ...STRIPE, ...PARTS, SERVICES: 'gateway,orders' }).stripe.apiKey).toBeUndefined();
	});
});

describe('STRIPE_API_BASE', () => {
	const test = { ...STRIPE, STRIPE_API_KEY: 'sk_test_51Abc' };

	it.each<[string, object]>([
		['http://127.0.0.1:12111', { protocol: 'http', host: '127.0.0.1', port: 12_111 }],
		['https://stripe.example/', { protocol: 'https', host: 'stripe.example', port: 443 }],
		['http://stand-in', { protocol: 'http', host: 'stand-in', port: 80 }],
		['http://[::1]:8080', { protocol: 'http', host: '[::1]', port: 8080 }],
	])('%s', (base, apiBase) => expect(parse({ ...test, STRIPE_API_BASE: base }).stripe.apiBase).toEqual(apiBase));

	it.each([
		...['localhost:1', 'ftp://h', 'http://', 'http:///', 'http://h/v1', 'http://h//', 'http://h?a=1', 'http://h#a'],
		...['http://u:p@h', 'http://u@h', 'http://h:0', 'http://h:65536', 'http://h:x', 'http://h\\v1', 'http://a b'],
	])('%j is none', (base) => {
		const message = refusal({ ...test, STRIPE_API_BASE: base });
		expect(message).toMatch(/^STRIPE_API_BASE=.* is not understood; accepted: http:\/\/… or https:\/\/… with a host/);
		expect(message).not.toContain('u:p');
	});

	it.each(['sk_live_51Abc', 'rk_live_51Abc'])('never sees a live key such as %s', (key) => {
		for (const provider of ['stripe', 'sandbox']) {
			const env = { PAYMENT_PROVIDER: provider, STRIPE_API_KEY: key, STRIPE_API_BASE: 'http://127.0.0.1:1' };
			expect(refusal(env)).toBe(
				'STRIPE_API_BASE="http://127.0.0.1:1" is set with a live key, which no stand-in may see; accepted: with it a test key',
			);
		}
	});
});

describe('STRIPE_WEBHOOK_SECRET', () => {
	it.each<[Env, readonly string[]]>([
		[{ STRIPE_WEBHOOK_SECRET: 'whsec_a' }, ['whsec_a']],
		[{ STRIPE_WEBHOOK_SECRET: ' whsec_a+/=, whsec_b\n' }, ['whsec_a+/=', 'whsec_b']],
		[{ STRIPE_WEBHOOK_SECRET_FILE: '/run/secrets' }, ['whsec_old', 'whsec_new']],
	])('%j', (env, secrets) => expect(parse(env).stripe.webhookSecrets).toEqual(secrets));

	it.each(['sk_test_a', 'whsec_', ' ', ',', 'whsec_a,', 'whsec_a,,whsec_b', 'whsec_a whsec_b', 'whsec_a\nwhsec_b'])(
		'%j is none',
		(secret) =>
			expect(refusal({ STRIPE_WEBHOOK_SECRET: secret })).toMatch(
				/^STRIPE_WEBHOOK_SECRET=\(hidden\) is not understood; accepted: a comma list of signing secrets, whsec_…$/,
			),
	);
});

describe('STRIPE_CALLS_PER_SECOND', () => {
	it.each(['1', '90', '1000'])('%s', (value) =>
		expect(parse({ STRIPE_CALLS_PER_SECOND: value }).stripe.callsPerSecond).toBe(Number(value)),
	);

	it.each(['0', '1001', '-1', '1.5', '1e2', '020', '25/s'])('%s is none', (value) =>
		expect(refusal({ STRIPE_CALLS_PER_SECOND: value })).toMatch(/accepted: a whole number from 1 to 1000$/),
	);
});
