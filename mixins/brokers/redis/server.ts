import type { Redis } from 'ioredis';

/** Where a Redis is. */
export interface Address {
	readonly host: string;
	readonly port: number;
}

/** What `INFO` says of a server. */
export type ServerInfo = ReadonlyMap<string, string>;

/**
 * A server that must not carry messages with its present settings; waiting does not help, an operator must change them.
 */
export class UnfitServer extends Error {}

/** A server that cannot be used now; the message contains nothing secret. */
export class NotNow extends Error {}

/** The oldest version that has `XAUTOCLAIM` and `XTRIM MINID`. */
const OLDEST = [6, 2] as const;

export const parseInfo = (text: string): ServerInfo =>
	new Map(
		text.split('\r\n').flatMap((line): [string, string][] => {
			const colon = line.indexOf(':');
			return line.startsWith('#') || colon < 0 ? [] : [[line.slice(0, colon), line.slice(colon + 1)]];
		}),
	);

/** Why messages must not be trusted to this server, in one sentence; undefined if they may. */
export function unfitness(info: ServerInfo): string | undefined {
	const policy = info.get('maxmemory_policy');
	if (policy !== 'noeviction')
		return `Redis may throw messages away: its maxmemory-policy is ${policy ?? 'not known'}, it must be noeviction`;
	const version = info.get('redis_version') ?? '';
	const [major = 0, minor = 0] = version.split('.').map(Number);
	if (major < OLDEST[0] || (major === OLDEST[0] && minor < OLDEST[1]))
		return `Redis ${version} is too old, it must be ${OLDEST.join('.')} or later`;
	return undefined;
}

export const isLoading = (info: ServerInfo): boolean => info.get('loading') === '1';

export const isReplica = (info: ServerInfo): boolean => info.get('role') === 'slave';

/** What an operator should know about a usable server. */
export function misgivings(info: ServerInfo): string | undefined {
	if (info.get('aof_enabled') === '1') return undefined;
	return 'Redis keeps nothing over a crash: turn on appendonly, or each restart of it delays every order under way';
}

type Node = readonly [host: string | null, port: number, id: string, ...unknown[]];
type Slots = readonly (readonly [from: number, to: number, primary: Node, ...replicas: Node[]])[];

export interface Whereabouts {
	/** the node to go to; undefined if the key is here */
	readonly elsewhere: Address | undefined;
	/** every node of the cluster, for a time when this one is away */
	readonly nodes: readonly Address[];
}

/** Which node of a cluster holds a key's slot. A Redis that is not part of one holds every key. */
export async function findKey(client: Redis, info: ServerInfo, key: string, here: Address): Promise<Whereabouts> {
	if (info.get('cluster_enabled') !== '1') return { elsewhere: undefined, nodes: [] };
	const [slot, slots, self] = await Promise.all([
		client.cluster('KEYSLOT', key),
		client.cluster('SLOTS') as Promise<unknown> as Promise<Slots>,
		client.call('CLUSTER', 'MYID'),
	]);
	// A node that does not know its own name means the one that was asked.
	const addressOf = ([host, port]: Node): Address => ({ host: host || here.host, port });
	const primary = slots.find(([from, to]) => from <= slot && slot <= to)?.[2];
	if (primary === undefined) throw new NotNow(`no node of the Redis Cluster holds slot ${slot}`);
	return {
		elsewhere: primary[2] === self ? undefined : addressOf(primary),
		nodes: slots.flatMap(([_from, _to, ...nodes]) => nodes.map(addressOf)),
	};
}
