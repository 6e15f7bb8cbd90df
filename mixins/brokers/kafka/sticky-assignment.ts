/** What a member of a group has told the others with its wish to join. */
export interface Member {
	readonly id: string;
	readonly topics: readonly string[];
	/** the partitions that it had until now */
	readonly held: Partitions;
	/** those of them with messages in hand */
	readonly busy: Partitions;
}

/** Partitions by topic. */
export type Partitions = Readonly<Record<string, readonly number[]>>;

/**
 * Shares partitions among members: of each topic everybody gets as many as anybody else, or one more; over all topics
 * about the same; and within that everybody keeps what they had, above all what they are working on.
 */
export function assign(members: readonly Member[], topics: Partitions): ReadonlyMap<string, Partitions> {
	const shares = new Map(members.map(({ id }) => [id, new Map<string, number[]>()]));
	const loads = new Map(members.map(({ id }) => [id, 0]));
	const give = (id: string, topic: string, partition: number): void => {
		const share = shares.get(id);
		share?.set(topic, [...(share.get(topic) ?? []), partition]);
		loads.set(id, (loads.get(id) ?? 0) + 1);
	};
	for (const [topic, partitions] of Object.entries(topics)) {
		const candidates = members.filter((member) => member.topics.includes(topic));
		if (candidates.length === 0) continue;
		const base = Math.floor(partitions.length / candidates.length);
		let extra = partitions.length % candidates.length;
		const free = new Set(partitions);
		const owners = singleOwners(candidates, topic);
		const has = (id: string): number => shares.get(id)?.get(topic)?.length ?? 0;
		const keep = (member: Member, partition: number): void => {
			if (!free.has(partition) || owners.get(partition) !== member.id) return;
			if (has(member.id) >= base + (extra > 0 ? 1 : 0)) return;
			if (has(member.id) === base) extra -= 1;
			free.delete(partition);
			give(member.id, topic, partition);
		};
		for (const member of candidates) for (const partition of member.busy[topic] ?? []) keep(member, partition);
		for (const member of candidates) for (const partition of member.held[topic] ?? []) keep(member, partition);
		for (const partition of free) {
			const [poorest] = candidates.toSorted(
				(a, b) => has(a.id) - has(b.id) || (loads.get(a.id) ?? 0) - (loads.get(b.id) ?? 0) || (a.id < b.id ? -1 : 1),
			);
			if (poorest !== undefined) give(poorest.id, topic, partition);
		}
	}
	return new Map([...shares].map(([id, share]) => [id, Object.fromEntries(share)]));
}

/** Who had each partition; nobody where two say so, since one of them has missed something. */
function singleOwners(members: readonly Member[], topic: string): ReadonlyMap<number, string | undefined> {
	const owners = new Map<number, string | undefined>();
	for (const { id, held } of members)
		for (const partition of held[topic] ?? []) owners.set(partition, owners.has(partition) ? undefined : id);
	return owners;
}
