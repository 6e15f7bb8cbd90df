/** The door to the sandbox's pages: where there is one, and what becomes of an answer on the way. */
import { afterEach, expect, it } from '@jest/globals';
import type { Context } from 'moleculer';
import { accessOf, problem, type Stage, stage } from './fixtures.ts';

const PAGE = '/sandbox/payments/0198c0de-0000-4000-8000-000000000001';
const STRIPE = { PAYMENT_PROVIDER: 'stripe', STRIPE_API_KEY: 'sk_test_unit0123456789' };

let on: Stage;
afterEach(() => on.broker.stop());

const answer = (path = PAGE): Promise<Response> =>
	fetch(`${on.url}${path}`, {
		method: 'POST',
		redirect: 'manual',
		body: new URLSearchParams({ outcome: 'succeeded' }),
	});

it('there is none with another provider', async () => {
	on = await stage({}, { env: STRIPE });
	await problem(await fetch(`${on.url}${PAGE}`), 404, 'Route.NotFound');
	await problem(await answer(), 404, 'Route.NotFound');
});

it('a request needs no token, and the answer stays below the path of the proxy', async () => {
	const auth = {
		kind: 'jwt',
		issuer: undefined,
		audience: undefined,
		algorithms: ['HS256'],
		clockTolerance: 0,
	} as const;
	const keys = { kind: 'secret', secret: 'a'.repeat(32) } as const;
	const trustProxy = [{ address: '127.0.0.1', prefix: 32, family: 'ipv4' }] as const;
	on = await stage({}, { access: accessOf({ auth: { ...auth, keys }, trustProxy }) });
	const heard: unknown[] = [];
	const settlement = { sandboxAnswer: ({ params }: Context) => void heard.push(params) };
	on.broker.createService({ name: 'settlement', actions: settlement });
	await on.broker.waitForServices('settlement');
	const body = new URLSearchParams({ outcome: 'failed' });
	const headers = { 'X-Forwarded-Prefix': '/api' };
	const res = await fetch(`${on.url}${PAGE}`, { method: 'POST', redirect: 'manual', headers, body });
	expect([res.status, res.headers.get('location')]).toEqual([303, `/api${PAGE}`]);
	expect(heard).toEqual([{ page: PAGE.split('/').at(-1), outcome: 'failed' }]);
});

it('without a settlement service the buyer is asked to come again', async () => {
	on = await stage();
	await problem(await fetch(`${on.url}${PAGE}`), 503, 'Service.Unavailable');
	await problem(await answer(), 503, 'Service.Unavailable');
});
