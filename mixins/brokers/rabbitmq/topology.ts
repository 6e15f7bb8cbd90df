import type { Channel } from 'amqplib';
import type { Duration } from '../../../domain/time.ts';
import type { Topology } from '../carrier.ts';
import { LEVELS, lengthName, USUAL, wayThrough } from './delay-ladder.ts';

/**
 * A message that was delivered so often without an answer may be what kills its consumers: the broker moves it to the
 * dead queue. Our consumers stop handling it one delivery earlier.
 */
export const MOST_DELIVERIES = 100;
/** Without a limit of its own a quorum queue drops a message after 20 deliveries in vain (RabbitMQ 4). */
const NO_LIMIT = 2_147_483_647;

const DURABLE = { durable: true } as const;
/** In a cluster the queues' leaders are spread over all nodes. */
const QUORUM = { 'x-queue-type': 'quorum', 'x-queue-leader-locator': 'balanced' } as const;
/** A dead-lettered message leaves its queue only when the next one has confirmed it; this needs `reject-publish`. */
const AT_LEAST_ONCE = { 'x-dead-letter-strategy': 'at-least-once', 'x-overflow': 'reject-publish' } as const;

/** Where to publish a message, and under which routing key. */
export interface Route {
	readonly exchange: string;
	readonly routingKey: string;
	/** how much of the delay is left to the consumer */
	readonly rest: Duration;
}

/**
 * The names of all that the carrier has on the broker:
 * - `events`: takes what is to be delivered at once, under its type; others may bind queues of their own here;
 * - `delay.*`: the delay ladder. A routing key has a word for each level and the address at its end;
 * - `due`: takes what comes off the ladder and passes it to the group's queue, by its address;
 * - `group.*`: a queue for each consumer group;
 * - `dead`: takes what the broker gives up, until `DeadQueue` fetches it.
 *
 * The release before declares the same with the same arguments: the broker refuses any other.
 */
export class Names {
	readonly events: string;
	readonly due: string;
	readonly usual: string;
	readonly dead: string;
	readonly #prefix: string;

	constructor(prefix: string) {
		this.#prefix = prefix;
		this.events = `${prefix}.events`;
		this.due = `${prefix}.due`;
		this.usual = `${prefix}.delay.usual`;
		this.dead = `${prefix}.dead`;
	}

	/** The exchange before a level; past the last one that is `due`. */
	level(index: number): string {
		return index < LEVELS.length ? `${this.#prefix}.delay.level-${index + 1}` : this.due;
	}

	delayQueue(length: Duration): string {
		return `${this.#prefix}.delay.${lengthName(length)}`;
	}

	group(group: string): string {
		return `${this.#prefix}.group.${group}`;
	}

	groupOf(queue: string): string | undefined {
		const start = `${this.#prefix}.group.`;
		return queue.startsWith(start) ? queue.slice(start.length) : undefined;
	}

	/** To all groups that take a type. */
	toType(type: string, delay: Duration): Route {
		return this.#down(type, delay) ?? { exchange: this.events, routingKey: type, rest: delay };
	}

	/** To one group alone. */
	toGroup(group: string, delay: Duration): Route {
		return this.#down(addressOf(group), delay) ?? { exchange: '', routingKey: this.group(group), rest: delay };
	}

	/** Down the ladder; undefined if the delay is too short for it. */
	#down(address: string, delay: Duration): Route | undefined {
		const { entry, waits, usual, rest } = wayThrough(delay);
		if (usual !== undefined) return { exchange: this.usual, routingKey: `${lengthName(usual)}.${address}`, rest };
		if (entry === undefined) return undefined;
		return { exchange: this.level(entry), routingKey: [...waits.map(lengthName), address].join('.'), rest };
	}
}

/** The address of one group alone; a type has no such sign. */
export const addressOf = (group: string): string => `@${group}`;

/** Declares all that the carrier needs; what is there already stays as it is. */
export async function declareTopology(channel: Channel, names: Names, topology: Topology): Promise<void> {
	await declareDeadLetters(channel, names);
	await declareGroups(channel, names, topology);
	await declareDelays(channel, names);
}

async function declareDeadLetters(channel: Channel, { dead }: Names): Promise<void> {
	await channel.assertExchange(dead, 'fanout', DURABLE);
	await channel.assertQueue(dead, {
		...DURABLE,
		// One process at a time empties it.
		arguments: { ...QUORUM, 'x-delivery-limit': NO_LIMIT, 'x-single-active-consumer': true },
	});
	await channel.bindQueue(dead, dead, '');
}

async function declareGroups(channel: Channel, names: Names, topology: Topology): Promise<void> {
	const { events, due, dead } = names;
	await channel.assertExchange(events, 'topic', DURABLE);
	// A message that no group takes any more would stay at the head of its delay queue, and hold up those behind it.
	await channel.assertExchange(due, 'topic', { ...DURABLE, alternateExchange: dead });
	for (const [group, types] of Object.entries(topology.consumers)) {
		const queue = names.group(group);
		await channel.assertQueue(queue, {
			...DURABLE,
			arguments: { ...QUORUM, ...AT_LEAST_ONCE, 'x-dead-letter-exchange': dead, 'x-delivery-limit': MOST_DELIVERIES },
		});
		for (const type of types) {
			await channel.bindQueue(queue, events, type);
			await channel.bindQueue(queue, due, `#.${type}`);
		}
		await channel.bindQueue(queue, due, `#.${addressOf(group)}`);
	}
}

async function declareDelays(channel: Channel, names: Names): Promise<void> {
	for (const index of LEVELS.keys()) await channel.assertExchange(names.level(index), 'topic', DURABLE);
	for (const [index, lengths] of LEVELS.entries()) {
		const [level, next] = [names.level(index), names.level(index + 1)];
		const before = '*.'.repeat(index);
		for (const length of lengths) await declareDelay(channel, names, { length, level, before, next });
		await channel.bindExchange(next, level, `${before}${lengthName(0)}.#`);
	}
	await channel.assertExchange(names.usual, 'topic', DURABLE);
	for (const length of USUAL) {
		await declareDelay(channel, names, { length, level: names.usual, before: '', next: names.due });
	}
}

async function declareDelay(
	channel: Channel,
	names: Names,
	{ length, level, before, next }: { length: Duration; level: string; before: string; next: string },
): Promise<void> {
	const queue = names.delayQueue(length);
	const expiry = { 'x-message-ttl': length, 'x-dead-letter-exchange': next };
	await channel.assertQueue(queue, { ...DURABLE, arguments: { ...QUORUM, ...AT_LEAST_ONCE, ...expiry } });
	await channel.bindQueue(queue, level, `${before}${lengthName(length)}.#`);
}
