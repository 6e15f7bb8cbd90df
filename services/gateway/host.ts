import type { IncomingMessage } from 'node:http';
import { isLoopback } from '../../mixins/settings/reading.ts';
import { ProblemError, problem } from './problem.ts';

/** The host of an absolute-form target, which counts before the header's (RFC 9112, section 3.2.2). */
const TARGET = /^https?:\/\/([^/?#]*)/i;

/**
 * Refuses what names another host than this machine. A page of any site can let its own name lead to 127.0.0.1 (DNS
 * rebinding); to the browser it is the same site then, and may read and change everything. Its name stays in `Host`.
 * Addresses cannot be rebound, and a browser lets `localhost` and what ends in it lead nowhere else. A request without
 * `Host` (HTTP/1.0) is no browser's.
 */
export function refuseOtherHosts({ headers, url = '' }: IncomingMessage): void {
	for (const host of [headers.host, TARGET.exec(url)?.[1]]) {
		if (host !== undefined && !isOwn(host)) {
			const detail = 'Without tokens only this machine is served: Host has to be localhost, 127.0.0.1 or [::1].';
			throw new ProblemError(problem('Request.Misdirected', detail));
		}
	}
}

function isOwn(host: string): boolean {
	const name = URL.parse(`http://${host}`)?.hostname.replace(/^\[|\]$|\.$/g, '') ?? '';
	return isLoopback(name) || name.endsWith('.localhost');
}
