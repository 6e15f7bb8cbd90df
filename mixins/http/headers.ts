/**
 * What every answer says to browsers. None of `Access-Control-*` is among it: no other origin is admitted. No
 * `Strict-Transport-Security` either: the gateway speaks plain HTTP, so that is for whatever ends TLS in front of it.
 */
export const SECURITY_HEADERS = {
	'Cache-Control': 'no-store',
	'Content-Security-Policy': "default-src 'none'; frame-ancestors 'none'",
	'Cross-Origin-Resource-Policy': 'same-origin',
	'Referrer-Policy': 'no-referrer',
	'X-Content-Type-Options': 'nosniff',
	'X-Frame-Options': 'DENY',
} as const;
