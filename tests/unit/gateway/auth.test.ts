import { afterAll, beforeAll, beforeEach, describe, expect, it } from '@jest/globals';
import { Errors } from 'moleculer';
import type { Auth } from '../../../mixins/settings/access.ts';
import { Admission } from '../../../services/gateway/admission/admission.ts';
import type { WithServer } from '../../../services/gateway/serving.ts';
import { memoryLog } from '../../support/database.ts';
import { Issuer, SECRET, seconds, secretToken, unsignedToken } from '../../support/issuer.ts';
import { accessOf, HEALTHY, ID, problem, type Stage, speak, stage } from './fixtures.ts';

const RULES = { issuer: undefined, audience: 'orders', algorithms: ['HS256'], clockTolerance: 0 };
const AUTH: Auth = { kind: 'jwt', keys: { kind: 'secret', secret: SECRET }, ...RULES };
const ALICE = { sub: 'alice', aud: 'orders' };

let on: Stage;
beforeAll(async () => {
	on = await stage({}, { access: { auth: AUTH } });
});
afterAll(() => on.broker.stop());
beforeEach(() => {
	on.calls.length = 0;
});

const get = (authorization?: string, path = '/orders'): Promise<Response> =>
	fetch(on.url + path, { headers: authorization === undefined ? {} : { authorization } });

const LACKS = 'Bearer realm="orders"';
const INVALID = 'Bearer realm="orders", error="invalid_token"';
const MALFORMED = 'Bearer realm="orders", error="invalid_request"';

describe('who is let in', () => {
	it.each(['Bearer', 'bearer', 'BEARER'])('a token after %s', async (scheme) => {
		const token = await secretToken({ ...ALICE, scope: 'a orders:admin' });
		expect((await get(`${scheme} ${token}`)).status).toBe(200);
		expect(on.calls[0]?.meta.caller).toEqual({ subject: 'alice', scopes: ['a', 'orders:admin'] });
	});

	it('health asks nobody', async () => {
		expect((await get(undefined, '/health/live')).status).toBe(200);
		expect((await get('Bearer nonsense', '/health/ready')).status).toBe(200);
	});

	it('a path that leads nowhere is said to lead nowhere', async () => {
		await problem(await get(undefined, '/nothing'), 404, 'Route.NotFound');
	});
});

describe('who is not', () => {
	it.each<[string, () => string | undefined | Promise<string>, number, string, string]>([
		['without a token', () => undefined, 401, 'Auth.TokenMissing', LACKS],
		['with a password', () => 'Basic YWxpY2U6c2VjcmV0', 401, 'Auth.TokenMissing', LACKS],
		['with an empty field', () => '', 401, 'Auth.TokenMissing', LACKS],
		[
			'expired',
			async () => `Bearer ${await secretToken({ ...ALICE, exp: seconds(-9) })}`,
			401,
			'Auth.TokenExpired',
			INVALID,
		],
		['for others', async () => `Bearer ${await secretToken({ sub: 'alice' })}`, 401, 'Auth.TokenInvalid', INVALID],
		['without a name', async () => `Bearer ${await secretToken({ aud: 'orders' })}`, 401, 'Auth.TokenInvalid', INVALID],
		['of nobody', () => `Bearer ${unsignedToken(ALICE)}`, 401, 'Auth.TokenInvalid', INVALID],
		['nonsense', () => 'Bearer nonsense', 401, 'Auth.TokenInvalid', INVALID],
		['a scheme alone', () => 'Bearer', 400, 'Request.Malformed', MALFORMED],
		['two words', () => 'Bearer a b', 400, 'Request.Malformed', MALFORMED],
		['two tokens', async () => `Bearer ${await secretToken(ALICE)}, Bearer x`, 400, 'Request.Malformed', MALFORMED],
		['beyond the alphabet', () => 'Bearer {}', 400, 'Request.Malformed', MALFORMED],
	])('%s', async (_name, authorization, status, code, challenge) => {
		const res = await get(await authorization());
		expect(res.headers.get('www-authenticate')).toBe(challenge);
		await problem(res, status, code);
		expect(on.calls).toEqual([]);
	});

	it('with two fields, whichever is good', async () => {
		const token = await secretToken(ALICE);
		for (const [one, two] of [
			[token, 'x'],
			['x', token],
			[token, token],
		]) {
			const answer = await speak(
				on.port,
				`GET /orders HTTP/1.1\r\nHost: x\r\nAuthorization: Bearer ${one}\r\nAuthorization: Bearer ${two}\r\nConnection: close\r\n\r\n`,
			);
			expect(answer).toMatch(/^HTTP\/1.1 400 .*WWW-Authenticate: Bearer realm="orders", error="invalid_request"/s);
		}
	});

	it('with the token in the query or in the body', async () => {
		const token = await secretToken(ALICE);
		await problem(await get(undefined, `/orders?access_token=${token}`), 401, 'Auth.TokenMissing');
		const body = new URLSearchParams({ access_token: token });
		await problem(await fetch(`${on.url}/orders`, { method: 'POST', body }), 401, 'Auth.TokenMissing');
	});

	it('is asked for a token before anything else is looked at', async () => {
		const init = { method: 'POST', body: 'nonsense' };
		await problem(await fetch(`${on.url}/orders/42/cancel?x`, init), 401, 'Auth.TokenMissing');
		expect(on.calls).toEqual([]);
	});

	it('and no token ever stands in an answer or in the log', async () => {
		const token = await secretToken({ ...ALICE, aud: 'others' });
		expect(await (await get(`Bearer ${token}`)).text()).not.toContain(token.split('.')[2]);
		expect(on.log.join()).not.toContain(token.split('.')[2]);
	});

	it('an action that wants to know the caller is answered with a challenge', async () => {
		on.once(() => Promise.reject(new Errors.MoleculerClientError('Who?', 401, 'Auth.CallerMissing')));
		const res = await get(`Bearer ${await secretToken(ALICE)}`, `/orders/${ID}`);
		expect(res.headers.get('www-authenticate')).toBe(LACKS);
		await problem(res, 401, 'Auth.CallerMissing');
	});
});

describe('while the keys are away', () => {
	it('nobody is let in, nobody is sent away for good, and the process is not ready', async () => {
		const issuer = await Issuer.start();
		const key = await issuer.rotate();
		await issuer.goAway();
		const auth: Auth = { ...AUTH, keys: { kind: 'jwks', url: issuer.url }, algorithms: ['ES256'] };
		const closed = await stage({}, { access: { auth } });
		const { admission } = closed.broker.getLocalService('gateway') as unknown as WithServer;
		closed.health = async () => {
			const failing = admission.waitsFor === undefined ? [] : [{ name: 'tokens', reason: admission.waitsFor }];
			return { ...HEALTHY, ready: failing.length === 0, failing };
		};
		try {
			const authorization = `Bearer ${await issuer.sign(ALICE, key)}`;
			const res = await fetch(`${closed.url}/orders`, { headers: { authorization } });
			expect(res.headers.get('retry-after')).toBe('1');
			await problem(res, 503, 'Service.Unavailable');
			await problem(await fetch(`${closed.url}/orders`), 401, 'Auth.TokenMissing');
			const ready = await fetch(`${closed.url}/health/ready`);
			expect([ready.status, await ready.json()]).toMatchObject([503, { failing: [{ name: 'tokens' }] }]);
		} finally {
			await closed.broker.stop();
		}
	});
});

it('an audience that is not set is worth a word', () => {
	const log = memoryLog();
	const access = accessOf({ auth: { ...AUTH, audience: undefined } });
	new Admission(access, { query: () => Promise.reject(new Error('no database')) }, log);
	expect(log.lines).toEqual(['warn AUTH_AUDIENCE is not set: tokens made for other services are accepted too']);
});
