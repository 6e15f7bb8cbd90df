/** From where a request comes, past the proxies that are trusted, and below which path they show the gateway. */
import type { IncomingMessage } from 'node:http';
import { BlockList, isIP } from 'node:net';
import parseForwarded from 'forwarded-parse';
import ipaddr from 'ipaddr.js';
import type { Subnet } from '../../../mixins/settings/index.ts';
import { TARGET } from './host.ts';

/**
 * Finds the client of a request: the address of the connection or, as long as that is a trusted proxy, the address that
 * the proxy names, read from the right. What stands to the left of the first untrusted address may be forged.
 */
export class ClientAddresses {
	readonly #trusted = new BlockList();
	readonly #believes: boolean;

	constructor(trusted: readonly Subnet[]) {
		this.#believes = trusted.length > 0;
		for (const { address, prefix, family } of trusted) this.#trusted.addSubnet(address, prefix, family);
	}

	/** An IPv4 address, or the network of an IPv6 address: its owner has all of it, 64 bits at least (RFC 6177). */
	of(req: IncomingMessage): string {
		const peer = plainAddress(req.socket.remoteAddress ?? '') ?? 'unknown';
		return networkOf(this.#believes ? this.#clientOf(req, peer) : peer);
	}

	/** The path that the last proxy took away (`X-Forwarded-Prefix`), such as `/shop/api`; empty if there is none. */
	prefixOf({ headers, socket }: IncomingMessage): string {
		const prefix = headers['x-forwarded-prefix'];
		if (!this.#believes || typeof prefix !== 'string' || !PREFIX.test(prefix)) return '';
		return this.#trusts(plainAddress(socket.remoteAddress ?? '') ?? '') ? prefix.replace(/\/$/, '') : '';
	}

	/**
	 * The URL by which the client sees the gateway, without a slash at the end: by what a trusted proxy says of the client's
	 * request (`Forwarded`, or `X-Forwarded-Proto` and `-Host`), else by the request itself. undefined if no host is named.
	 * Whoever sends a wrong one misleads only itself.
	 */
	urlOf(req: IncomingMessage): string | undefined {
		const { headers, socket } = req;
		const isTold = this.#believes && this.#trusts(plainAddress(socket.remoteAddress ?? '') ?? '');
		const [first] = isTold && headers.forwarded !== undefined ? elementsOf(headers.forwarded) : [];
		const told = (name: string): string | undefined =>
			isTold ? [headers[name] ?? []].flat().join(',').split(',').at(0)?.trim() || undefined : undefined;
		const scheme = (first?.proto ?? told('x-forwarded-proto'))?.toLowerCase() === 'https' ? 'https' : 'http';
		const host = first?.host ?? told('x-forwarded-host') ?? TARGET.exec(req.url ?? '')?.[1] ?? headers.host ?? '';
		return HOST.test(host) ? `${scheme}://${host}${this.prefixOf(req)}` : undefined;
	}

	#clientOf({ headers }: IncomingMessage, peer: string): string {
		const addresses = [headers['x-forwarded-for'] ?? []].flat().join(',');
		const one = headers.forwarded === undefined ? undefined : this.#walk(hopsOf(headers.forwarded), peer);
		const other = addresses === '' ? undefined : this.#walk(addresses.split(','), peer);
		// A proxy writes one of the two and may pass on the other as the client sent it. If they differ, one of them is
		// forged.
		if (one !== undefined && other !== undefined && one !== other) return peer;
		return one ?? other ?? peer;
	}

	#walk(hops: readonly string[], peer: string): string {
		let client = peer;
		for (const hop of hops.toReversed()) {
			if (!this.#trusts(client)) break;
			const address = nodeAddress(hop);
			if (address === undefined) break;
			client = address;
		}
		return client;
	}

	#trusts(address: string): boolean {
		const family = isIP(address);
		return family !== 0 && this.#trusted.check(address, family === 6 ? 'ipv6' : 'ipv4');
	}
}

/** An absolute path, and nothing that could be another host's: `//host` has an empty first segment. */
const PREFIX = /^(?:\/[\w.~-]+)+\/?$/;

/** A name or an address, in brackets if there are colons in it, and perhaps a port. */
const HOST = /^(?:[\w.-]+|\[[0-9a-f:.]+\])(?::\d{1,5})?$/i;

/** The `for` of each element, from left to right; an element without one is `unknown`. */
const hopsOf = (forwarded: string): readonly string[] =>
	elementsOf(forwarded).map((element) => element.for ?? 'unknown');

/** Empty if it is malformed. */
function elementsOf(forwarded: string): ReturnType<typeof parseForwarded> {
	try {
		return parseForwarded(forwarded);
	} catch {
		return [];
	}
}

/** The address of `192.0.2.1`, `192.0.2.1:80`, `[2001:db8::1]:80` and the like; undefined for a name or `unknown`. */
function nodeAddress(node: string): string | undefined {
	const [, bracketed, v4, bare] = /^\s*(?:\[([^\]]*)\](?::\d+)?|([\d.]+)(?::\d+)?|(\S+))\s*$/.exec(node) ?? [];
	return plainAddress(bracketed ?? v4 ?? bare ?? '');
}

/** Without a zone; an IPv4 address that is mapped into IPv6 (RFC 4291, section 2.5.5.2) as IPv4. */
function plainAddress(text: string): string | undefined {
	const [address = ''] = text.split('%', 1);
	// `ipaddr` alone would take what is written another way: 127.1, or an octet in octal.
	return isIP(address) === 0 || !ipaddr.isValid(address) ? undefined : ipaddr.process(address).toString();
}

function networkOf(address: string): string {
	if (isIP(address) !== 6) return address;
	const network = ipaddr.IPv6.parse(address).parts.slice(0, 4);
	return `${network.map((group) => group.toString(16)).join(':')}::/64`;
}
