/** `npm run stripe:check` on the stand-in: it is a Stripe that is as assumed, as far as it goes. */
import { afterEach, beforeEach, describe, expect, it } from '@jest/globals';
import { Running } from '../../support/process.ts';
import { StripeStandIn, TEST_KEY } from '../../support/stripe/stand-in.ts';

let standIn: StripeStandIn;
beforeEach(async () => {
	standIn = await StripeStandIn.open();
});
afterEach(() => standIn.close());

async function check(env: Readonly<Record<string, string>>): Promise<{ code: number | null; text: string }> {
	const running = new Running('bin/stripe-check.ts', [], env);
	const { code } = await running.exited;
	return { code, text: running.lines.join('\n') };
}

describe('npm run stripe:check', () => {
	it('prints what is assumed and what is said, and leaves nothing held', async () => {
		const { code, text } = await check({ STRIPE_API_KEY: TEST_KEY, STRIPE_API_BASE: standIn.url });
		expect(code).toBe(0);
		const rows = text.split('\n').filter((line) => line.includes(`'`));
		const verdict = (about: string): string | undefined =>
			/as assumed|DIFFERS|NOT ASKED/.exec(rows.find((row) => row.includes(about)) ?? '')?.[0];
		for (const about of [
			...['a payment without return_url', 'what the bank asks, without', 'how long the money of visa is held'],
			...['how long the money of mastercard', 'the same key without expand', 'a declined payment again'],
			...['after a capture of 8.00', 'after a void', 'a payment in the list', 'a capture after a void'],
			'a refund of more than was taken',
		]) {
			expect([about, verdict(about)]).toEqual([about, 'as assumed']);
		}
		// The stand-in has no such objects.
		for (const about of ['a card that was used before', 'currencies']) expect(verdict(about)).toBe('NOT ASKED');
		expect(text).not.toMatch(/sk_test|_secret_/);
		const intents = [...standIn.account.intents.values()];
		expect(intents.length).toBeGreaterThan(10);
		expect(intents.filter(({ status }) => ['requires_capture', 'requires_action'].includes(status))).toEqual([]);
		expect(standIn.book().size).toBe(0);
	});

	it.each<[Readonly<Record<string, string>>, RegExp]>([
		[{}, /^npm run stripe:check needs a test key of yours: STRIPE_API_KEY=sk_test_…/],
		[{ STRIPE_API_KEY: 'sk_live_0123' }, /^npm run stripe:check makes payments, and STRIPE_API_KEY is a live key/],
		[{ STRIPE_API_KEY: 'rk_live_0123' }, /live key/],
		[{ STRIPE_API_KEY: 'nonsense' }, /^STRIPE_API_KEY=\(hidden\) is not understood/],
	])('%j: one line', async (env, line) => {
		const { code, text } = await check(env);
		expect(code).toBe(1);
		expect(text).toMatch(line);
		expect(text.split('\n')).toHaveLength(1);
		expect(text).not.toContain('0123');
	});
});
