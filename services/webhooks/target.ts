/** Whether a URL may be an endpoint's. */
import { isIP } from 'node:net';
import { type Duration, SECOND } from '../../domain/time.ts';
import { withFallback } from '../../mixins/runtime/index.ts';
import { isPublic } from './addresses.ts';
import { addressesOf, hostOf } from './resolving.ts';

/** How long the name of a new endpoint is looked up. What takes longer is found out when it is called. */
const PATIENCE: Duration = 3 * SECOND;

/** What is wrong with the URL itself, in one sentence; undefined if nothing is. */
function formFault(url: URL | null, allowPrivate: boolean): string | undefined {
	if (url === null || (url.protocol !== 'https:' && url.protocol !== 'http:')) return 'Must be a URL https://….';
	if (url.protocol === 'http:' && !allowPrivate) return 'Must be a URL https://…: http:// is not accepted here.';
	if (url.username !== '' || url.password !== '') return 'Must have no user and no password.';
	if (url.hash !== '') return 'Must have no fragment.';
	return undefined;
}

/** The same with its address, if that can be found out now. */
export async function urlFault(text: string, allowPrivate: boolean): Promise<string | undefined> {
	const url = URL.parse(text);
	const fault = formFault(url, allowPrivate);
	if (fault !== undefined || allowPrivate || url === null) return fault;
	const addresses = await withFallback(addressesOf(hostOf(url)), PATIENCE, []).catch(() => []);
	return addresses.every(({ address }) => isPublic(address))
		? undefined
		: 'Must not lead to a private, loopback or link-local address.';
}

/** Whether a URL's host is an address that is not public. Names are looked at when they are connected to. */
export function isPrivateLiteral(url: URL): boolean {
	const host = hostOf(url);
	return isIP(host) !== 0 && !isPublic(host);
}
