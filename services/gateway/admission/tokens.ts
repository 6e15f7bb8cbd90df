import { errors, type JWTPayload, type JWTVerifyOptions, jwtVerify } from 'jose';
import { type Duration, type Instant, SECOND } from '../../../domain/time.ts';
import type { Log } from '../../../mixins/runtime/index.ts';
import type { TokenRules } from '../../../mixins/settings/index.ts';
import type { Caller } from '../../orders/caller.ts';
import { type Keys, KeysUnavailable, keysOf, type Times } from './jwks.ts';

/** A token that is not accepted; the message is a sentence that the client may see. */
export class TokenRefused extends Error {
	override readonly name = 'TokenRefused';
	readonly isExpired: boolean;

	constructor(message: string, isExpired: boolean) {
		super(message);
		this.isExpired = isExpired;
	}
}

/** What a token allows. */
export interface Grant {
	readonly caller: Caller;
	/** by this machine's clock, in milliseconds since 1970; the tolerance is part of it */
	readonly until: Instant;
}

/** Subjects that a token may not have: `anonymous` calls without a token, `operator` is the REPL, `gateway` the gateway. */
const RESERVED_SUBJECTS: ReadonlySet<string> = new Set(['anonymous', 'operator', 'gateway']);

/** Checks tokens: JSON Web Tokens (RFC 7519) in compact form, signed with one of the accepted algorithms. */
export class Tokens {
	readonly keys: Keys;
	readonly #options: JWTVerifyOptions;
	readonly #tolerance: Duration;

	constructor(rules: TokenRules, log: Log, times?: Times) {
		const { issuer, audience, algorithms, clockTolerance } = rules;
		this.keys = keysOf(rules.keys, log, times);
		this.#tolerance = clockTolerance;
		if (audience === undefined) log.warn('AUTH_AUDIENCE is not set: tokens made for other services are accepted too');
		this.#options = {
			algorithms: [...algorithms],
			clockTolerance: clockTolerance / SECOND,
			requiredClaims: ['exp', 'sub'],
			...(issuer === undefined ? {} : { issuer }),
			...(audience === undefined ? {} : { audience }),
		};
	}

	/** Throws `TokenRefused`, or `KeysUnavailable` if the token cannot be checked. */
	async verify(token: string): Promise<Caller> {
		return (await this.grantOf(token)).caller;
	}

	/** The same with the moment at which the token ends. */
	async grantOf(token: string): Promise<Grant> {
		try {
			const payload = await this.#payloadOf(token);
			return { caller: callerOf(payload), until: (payload.exp ?? 0) * SECOND + this.#tolerance };
		} catch (error) {
			if (error instanceof KeysUnavailable || error instanceof TokenRefused) throw error;
			throw new TokenRefused(sentenceOf(error), error instanceof errors.JWTExpired);
		}
	}

	/** A token that no key fits may be signed with a newer one, also under a name that is known. */
	async #payloadOf(token: string): Promise<JWTPayload> {
		try {
			return await this.#verified(token);
		} catch (error) {
			const isUnknown = error instanceof errors.JWKSNoMatchingKey;
			if (!isUnknown && !(error instanceof errors.JWSSignatureVerificationFailed)) throw error;
			const renewed = await this.keys.renew().catch((failure) => {
				throw isUnknown ? failure : error;
			});
			if (!renewed) throw error;
			return this.#verified(token);
		}
	}

	async #verified(token: string): Promise<JWTPayload> {
		try {
			return (await jwtVerify(token, this.keys.key, this.#options)).payload;
		} catch (error) {
			// The token does not name its key, and several fit.
			if (!(error instanceof errors.JWKSMultipleMatchingKeys)) throw error;
			for await (const candidate of error) {
				try {
					return (await jwtVerify(token, candidate, this.#options)).payload;
				} catch (failure) {
					if (!(failure instanceof errors.JWSSignatureVerificationFailed)) throw failure;
				}
			}
			throw new errors.JWSSignatureVerificationFailed();
		}
	}
}

/**
 * `sub` owns orders and keys, so it has to be a text that can be stored as it is; the scopes are the words of `scope`
 * (RFC 9068, section 2.2.3).
 */
function callerOf({ sub, scope }: JWTPayload): Caller {
	const characters = typeof sub === 'string' ? [...sub].length : 0;
	if (sub === undefined || characters < 1 || characters > 255 || /\p{Cc}/u.test(sub) || !sub.isWellFormed()) {
		throw new TokenRefused('The subject of the token cannot be used.', false);
	}
	if (RESERVED_SUBJECTS.has(sub)) throw new TokenRefused('The subject of the token is reserved.', false);
	return { subject: sub, scopes: typeof scope === 'string' ? scope.split(' ').filter((word) => word !== '') : [] };
}

/** Says what the client can change, and nothing else. */
function sentenceOf(error: unknown): string {
	if (error instanceof errors.JWTExpired) return 'The token has expired.';
	if (!(error instanceof errors.JWTClaimValidationFailed)) return 'The token is not valid.';
	if (error.reason === 'missing') return `The token lacks the claim ${error.claim}.`;
	if (error.claim === 'nbf') return 'The token is not valid yet.';
	return `The token's ${error.claim} is not accepted.`;
}
