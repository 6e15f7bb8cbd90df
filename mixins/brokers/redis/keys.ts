/** What a group's messages are kept in. */
export interface GroupKeys {
	readonly group: string;
	/** a stream, with a consumer group of the same name: what is to be delivered now, and what is in hand */
	readonly stream: string;
	/** a sorted set: the messages that wait, scored by the moment in milliseconds at which they are due */
	readonly delayed: string;
}

/** Every key that the carrier touches. */
export interface Keys {
	readonly groups: readonly GroupKeys[];
	/** a stream for other programs, written only if one of them has made it together with a consumer group */
	readonly events: string;
}

/** All names share one hash tag, so that a Redis Cluster keeps them in one slot and scripts may touch several. */
export function keysOf(prefix: string, groups: readonly string[]): Keys {
	if (prefix === '' || /[{}\s]/.test(prefix)) throw new Error(`not a prefix of Redis keys: ${JSON.stringify(prefix)}`);
	const tag = `{${prefix}}`;
	return {
		groups: groups.map((group) => ({ group, stream: `${tag}:messages:${group}`, delayed: `${tag}:delayed:${group}` })),
		events: `${tag}:events`,
	};
}
