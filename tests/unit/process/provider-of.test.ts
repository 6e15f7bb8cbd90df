/** Which provider a process gets, and whether it holds money for long enough. */
import { inspect } from 'node:util';
import { describe, expect, it } from '@jest/globals';
import type { Database } from '../../../mixins/database/index.ts';
import { providerOf } from '../../../mixins/process/provider-of.ts';
import { parseSettings } from '../../../mixins/settings/index.ts';

type Env = Readonly<Record<string, string>>;

const STRIPE = { PAYMENT_PROVIDER: 'stripe', STRIPE_API_KEY: 'sk_test_51Abc' };
const open = async (env: Env) => (await providerOf(parseSettings(env)))({} as Database);

it.each<[Env, string]>([
	[{}, 'sandbox'],
	[STRIPE, 'stripe'],
])('%j: %s', async (env, name) => expect((await open(env)).traits.name).toBe(name));

it('a provider does not show its key', async () => {
	expect(inspect(await open(STRIPE), { depth: 20, showHidden: true })).not.toContain('51Abc');
});

it('calls keep the pace that is set', async () => {
	expect((await open(STRIPE)).traits.callsPerSecond).toBe(20);
	expect((await open({ ...STRIPE, STRIPE_CALLS_PER_SECOND: '7' })).traits.callsPerSecond).toBe(7);
});

describe('window and hold limit fit into the time for which the provider holds money, less an hour', () => {
	it.each<Env>([
		{ CANCELLATION_WINDOW: '143h' },
		{ CANCELLATION_WINDOW: '1s', HOLD_LIMIT: '601199s' },
		{ ...STRIPE, CANCELLATION_WINDOW: '137h' },
	])('%j', async (env) => expect(await open(env)).toBeDefined());

	it.each<[Env, string]>([
		[
			{ CANCELLATION_WINDOW: '7d' },
			'CANCELLATION_WINDOW=7d and HOLD_LIMIT=1d are too long together: sandbox holds money for 7d; accepted: at most 167h in all',
		],
		[
			{ CANCELLATION_WINDOW: '1s', HOLD_LIMIT: '167h' },
			'CANCELLATION_WINDOW=1s and HOLD_LIMIT=167h are too long together: sandbox holds money for 7d; accepted: at most 167h in all',
		],
		[
			{ ...STRIPE, CANCELLATION_WINDOW: '8221m' },
			'CANCELLATION_WINDOW=8221m and HOLD_LIMIT=1d are too long together: stripe holds money for 162h; accepted: at most 161h in all',
		],
	])('%j does not', async (env, message) => {
		const failed = open(env);
		await expect(failed).rejects.toThrow(message);
		await expect(failed).rejects.toHaveProperty('name', 'SettingsError');
	});
});
