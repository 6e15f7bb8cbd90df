import { Buffer } from 'node:buffer';
import { AssignerProtocol, type PartitionAssigner } from 'kafkajs';
import { assign, type Member, type Partitions } from './sticky-assignment.ts';

/** What a member has when it joins again. */
export interface Claim {
	/** the name under which the group gave it these; under another name it may have missed something, and has nothing */
	readonly member: string;
	readonly held: Partitions;
	readonly busy: Partitions;
}

const NAME = 'protected-payment-sticky';
const VERSION = 1;

/** kafkajs's form of `assign`. `claim` is asked each time the member is about to join. */
export const stickyAssigner =
	(claim: () => Claim): PartitionAssigner =>
	({ cluster }) => ({
		name: NAME,
		version: VERSION,
		protocol: ({ topics }) => ({
			name: NAME,
			metadata: AssignerProtocol.MemberMetadata.encode({
				version: VERSION,
				topics,
				userData: Buffer.from(JSON.stringify(claim())),
			}),
		}),
		assign: async ({ members, topics }) => {
			const partitions = Object.fromEntries(
				topics.map((topic) => [topic, cluster.findTopicPartitionMetadata(topic).map(({ partitionId }) => partitionId)]),
			);
			const shares = assign(
				members.map(({ memberId, memberMetadata }) => toMember(memberId, memberMetadata)),
				partitions,
			);
			return [...shares].map(([memberId, share]) => ({
				memberId,
				memberAssignment: AssignerProtocol.MemberAssignment.encode({
					version: VERSION,
					assignment: Object.fromEntries(Object.entries(share).map(([topic, some]) => [topic, [...some]])),
					userData: Buffer.alloc(0),
				}),
			}));
		},
	});

function toMember(id: string, metadata: Buffer): Member {
	const decoded = AssignerProtocol.MemberMetadata.decode(metadata);
	const topics = decoded?.topics ?? [];
	const claim = parse(decoded?.userData);
	return claim?.member === id ? { id, topics, held: claim.held, busy: claim.busy } : { id, topics, held: {}, busy: {} };
}

function parse(userData: Buffer | undefined): Claim | undefined {
	try {
		return JSON.parse(String(userData));
	} catch {
		return undefined;
	}
}
