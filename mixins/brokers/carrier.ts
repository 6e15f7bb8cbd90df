import { backOff, type Duration, type Instant, MINUTE, SECOND } from '../../domain/time.ts';
import type { Transaction } from '../database/index.ts';

/** A message as the relay gives it to a carrier. */
export interface CarrierMessage {
	/** UUID v7, fixed when the message was raised */
	readonly id: string;
	readonly type: string;
	/** what messages belong together: the order's id */
	readonly key: string;
	/** the CloudEvents envelope as JSON */
	readonly body: string;
	/** the moment of delivery by the database's clock; null for at once */
	readonly deliverAt: Instant | null;
	/** the time that was left when the message was read from the outbox, by the database's clock */
	readonly delay: Duration;
}

/** A message as a consumer gets it. */
export interface Delivery {
	readonly id: string;
	readonly type: string;
	readonly key: string;
	readonly body: string;
	/** the moment it was to be delivered at; null for a message without one */
	readonly deliverAt: Instant | null;
	/** 1 for the first delivery; only failures count */
	readonly attempt: number;
	/**
	 * Set if the message is not one of ours, or if no consumer survives it: the reason. `id` is the same at each
	 * delivery; the other fields hold what is known.
	 */
	readonly unreadable?: string;
}

/** A message of a batch that failed, and why. */
export interface Failure {
	readonly id: string;
	readonly error: string;
}

/**
 * Handles a group of messages and returns which of them failed; those come again after `retryDelay`, as often as they
 * fail. If it throws, nothing was handled, and all come again with the same `attempt`. No message is acknowledged
 * before the handler has returned.
 *
 * `within`: the transaction that has taken the messages, where carrier and handler share a database. What the handler does
 * in it is committed together with the acknowledgement. If that fails, nothing was handled, and the carrier calls once
 * more without it.
 */
export type BatchHandler = (deliveries: readonly Delivery[], within?: Transaction) => Promise<readonly Failure[]>;

export interface SubscribeOptions {
	/** the most messages in one batch */
	readonly batch?: number;
	/** the most batches in hand at once */
	readonly concurrency?: number;
	/**
	 * how many ms to wait after a batch for more messages: the shorter the more it had, and not at all after 50; a carrier
	 * whose broker does that by itself ignores it
	 */
	readonly linger?: Duration;
}

export interface Subscription {
	/** milliseconds since the consumer last looked for messages */
	readonly sinceLastBeat: Duration;
	/** finishes the batches in hand and takes no more */
	close(): Promise<void>;
}

/** What a carrier knows before the first message. */
export interface Topology {
	/** which message types each consumer group takes */
	readonly consumers: Readonly<Record<string, readonly string[]>>;
	/** all message types. A type without a group is for other programs; a type that is not in the list is refused */
	readonly types: readonly string[];
	/**
	 * Of groups that may have nothing to do for now: a query that finds a row while they have. A carrier that shares the
	 * database asks it as it stores, and stores nothing for the group meanwhile; the others always do.
	 */
	readonly wanted?: Readonly<Record<string, string>>;
}

/** What moves the messages: RabbitMQ, Kafka, Redis or PostgreSQL. It may deliver late, twice, in any order. */
export interface Carrier {
	/** how much before its moment a message may be delivered, in milliseconds; 0 where the database's clock decides */
	readonly early: Duration;
	/** how many calls of `publish` may be under way at once and still be stored in their order, unless one fails; 1 unless given */
	readonly publications?: number;
	/**
	 * Resolves when the carrier holds the messages safely, with those that it can never take. Throws if it cannot be
	 * reached; then any of them may have been taken, and all are to be sent again.
	 */
	publish(messages: readonly CarrierMessage[]): Promise<readonly Failure[]>;
	/**
	 * The same as part of a transaction, where carrier and outbox share a database: what is taken is there with the
	 * commit, or not at all.
	 */
	publishIn?(tx: Transaction, messages: readonly CarrierMessage[]): readonly Failure[];
	/** Delivers a group's messages at least once, until the subscription is closed. */
	subscribe(group: string, handle: BatchHandler, options?: SubscribeOptions): Subscription;
	/** Finishes the work in hand. */
	close(): Promise<void>;
}

/** How long a message waits after its failure number `attempt`. */
export const retryDelay = (attempt: number): Duration => backOff(attempt, SECOND / 4, MINUTE / 2);

/** The longest message that a carrier takes, in bytes. */
export const LONGEST_BODY = 256 * 1024;
