/** Who uses the page. The token is kept in this tab's session alone, and goes nowhere but into a header. */
import { cell } from './cell.js';
import { settings } from './settings.js';

const KEY = 'access-token';
export const ADMIN_SCOPE = 'orders:admin';

/** @typedef {{ readonly token: string | null, readonly subject: string | null, readonly isAdmin: boolean }} Session */

/** What a token says, for what is shown; what its owner may do is the server's to say. @param {string} token */
function claimsOf(token) {
	try {
		const [, payload = ''] = token.split('.');
		const bytes = Uint8Array.from(atob(payload.replaceAll('-', '+').replaceAll('_', '/')), (at) => at.charCodeAt(0));
		return JSON.parse(new TextDecoder().decode(bytes));
	} catch {
		return {};
	}
}

/** @param {string | null} token @returns {Session} */
function sessionOf(token) {
	if (token === null) return { token, subject: null, isAdmin: !settings.auth };
	const { sub, scope } = claimsOf(token);
	const scopes = typeof scope === 'string' ? scope.split(' ') : [];
	return { token, subject: typeof sub === 'string' ? sub : null, isAdmin: scopes.includes(ADMIN_SCOPE) };
}

/** A browser may forbid storage; then the token is kept for as long as the page is open. */
function stored() {
	try {
		return sessionStorage.getItem(KEY);
	} catch {
		return null;
	}
}

/** @param {string | null} token */
function store(token) {
	try {
		if (token === null) sessionStorage.removeItem(KEY);
		else sessionStorage.setItem(KEY, token);
	} catch {
		// then in memory alone
	}
}

export const session = cell(sessionOf(settings.auth ? stored() : null));
/** why a token is asked for again */
export const refusal = cell(/** @type {string | null} */ (null));

/** @param {string} token */
export function signIn(token) {
	refusal.value = null;
	store(token);
	session.value = sessionOf(token);
}

export function signOut(/** @type {string | null} */ reason = null) {
	store(null);
	refusal.value = reason;
	session.value = sessionOf(null);
}

export const needsToken = () => settings.auth && session.value.token === null;
