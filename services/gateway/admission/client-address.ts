/** From where a request comes, past the proxies that are trusted, and below which path they show the gateway. */
import type { IncomingMessage } from 'node:http';
import { BlockList, isIP } from 'node:net';
import type { Subnet } from '../../../mixins/settings/access.ts';

/**
 * Finds the client of a request: the address of the connection or, as long as that is a trusted proxy, what it says it
 * had the request from, hop by hop from the right. What stands left of the first stranger may be anything.
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

	#clientOf({ headers }: IncomingMessage, peer: string): string {
		const forwarded = headers.forwarded === undefined ? undefined : parseForwarded(headers.forwarded);
		const addresses = [headers['x-forwarded-for'] ?? []].flat().join(',');
		const xForwardedFor = addresses === '' ? undefined : addresses.split(',');
		const [one, other] = [forwarded, xForwardedFor].map((hops) => hops && this.#walk(hops, peer));
		// A proxy writes one of the two and may hand on the other as the client sent it: where they differ, one is a lie.
		return one === undefined || other === undefined || one === other ? (one ?? other ?? peer) : peer;
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

/** One parameter of a forwarded element, with the comma or semicolon behind it (RFC 7239, section 4). */
const PARAMETER = /[ \t]*(?:([\w!#$%&'*+.^`|~-]+)=(?:([\w!#$%&'*+.^`|~-]+)|"((?:[^"\\]|\\.)*)"))?[ \t]*([,;]|$)/y;

/** The `for` of each element, from left to right; an element without one is `unknown`. Empty if it is malformed. */
export function parseForwarded(header: string): readonly string[] {
	const hops: string[] = [];
	let hop = 'unknown';
	for (let at = 0; ; ) {
		PARAMETER.lastIndex = at;
		const match = PARAMETER.exec(header);
		if (match === null) return [];
		const [whole, name, token, quoted, end] = match;
		if (name?.toLowerCase() === 'for') hop = token ?? quoted?.replaceAll(/\\(.)/g, '$1') ?? '';
		if (end !== ';') {
			hops.push(hop);
			hop = 'unknown';
		}
		if (end === '') return hops;
		at += whole.length;
	}
}

/** The address of `192.0.2.1`, `192.0.2.1:80`, `[2001:db8::1]:80` and the like; undefined for a name or `unknown`. */
function nodeAddress(node: string): string | undefined {
	const [, bracketed, v4, bare] = /^\s*(?:\[([^\]]*)\](?::\d+)?|([\d.]+)(?::\d+)?|(\S+))\s*$/.exec(node) ?? [];
	return plainAddress(bracketed ?? v4 ?? bare ?? '');
}

/** Without a zone, and as IPv4 what is IPv4 in IPv6's clothes (RFC 4291, section 2.5.5.2). */
function plainAddress(text: string): string | undefined {
	const [address = ''] = text.split('%', 1);
	const family = isIP(address);
	if (family !== 6) return family === 4 ? address : undefined;
	const groups = groupsOf(address);
	if (groups.slice(0, 6).join() !== '0,0,0,0,0,65535') return address;
	return groups
		.slice(6)
		.flatMap((group) => [group >> 8, group & 255])
		.join('.');
}

function networkOf(address: string): string {
	if (isIP(address) !== 6) return address;
	const network = groupsOf(address).slice(0, 4);
	return `${network.map((group) => group.toString(16)).join(':')}::/64`;
}

/** The eight numbers of an IPv6 address; the URL standard knows all ways to write it. */
function groupsOf(address: string): number[] {
	const canonical = new URL(`http://[${address}]`).hostname.slice(1, -1);
	const [head = [], tail = []] = canonical.split('::').map((part) => part.split(':').filter((group) => group !== ''));
	const zeros = Array.from({ length: 8 - head.length - tail.length }, () => '0');
	return [...head, ...zeros, ...tail].map((group) => Number.parseInt(group, 16));
}
