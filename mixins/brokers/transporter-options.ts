/** How Moleculer's transporters are told to treat each broker; pure, so that every choice can be read and tested. */
import type { RedisOptions } from 'ioredis';
import { type Duration, SECOND } from '../../domain/time.ts';
import type { BrokerUrl } from '../settings/index.ts';

/** Longer than this nobody waits for an answer. */
export const REQUEST_TIMEOUT: Duration = 15 * SECOND;

/** The part of a call's time in which it may begin. The rest is for the work and the way back of its answer. */
const BEGIN_SHARE = 2 / 3;

/** How long a call may take until it begins, which is less than its caller waits; `timeout` 0 is none. */
export const beginWithin = (timeout: Duration): Duration =>
	(timeout > 0 ? Math.min(timeout, REQUEST_TIMEOUT) : REQUEST_TIMEOUT) * BEGIN_SHARE;

/** In seconds, as Moleculer has it: a node that was killed is noticed within seven. */
export const HEARTBEAT = { heartbeatInterval: 2, heartbeatTimeout: 6 };

/** How much longer a caller waits than its call may take to begin. */
export const ANSWER_WITHIN: Duration = REQUEST_TIMEOUT - beginWithin(REQUEST_TIMEOUT);

/** A broker that is too busy, or that has lost a topic meanwhile, may leave a subscription without an answer for good. */
export const LONGEST_CONNECT: Duration = 30 * SECOND;

const CONNECT_TIMEOUT: Duration = 5 * SECOND;

/** The subscribing connection: it waits for the broker; Moleculer subscribes again after each connect. */
export const REDIS_SUBSCRIBER: RedisOptions = {
	connectionName: 'protected-payment-subscriber',
	connectTimeout: CONNECT_TIMEOUT,
	keepAlive: 5 * SECOND,
	retryStrategy: (times) => Math.min(times * 50, SECOND),
	maxRetriesPerRequest: null,
	autoResubscribe: false,
};

/** The publishing connection: what cannot be sent now fails now, and is never sent again. */
export const REDIS_PUBLISHER: RedisOptions = {
	...REDIS_SUBSCRIBER,
	connectionName: 'protected-payment-publisher',
	maxRetriesPerRequest: 0,
	autoResendUnfulfilledCommands: false,
	enableOfflineQueue: false,
};

/**
 * Kafka, in the object form: a text with several hosts is not split. With its default retries the consumer stays deaf
 * for good after an outage. The producer has none: the client repeats what may have been stored, so one request would
 * arrive twice.
 */
export function kafkaOptions({ hosts, tls, login }: Extract<BrokerUrl, { kind: 'kafka' }>) {
	const connection = {
		...(tls ? { tls: {}, tlsServerName: true } : {}),
		...(login === undefined
			? {}
			: {
					sasl: {
						mechanism: login.mechanism.toUpperCase(),
						username: login.username,
						password: login.password,
					},
				}),
	};
	return {
		clientId: 'protected-payment',
		bootstrapBrokers: [...hosts],
		producer: { ...connection, retries: 0 },
		admin: connection,
		consumer: { ...connection, retries: true, retryDelay: 250 },
	};
}
