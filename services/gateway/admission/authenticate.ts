/** Who makes a request: bearer tokens in the header field `Authorization` (RFC 6750), and nowhere else. */
import type { IncomingMessage } from 'node:http';
import { type Problem, type ProblemCode, ProblemError, problem, unavailable } from '../../../mixins/http/index.ts';
import { ADMIN_SCOPE, type Caller } from '../../orders/caller.ts';
import { KeysUnavailable } from './jwks.ts';
import { type Grant, TokenRefused, type Tokens } from './tokens.ts';

/** Everybody may everything. */
export const ANYBODY: Caller = Object.freeze({ subject: 'anonymous', scopes: Object.freeze([ADMIN_SCOPE]) });

/** Throws the problem 400, 401 or 503 if the caller is not let in. */
export async function grantOf(req: IncomingMessage, tokens: Tokens): Promise<Grant> {
	const token = bearerOf(req);
	if (token === undefined)
		throw new ProblemError(unauthorized('Auth.TokenMissing', 'The request needs a bearer token.'));
	try {
		return await tokens.grantOf(token);
	} catch (error) {
		if (error instanceof KeysUnavailable) {
			throw new ProblemError(unavailable('Tokens cannot be checked at the moment. Try again.'));
		}
		if (!(error instanceof TokenRefused)) throw error;
		const code = error.isExpired ? 'Auth.TokenExpired' : 'Auth.TokenInvalid';
		throw new ProblemError(unauthorized(code, error.message, 'invalid_token'));
	}
}

/** The token of `Authorization: Bearer`; undefined where there is none. Throws 400 where there is not exactly one. */
function bearerOf(req: IncomingMessage): string | undefined {
	// Node keeps the first of several; a proxy in front of us may have checked another one.
	const [credentials, ...others] = req.headersDistinct.authorization ?? [];
	if (credentials === undefined) return undefined;
	const [, token] = /^bearer +([\w.~+/-]+=*) *$/i.exec(credentials) ?? [];
	if (others.length === 0) {
		if (token !== undefined) return token;
		if (!/^bearer\b/i.test(credentials)) return undefined;
	}
	const headers = challenge('invalid_request');
	throw new ProblemError(problem('Request.Malformed', 'Authorization has to be one bearer token.', { headers }));
}

/** 403: the caller is known, but lacks the scope. */
export function forbidden(scope: string): Problem {
	return problem('Auth.ScopeMissing', `The token lacks the scope ${scope}.`, {
		headers: challenge('insufficient_scope', `, scope="${scope}"`),
	});
}

function unauthorized(code: ProblemCode, detail: string, error?: string): Problem {
	return problem(code, detail, { headers: challenge(error) });
}

/** RFC 6750, section 3: without any token in the request there is no error in the answer. */
export function challenge(error?: string, more = ''): Readonly<Record<string, string>> {
	return { 'WWW-Authenticate': `Bearer realm="orders"${error === undefined ? '' : `, error="${error}"`}${more}` };
}
