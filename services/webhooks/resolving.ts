/** From the name of a host to its addresses, before a connection is made. */
import { promises, lookup as systemLookup } from 'node:dns';
import { isIP, type LookupFunction } from 'node:net';
import { type Duration, SECOND } from '../../domain/time.ts';
import { isPublic } from './addresses.ts';

/** The host is, or its name leads to, an address that is not public. Nothing was sent to it. */
export class PrivateAddress extends Error {
	override readonly name = 'PrivateAddress';
	readonly code = 'PRIVATE_ADDRESS';
}

interface Address {
	readonly address: string;
	readonly family: number;
}

const PATIENCE: Duration = 2 * SECOND;
const resolver = new promises.Resolver({ timeout: PATIENCE, tries: 2 });

/**
 * All addresses of a name; rejects if there are none. First by Node's own resolver: the system's occupies one of four
 * threads, so that a few names whose servers do not answer would hold up all others. The system is asked, because it
 * knows more names, where that resolver has got an answer, but no address.
 */
export async function addressesOf(host: string): Promise<readonly Address[]> {
	const family = isIP(host);
	if (family !== 0) return [{ address: host, family }];
	const [four, six] = await Promise.allSettled([resolver.resolve4(host), resolver.resolve6(host)]);
	const found = [...asAddresses(four, 4), ...asAddresses(six, 6)];
	if (found.length > 0) return found;
	for (const answer of [four, six]) if (answer.status === 'rejected' && isLate(answer.reason)) throw answer.reason;
	return new Promise((resolve, reject) => {
		systemLookup(host, { all: true }, (error, addresses) => (error ? reject(error) : resolve(addresses)));
	});
}

const asAddresses = (answer: PromiseSettledResult<string[]>, family: number): Address[] =>
	answer.status === 'fulfilled' ? answer.value.map((address) => ({ address, family })) : [];

const isLate = (error: unknown): boolean => error instanceof Error && 'code' in error && error.code === 'ETIMEOUT';

/** A URL's host without the brackets of an IPv6 address. */
export const hostOf = (url: URL): string => url.hostname.replace(/^\[|\]$/g, '');

/** For connections: looks a name up, and refuses it if one of its addresses is not public. */
export const publicOnly: LookupFunction = (host, options, callback) => {
	addressesOf(host).then(
		(addresses) => {
			if (!addresses.every(({ address }) => isPublic(address))) {
				return callback(new PrivateAddress('the name leads to a private address'), '', 0);
			}
			answer(addresses, options, callback);
		},
		(error: NodeJS.ErrnoException) => callback(error, '', 0),
	);
};

/** The same without the refusal. */
export const anywhere: LookupFunction = (host, options, callback) => {
	addressesOf(host).then(
		(addresses) => answer(addresses, options, callback),
		(error: NodeJS.ErrnoException) => callback(error, '', 0),
	);
};

const answer: (
	addresses: readonly Address[],
	...rest: [Parameters<LookupFunction>[1], Parameters<LookupFunction>[2]]
) => void = (addresses, { all }, callback) => {
	const [first] = addresses;
	if (all) callback(null, [...addresses]);
	else if (first === undefined) callback(Object.assign(new Error('no address'), { code: 'ENOTFOUND' }), '', 0);
	else callback(null, first.address, first.family);
};
