import { createRequire } from 'node:module';
import { Kafka, type KafkaConfig, logLevel, type SASLOptions } from 'kafkajs';
import { type Duration, SECOND } from '../../../domain/time.ts';
import type { Log } from '../../runtime/index.ts';
import { type BrokerUrl, parseBrokerUrl } from '../../settings/index.ts';

const CONNECTION_PATIENCE: Duration = 3 * SECOND;
/** A connection that went dead silently is given up after this. */
const REQUEST_PATIENCE: Duration = 10 * SECOND;
const RETRY = { initialRetryTime: 100, maxRetryTime: SECOND, retries: 3 };

export type KafkaUrl = Extract<BrokerUrl, { kind: 'kafka' }>;

/** Throws one sentence, without the URL, if that is not one of Kafka's. */
export function parseKafkaUrl(url: string): KafkaUrl {
	const parsed = parseBrokerUrl(url);
	if (parsed?.kind === 'kafka') return parsed;
	throw new Error('not a Kafka URL: kafka://host:9092[,host:9092] or kafkas://user:password@…');
}

/**
 * kafkajs for one producer, consumer or admin: clients of one group that share it would share their offsets too. Its
 * own log goes to the debug level; our code logs what matters. `heard` is called with each error that a broker answers:
 * of some kafkajs makes another one, without their words.
 */
export function createClient({ hosts, tls, login }: KafkaUrl, log: Log, heard?: (error: Error) => void): Kafka {
	calmRequestQueue();
	const config: KafkaConfig = {
		clientId: 'protected-payment',
		brokers: [...hosts],
		ssl: tls,
		...(login === undefined ? {} : { sasl: { ...login } as SASLOptions }),
		connectionTimeout: CONNECTION_PATIENCE,
		requestTimeout: REQUEST_PATIENCE,
		retry: RETRY,
		logLevel: logLevel.WARN,
		logCreator:
			() =>
			({ namespace, log: { message, error } }) => {
				log.debug(`kafkajs ${namespace}: ${message}`);
				if (typeof error === 'string' && message.startsWith('Response ')) heard?.(new Error(error));
			},
	};
	return new Kafka(config);
}

const NO_LEADER: readonly string[] = ['UNKNOWN_TOPIC_OR_PARTITION', 'LEADER_NOT_AVAILABLE', 'NOT_LEADER_FOR_PARTITION'];

const TOO_LARGE: readonly string[] = ['MESSAGE_TOO_LARGE', 'RECORD_LIST_TOO_LARGE'];

/** Whether the broker answered with one of these errors. */
function isOneOf(types: readonly string[], error: unknown): boolean {
	if (!(error instanceof Error)) return false;
	if ('type' in error && types.includes(String(error.type))) return true;
	return error.cause !== error && isOneOf(types, error.cause);
}

/** Whether a partition is not there, or the broker does not lead it, now. */
export const hasNoLeader = (error: unknown): boolean => isOneOf(NO_LEADER, error);

/** Whether a topic takes no set of records of this size. */
export const isTooLarge = (error: unknown): boolean => isOneOf(TOO_LARGE, error);

interface RequestQueue {
	readonly pending: readonly unknown[];
	scheduleCheckPendingRequests(): void;
}

let calmed = false;

/**
 * kafkajs 2.2.4 lets a timer of 1 ms run for ever on each connection, to look for requests that it holds back, also
 * when it holds none: 3 % of a core for each connection, and Node's TimeoutNegativeWarning (its issue 1751). Here the
 * timer runs only while something is held back.
 */
function calmRequestQueue(): void {
	if (calmed) return;
	calmed = true;
	const { prototype } = createRequire(import.meta.url)('kafkajs/src/network/requestQueue') as {
		prototype: RequestQueue;
	};
	const schedule = prototype.scheduleCheckPendingRequests;
	prototype.scheduleCheckPendingRequests = function (this: RequestQueue): void {
		if (this.pending.length > 0) schedule.call(this);
	};
}
