/** Policies for calls between nodes: failures, retries, limits; plain data for Moleculer's middlewares. */
import { type BrokerOptions, Errors } from 'moleculer';
import { SECOND } from '../../domain/time.ts';

const TOO_LATE = 'CALL_TOO_LATE';
const BUSY = 'BUSY';

/** The fields of Moleculer's errors, and of ours that came from another node. */
interface CallError {
	readonly code?: unknown;
	readonly type?: unknown;
	readonly retryable?: unknown;
	/** the node that it came from; none if it was raised here */
	readonly nodeID?: unknown;
}

const isCallError = (error: unknown): error is CallError => typeof error === 'object' && error !== null;

/**
 * Whether an error speaks against the node that was called, so that others should be asked for a while: it did not
 * answer, it went away, or it said that it cannot work now. A refusal, a bug, a broker that is away or slow does not,
 * nor one order that too many want to change.
 */
export function isNodeFailure(error: unknown): boolean {
	if (!isCallError(error)) return false;
	if (error.type === 'REQUEST_TIMEOUT' || error.type === 'REQUEST_REJECTED') return true;
	return error.code === 503 && error.nodeID !== undefined && error.type !== TOO_LATE && error.type !== BUSY;
}

/** Whether a read may be asked of another node at once. Not after a time-out: the caller has waited long enough. */
export const isWorthRepeating = (error: unknown): boolean =>
	isCallError(error) && error.retryable === true && error.type !== 'REQUEST_TIMEOUT';

/** What every node is given. An action that reads says so with `retryPolicy: READ_POLICY`; nothing else is repeated. */
export const CALL_POLICIES = {
	retryPolicy: { enabled: false, retries: 1, delay: 50, maxDelay: 50, factor: 1, check: isWorthRepeating },
	circuitBreaker: {
		enabled: true,
		threshold: 0.5,
		minRequestCount: 10,
		windowTime: 10, // s
		halfOpenTime: 2 * SECOND,
		check: isNodeFailure,
	},
	// Far above what the group commit works on at once; it only limits how much can pile up.
	bulkhead: { enabled: true, concurrency: 2_000, maxQueueSize: 2_000 },
} satisfies BrokerOptions;

export const READ_POLICY = { enabled: true };

/** Whether an action only reads, so that it does no harm late or twice. */
export const isRead = (action: { readonly retryPolicy?: { readonly enabled?: boolean } } | null | undefined): boolean =>
	action?.retryPolicy?.enabled === true;

/** The call came too late to begin: its caller may have had an answer already. Nothing was done. */
export class CallTooLate extends Errors.MoleculerError {
	constructor() {
		super('The call came too late to be begun.', 503, TOO_LATE);
	}
}

/** Too many calls work on the same order; the node can do other work. Nothing was done. */
export class Busy extends Errors.MoleculerError {
	constructor(message: string) {
		super(message, 503, BUSY);
	}
}

/** The gateway's own action only waits for others: what it waits for is bounded there. */
export const NO_POLICY = { bulkhead: { enabled: false }, circuitBreaker: { enabled: false } };
