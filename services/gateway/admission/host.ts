import type { IncomingMessage } from 'node:http';
import { isIP } from 'node:net';
import { ProblemError, problem } from '../../../mixins/http/index.ts';
import { isLoopback } from '../../../mixins/settings/index.ts';

/** The host of an absolute-form target, which counts before the header's (RFC 9112, section 3.2.2). */
export const TARGET = /^https?:\/\/([^/?#]*)/i;

/** Names that nobody can register (RFC 6761, 6762, 8375, and ICANN's for private use), and Kubernetes' own. */
const PRIVATE = /\.(?:localhost|local|internal|test|svc|home\.arpa)$/;

/**
 * Where there are no tokens, refuses what calls the gateway by a name that a stranger may own. A page of any site can
 * let its own name lead to an address of this network (DNS rebinding); to the browser it is the same site then, and may
 * read and change everything. Its name stays in `Host`. A request that names no host is no browser's.
 * `listens`: the gateway's `HOST`. On loopback it has no other names than loopback's.
 */
export function refuseOtherHosts({ headers, url = '' }: IncomingMessage, listens: string): void {
	const atHome = isLoopback(listens);
	for (const host of [headers.host, TARGET.exec(url)?.[1]]) {
		if (!host) continue;
		const name = nameOf(host);
		if (atHome ? isLoopbackName(name) : isPrivate(name) || name === listens.toLowerCase()) continue;
		const names = atHome ? 'localhost, 127.0.0.1 or [::1]' : 'an address, or a name of its own network';
		throw new ProblemError(problem('Request.Misdirected', `Without tokens the host of a request has to be ${names}.`));
	}
}

/** Without port, brackets and the dot of the root; an address as the URL standard writes it. */
const nameOf = (host: string): string => URL.parse(`http://${host}`)?.hostname.replace(/^\[|\]$|\.$/g, '') ?? '';

/** Browsers let these lead nowhere else. */
const isLoopbackName = (name: string): boolean => isLoopback(name) || name.endsWith('.localhost');

/** An address cannot be rebound, and a name of one word belongs to a network. */
const isPrivate = (name: string): boolean =>
	name !== '' && (isIP(name) !== 0 || !name.includes('.') || PRIVATE.test(name));
