import type { Access } from './access.ts';
import type { BrokerUrl } from './broker-url.ts';
import { type Environment, isLoopback, readOneOf } from './reading.ts';

interface Place {
	readonly host: string;
	readonly isDoor: boolean;
	readonly broker: BrokerUrl | undefined;
}

/**
 * `WEBHOOK_ALLOW_PRIVATE`. Unless set, only where nobody but people on this machine can make an endpoint: `AUTH=off` on a
 * loopback `HOST`. A process without the gateway does not know who reaches that; it goes by where the broker is, through
 * which the gateway reaches it.
 */
export function readAllowPrivate(env: Environment, { auth }: Access, { host, isDoor, broker }: Place): boolean {
	const isOpen = auth.kind === 'off' && env.AUTH !== 'jwt' && isLoopback(host);
	const isAlone = isOpen && (isDoor || broker === undefined || hostsOf(broker).every(isLoopback));
	return readOneOf(env, 'WEBHOOK_ALLOW_PRIVATE', ['on', 'off'], isAlone ? 'on' : 'off') === 'on';
}

function hostsOf(broker: BrokerUrl): readonly string[] {
	const urls = broker.kind === 'kafka' ? broker.hosts.map((host) => `kafka://${host}`) : [broker.url];
	return urls.map((url) => (URL.parse(url)?.hostname ?? '').replace(/^\[|\]$/g, ''));
}
