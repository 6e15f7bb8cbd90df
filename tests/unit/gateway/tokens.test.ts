import { createPublicKey } from 'node:crypto';
import { afterEach, describe, expect, it } from '@jest/globals';
import { exportSPKI, SignJWT } from 'jose';
import type { TokenRules } from '../../../mixins/settings/access.ts';
import { KeysUnavailable, type Times } from '../../../services/gateway/admission/jwks.ts';
import { TokenRefused, Tokens } from '../../../services/gateway/admission/tokens.ts';
import { memoryLog } from '../../support/database.ts';
import { Issuer, SECRET, seconds, secretToken, unsignedToken } from '../../support/issuer.ts';
import { until } from '../../support/until.ts';

const RULES: TokenRules = {
	keys: { kind: 'secret', secret: SECRET },
	issuer: 'https://id.example',
	audience: 'orders',
	algorithms: ['HS256'],
	clockTolerance: 30_000,
};
const GOOD = { sub: 'alice', iss: 'https://id.example', aud: 'orders' };

/** What became of a token, in a form that a table can hold. */
async function verdict(tokens: Tokens, token: string): Promise<unknown> {
	try {
		return await tokens.verify(token);
	} catch (error) {
		if (error instanceof TokenRefused) return `${error.isExpired ? 'expired' : 'refused'}: ${error.message}`;
		if (error instanceof KeysUnavailable) return 'nobody can say';
		throw error;
	}
}

const ALICE = { subject: 'alice', scopes: [] };
const INVALID = 'refused: The token is not valid.';

describe('claims', () => {
	const tokens = new Tokens(RULES, memoryLog());

	it.each<[string, Record<string, unknown>, unknown]>([
		['all there', {}, ALICE],
		['several audiences, ours among them', { aud: ['mail', 'orders'] }, ALICE],
		['a scope', { scope: 'orders:admin' }, { subject: 'alice', scopes: ['orders:admin'] }],
		['scopes', { scope: ' a  orders:admin b ' }, { subject: 'alice', scopes: ['a', 'orders:admin', 'b'] }],
		['no scope that is a list', { scope: ['orders:admin'] }, ALICE],
		['nor under another name', { scp: 'orders:admin', roles: ['orders:admin'] }, ALICE],
		[
			'a scope is a whole word',
			{ scope: 'orders:administrator' },
			{ subject: 'alice', scopes: ['orders:administrator'] },
		],
		['a minute too old', { exp: seconds(-60) }, 'expired: The token has expired.'],
		['too old, but within the tolerance', { exp: seconds(-10) }, ALICE],
		['for ever', { exp: undefined }, 'refused: The token lacks the claim exp.'],
		['an end that is no number', { exp: '2100-01-01' }, "refused: The token's exp is not accepted."],
		['not yet', { nbf: seconds(60) }, 'refused: The token is not valid yet.'],
		['not yet, but within the tolerance', { nbf: seconds(10) }, ALICE],
		['another issuer', { iss: 'https://id.example.evil' }, "refused: The token's iss is not accepted."],
		['no issuer', { iss: undefined }, 'refused: The token lacks the claim iss.'],
		['another audience', { aud: 'mail' }, "refused: The token's aud is not accepted."],
		['other audiences', { aud: ['mail', 'orders2'] }, "refused: The token's aud is not accepted."],
		['no audience', { aud: undefined }, 'refused: The token lacks the claim aud.'],
		['nobody', { sub: undefined }, 'refused: The token lacks the claim sub.'],
		['no name', { sub: '' }, 'refused: The subject of the token cannot be used.'],
		['a number', { sub: 7 }, 'refused: The subject of the token cannot be used.'],
		['a list', { sub: ['alice'] }, 'refused: The subject of the token cannot be used.'],
		['a long name', { sub: 'é'.repeat(255) }, { subject: 'é'.repeat(255), scopes: [] }],
		['too long a name', { sub: 'a'.repeat(256) }, 'refused: The subject of the token cannot be used.'],
		['a zero character', { sub: 'a\0' }, 'refused: The subject of the token cannot be used.'],
		['a line break', { sub: 'a\nb' }, 'refused: The subject of the token cannot be used.'],
		['half a character', { sub: 'a\ud800' }, 'refused: The subject of the token cannot be used.'],
		['who calls without a token', { sub: 'anonymous' }, 'refused: The subject of the token is reserved.'],
		['the operator', { sub: 'operator' }, 'refused: The subject of the token is reserved.'],
	])('%s', async (_name, claims, expected) => {
		expect(await verdict(tokens, await secretToken({ ...GOOD, ...claims }))).toEqual(expected);
	});

	it('issuer and audience are free where none is set', async () => {
		const free = new Tokens({ ...RULES, issuer: undefined, audience: undefined }, memoryLog());
		for (const claims of [{ sub: 'alice' }, { ...GOOD, iss: 'x', aud: 'y' }]) {
			expect(await verdict(free, await secretToken(claims))).toEqual(ALICE);
		}
	});

	it('without tolerance a second too old is too old', async () => {
		const strict = new Tokens({ ...RULES, clockTolerance: 0 }, memoryLog());
		expect(await verdict(strict, await secretToken({ ...GOOD, exp: seconds(-1) }))).toMatch(/expired/);
	});
});

describe('signatures with a secret', () => {
	const tokens = new Tokens(RULES, memoryLog());
	const changed = async (): Promise<string> => {
		const [head, , signature] = (await secretToken(GOOD)).split('.');
		const [, body] = (await secretToken({ ...GOOD, sub: 'bob' })).split('.');
		return `${head}.${body}.${signature}`;
	};

	it.each<[string, () => Promise<string> | string]>([
		['of another secret', () => secretToken(GOOD, 'HS256', `${SECRET}!`)],
		['of an algorithm that is not accepted', () => secretToken(GOOD, 'HS512')],
		['none', () => unsignedToken(GOOD)],
		['none, in other letters', () => unsignedToken(GOOD, 'NoNe')],
		['none, though one is promised', () => unsignedToken(GOOD, 'HS256')],
		['for another body', changed],
		['no token', () => 'nonsense'],
		['empty parts', () => '..'],
		['two parts', async () => (await secretToken(GOOD)).split('.').slice(0, 2).join('.')],
		['encrypted', () => 'a.b.c.d.e'],
		[
			'with an extension that must be understood',
			() =>
				new SignJWT({ ...GOOD, exp: seconds(60) })
					.setProtectedHeader({ alg: 'HS256', crit: ['exp'], exp: 1 } as never)
					.sign(new TextEncoder().encode(SECRET), { crit: { exp: true } }),
		],
	])('%s', async (_name, make) => {
		expect(await verdict(tokens, await make())).toBe(INVALID);
	});
});

describe('signatures with a key set', () => {
	const OFTEN: Times = { refresh: 3_600_000, retry: 0, timeout: 2_000 };
	const open: { readonly issuer: Issuer; readonly tokens: Tokens }[] = [];
	afterEach(async () => {
		for (const { issuer, tokens } of open.splice(0)) await Promise.all([tokens.keys.stop(), issuer.goAway()]);
	});

	async function opened(times: Partial<Times> = {}, algorithms = ['ES256', 'RS256', 'EdDSA']) {
		const issuer = await Issuer.start();
		const log = memoryLog();
		const rules = { ...RULES, keys: { kind: 'jwks', url: issuer.url }, algorithms } as const;
		const tokens = new Tokens(rules, log, { ...OFTEN, ...times });
		open.push({ issuer, tokens });
		return { issuer, tokens, log };
	}

	it.each(['ES256', 'RS256', 'EdDSA'])('%s is accepted', async (alg) => {
		const { issuer, tokens } = await opened();
		await issuer.rotate(alg);
		expect(await verdict(tokens, await issuer.sign(GOOD))).toEqual(ALICE);
		expect(await verdict(tokens, await issuer.sign(GOOD))).toEqual(ALICE);
		expect(issuer.fetches).toBe(1);
	});

	it('an algorithm that is not listed is not, though its key is published', async () => {
		const { issuer, tokens } = await opened({}, ['ES256']);
		await issuer.rotate('RS256');
		expect(await verdict(tokens, await issuer.sign(GOOD))).toBe(INVALID);
	});

	it('the public key is no secret to sign with', async () => {
		const { issuer, tokens } = await opened({}, ['RS256', 'HS256']);
		const { jwk, kid } = await issuer.rotate('RS256');
		const pem = createPublicKey({ key: jwk as never, format: 'jwk' }).export({ type: 'spki', format: 'pem' });
		for (const secret of [String(pem), JSON.stringify(jwk), await exportSPKI(createPublicKey(String(pem)) as never)]) {
			const forged = new SignJWT({ ...GOOD, exp: seconds(60) }).setProtectedHeader({
				alg: 'HS256',
				...(kid ? { kid } : {}),
			});
			expect(await verdict(tokens, await forged.sign(new TextEncoder().encode(secret)))).toBe(INVALID);
		}
	});

	it('a key that comes with the token is not believed', async () => {
		const { issuer, tokens } = await opened();
		await issuer.rotate();
		const own = await issuer.newKey();
		for (const header of [{ jwk: own.jwk }, { jku: 'http://127.0.0.1:1/keys' }, { kid: issuer.published[0]?.kid }]) {
			expect(await verdict(tokens, await issuer.sign(GOOD, own, header))).toBe(INVALID);
		}
	});

	it('a token that does not name its key is tried with all that fit', async () => {
		const { issuer, tokens } = await opened();
		const [first, second, stranger] = [await issuer.newKey(), await issuer.newKey(), await issuer.newKey()];
		issuer.published = [first, second];
		for (const key of [first, second]) {
			expect(await verdict(tokens, await issuer.sign(GOOD, { ...key, kid: undefined }))).toEqual(ALICE);
		}
		expect(
			await verdict(tokens, await issuer.sign({ ...GOOD, exp: seconds(-60) }, { ...second, kid: undefined })),
		).toMatch(/expired/);
		expect(await verdict(tokens, await issuer.sign(GOOD, { ...stranger, kid: undefined }))).toBe(INVALID);
	});

	it('a key that was just published is fetched with the first token that has it; one that has gone is bad', async () => {
		const { issuer, tokens } = await opened();
		const old = await issuer.rotate();
		expect(await verdict(tokens, await issuer.sign(GOOD))).toEqual(ALICE);
		const fresh = await issuer.rotate();
		expect(await verdict(tokens, await issuer.sign(GOOD, fresh))).toEqual(ALICE);
		expect(await verdict(tokens, await issuer.sign(GOOD, old))).toBe(INVALID);
	});

	it('a new key under the name of the old one, or under none, is fetched with the first token that has it', async () => {
		const { issuer, tokens } = await opened();
		const old = await issuer.rotate();
		expect(await verdict(tokens, await issuer.sign(GOOD))).toEqual(ALICE);
		for (const kid of [old.kid, undefined]) {
			issuer.published = [await issuer.newKey('ES256', kid)];
			expect(await verdict(tokens, await issuer.sign(GOOD))).toEqual(ALICE);
		}
		expect(await verdict(tokens, await issuer.sign(GOOD, old))).toBe(INVALID);
	});

	it('a token with a new key is refused for 6 s at most, whatever strangers send, who cost one fetch in 4 s', async () => {
		const issuer = await Issuer.start();
		const rules = { ...RULES, keys: { kind: 'jwks', url: issuer.url }, algorithms: ['ES256'] } as const;
		const tokens = new Tokens(rules, memoryLog());
		open.push({ issuer, tokens });
		await issuer.rotate();
		const strange = await issuer.sign(GOOD, await issuer.newKey());
		const forged = await issuer.sign(GOOD, { ...(await issuer.newKey()), kid: issuer.published[0]?.kid });
		for (const token of [strange, forged]) expect(await verdict(tokens, token)).toBe(INVALID);
		await issuer.rotate();
		const good = await issuer.sign(GOOD);
		const begin = performance.now();
		await until(async () => {
			for (const token of [strange, forged]) expect(await verdict(tokens, token)).toBe(INVALID);
			return (await verdict(tokens, good)) !== INVALID;
		}, 'the new key is known');
		expect(performance.now() - begin).toBeLessThan(6_000);
		expect(await verdict(tokens, good)).toEqual(ALICE);
		expect(issuer.fetches).toBe(2);
	});

	it('a key that is withdrawn is bad after the next refresh, though nobody asked for another', async () => {
		const { issuer, tokens } = await opened({ refresh: 20 });
		const withdrawn = await issuer.rotate();
		tokens.keys.start();
		expect(await verdict(tokens, await issuer.sign(GOOD))).toEqual(ALICE);
		await issuer.rotate();
		await until(async () => (await verdict(tokens, await issuer.sign(GOOD, withdrawn))) === INVALID, 'the key is bad');
	});

	it('while the URL is away, the keys that were fetched stay good, for as long as it takes', async () => {
		const { issuer, tokens, log } = await opened({ refresh: 10, retry: 10 });
		await issuer.rotate();
		tokens.keys.start();
		await until(() => tokens.keys.waitsFor === undefined);
		const token = await issuer.sign(GOOD);
		await issuer.goAway();
		await until(
			() => log.lines.some((line) => line.includes('those that were fetched stay good')),
			'the outage is noticed',
		);
		expect(await verdict(tokens, token)).toEqual(ALICE);
		// Nobody can say whether the key of this one has been published meanwhile.
		const unknown = await issuer.newKey();
		expect(await verdict(tokens, await issuer.sign(GOOD, unknown))).toBe('nobody can say');
		issuer.published = [unknown];
		await issuer.comeBack();
		await until(() => log.lines.some((line) => line.includes('again')), 'the end of the outage is noticed');
		expect(await verdict(tokens, await issuer.sign(GOOD, unknown))).toEqual(ALICE);
		expect(log.lines.filter((line) => line.includes('cannot be fetched'))).toHaveLength(1);
	});

	it.each<[string, NonNullable<Issuer['instead']>]>([
		['an error', (res) => res.writeHead(500).end('{"keys":[]}')],
		['a redirection', (res) => res.writeHead(302, { location: 'http://127.0.0.1:1/' }).end()],
		['nonsense', (res) => res.end('<html>')],
		['JSON of another kind', (res) => res.end('{"keys":{}}')],
		['nothing for too long', () => {}],
	])('%s in the place of the keys is an outage', async (_name, instead) => {
		const { issuer, tokens } = await opened({ timeout: 200 });
		await issuer.rotate();
		issuer.instead = instead;
		expect(await verdict(tokens, await issuer.sign(GOOD))).toBe('nobody can say');
		expect(tokens.keys.waitsFor).toBe('the keys of tokens have not been fetched yet');
		issuer.instead = undefined;
		expect(await verdict(tokens, await issuer.sign(GOOD))).toEqual(ALICE);
		expect(tokens.keys.waitsFor).toBeUndefined();
		issuer.instead = instead;
		const later = await issuer.newKey();
		expect(await verdict(tokens, await issuer.sign(GOOD, later))).toBe('nobody can say');
		expect(await verdict(tokens, await issuer.sign(GOOD))).toEqual(ALICE);
	});

	it('strangers cannot make us ask for the keys again and again', async () => {
		const { issuer, tokens } = await opened({ retry: 3_600_000 });
		await issuer.rotate();
		const stranger = await issuer.newKey();
		const token = await issuer.sign(GOOD, stranger);
		for (let count = 0; count < 20; count += 1) expect(await verdict(tokens, token)).toBe(INVALID);
		expect(issuer.fetches).toBe(1);
		// Nor while it answers with errors.
		const { issuer: broken, tokens: others } = await opened({ retry: 3_600_000 });
		broken.instead = (res) => res.writeHead(503).end();
		for (let count = 0; count < 20; count += 1) expect(await verdict(others, token)).toBe('nobody can say');
		expect(broken.fetches).toBe(1);
	});

	it('while the URL is slow few wait for it, so that strangers take no places, and known keys are good at once', async () => {
		const { issuer, tokens } = await opened();
		await issuer.rotate();
		const [good, strange] = [await issuer.sign(GOOD), await issuer.sign(GOOD, await issuer.newKey())];
		expect(await verdict(tokens, good)).toEqual(ALICE);
		issuer.instead = () => {};
		let waiting = 0;
		const verdicts = Array.from({ length: 100 }, () => {
			waiting += 1;
			return verdict(tokens, strange).finally(() => {
				waiting -= 1;
			});
		});
		await until(() => waiting === 20, 'the others are answered');
		expect(await verdict(tokens, good)).toEqual(ALICE);
		expect(waiting).toBe(20);
		await issuer.goAway();
		expect(new Set(await Promise.all(verdicts))).toEqual(new Set(['nobody can say']));
	});

	it('an end does not wait for keys that do not come', async () => {
		const { issuer, tokens } = await opened({ timeout: 3_600_000 });
		issuer.instead = () => {};
		tokens.keys.start();
		await until(() => issuer.fetches === 1);
		await tokens.keys.stop();
	});
});
