/**
 * What every answer says to browsers. There is no `Access-Control-*`: no other origin is allowed. No
 * `Strict-Transport-Security` either: the gateway speaks plain HTTP, so that is the job of the proxy with TLS in front
 * of it.
 */
export const SECURITY_HEADERS = {
	'Cache-Control': 'no-store',
	'Content-Security-Policy': "default-src 'none'; frame-ancestors 'none'",
	'Cross-Origin-Resource-Policy': 'same-origin',
	'Referrer-Policy': 'no-referrer',
	'X-Content-Type-Options': 'nosniff',
	'X-Frame-Options': 'DENY',
} as const;
