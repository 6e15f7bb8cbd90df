import type { IncomingMessage } from 'node:http';

/** A host with or without a port, as it may stand in a URL (RFC 3986, section 3.2.2); empty where the URL has none. */
const HOST = /^(?:\[[\da-f:.]+\]|[\w.~!$&'()*+,;=%-]*)(?::\d*)?$/i;

/**
 * What Node lets pass although two readers of it may disagree about where a request ends or for whom it is (RFC 9112,
 * sections 3.2, 6.1 and 11.2). A sentence for the client, or undefined; after one the connection cannot go on.
 */
export function framingFault({ httpVersion, headers, rawHeaders }: IncomingMessage): string | undefined {
	if (httpVersion !== '1.1' && httpVersion !== '1.0') return 'HTTP/1.1 and HTTP/1.0 alone are understood.';
	const { host, 'transfer-encoding': coding } = headers;
	if (coding !== undefined) {
		if (httpVersion === '1.0') return 'HTTP/1.0 knows no Transfer-Encoding.';
		if (coding.toLowerCase() !== 'chunked') return 'The only Transfer-Encoding that is understood is chunked.';
	}
	if (host === undefined) return httpVersion === '1.1' ? 'Host is missing.' : undefined;
	return HOST.test(host) && hostsIn(rawHeaders) === 1 ? undefined : 'Host has to be one host, with or without a port.';
}

/** Node keeps the first of several. */
function hostsIn(rawHeaders: readonly string[]): number {
	let hosts = 0;
	for (let at = 0; at < rawHeaders.length; at += 2) {
		if (rawHeaders[at]?.length === 4 && rawHeaders[at]?.toLowerCase() === 'host') hosts += 1;
	}
	return hosts;
}
