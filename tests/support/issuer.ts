/** Who issues tokens, for tests: a real key set at a real URL, which can change, break and go away. */
import { once } from 'node:events';
import { createServer, type Server, type ServerResponse } from 'node:http';
import type { AddressInfo } from 'node:net';
import { type CryptoKey, exportJWK, generateKeyPair, type JWK, type JWTPayload, SignJWT } from 'jose';

/** Long enough for every HS algorithm. */
export const SECRET = 'a secret of tests, sixty-four bytes long or more, shared by nobody!!';

const IN_AN_HOUR = 3_600;

/** Seconds since 1970, as tokens count. */
export const seconds = (fromNow = 0): number => Math.floor(Date.now() / 1_000) + fromNow;

/** A token signed with `SECRET`; good for an hour unless `claims` say otherwise, undefined leaves a claim out. */
export function secretToken(
	claims: Readonly<Record<string, unknown>>,
	alg = 'HS256',
	secret = SECRET,
): Promise<string> {
	const key = new TextEncoder().encode(secret);
	return new SignJWT(withExpiry(claims)).setProtectedHeader({ alg }).sign(key);
}

/** The token that anybody can make (RFC 7519, section 6). */
export function unsignedToken(claims: Readonly<Record<string, unknown>>, alg = 'none'): string {
	const part = (value: unknown): string => Buffer.from(JSON.stringify(value)).toString('base64url');
	return `${part({ alg })}.${part(withExpiry(claims))}.`;
}

const withExpiry = (claims: Readonly<Record<string, unknown>>): JWTPayload =>
	JSON.parse(JSON.stringify({ exp: seconds(IN_AN_HOUR), ...claims }));

interface IssuerKey {
	readonly alg: string;
	readonly kid: string | undefined;
	readonly privateKey: CryptoKey;
	readonly jwk: JWK;
}

export class Issuer {
	/** how often the key set was asked for */
	fetches = 0;
	/** what is answered instead of the key set */
	instead: ((res: ServerResponse) => void) | undefined;
	/** what the key set holds */
	published: IssuerKey[] = [];
	#server: Server | undefined;
	#port = 0;

	static async start(): Promise<Issuer> {
		const issuer = new Issuer();
		await issuer.comeBack();
		return issuer;
	}

	get url(): string {
		return `http://127.0.0.1:${this.#port}/keys`;
	}

	/** Makes a key without publishing it. */
	async newKey(alg = 'ES256', kid: string | undefined = crypto.randomUUID()): Promise<IssuerKey> {
		const { privateKey, publicKey } = await generateKeyPair(alg, { extractable: true });
		const jwk = { ...(await exportJWK(publicKey)), alg, use: 'sig', ...(kid === undefined ? {} : { kid }) };
		return { alg, kid, privateKey, jwk };
	}

	/** Publishes a new key in the place of all others. */
	async rotate(alg = 'ES256'): Promise<IssuerKey> {
		const key = await this.newKey(alg);
		this.published = [key];
		return key;
	}

	async sign(
		claims: Readonly<Record<string, unknown>>,
		key: IssuerKey | undefined = this.published[0],
		header: Readonly<Record<string, unknown>> = {},
	): Promise<string> {
		if (key === undefined) throw new Error('the issuer has no key');
		const { alg, kid, privateKey } = key;
		const named = kid === undefined ? {} : { kid };
		return new SignJWT(withExpiry(claims)).setProtectedHeader({ alg, ...named, ...header }).sign(privateKey);
	}

	/** Nobody listens any more. */
	async goAway(): Promise<void> {
		const server = this.#server;
		this.#server = undefined;
		if (server === undefined) return;
		server.close();
		server.closeAllConnections();
		await once(server, 'close');
	}

	/** Listens, where it listened before. */
	async comeBack(): Promise<void> {
		this.#server = createServer((_req, res) => {
			this.fetches += 1;
			if (this.instead !== undefined) return this.instead(res);
			res.setHeader('content-type', 'application/json');
			res.end(JSON.stringify({ keys: this.published.map(({ jwk }) => jwk) }));
		}).listen(this.#port, '127.0.0.1');
		await once(this.#server, 'listening');
		this.#port = (this.#server.address() as AddressInfo).port;
	}
}
