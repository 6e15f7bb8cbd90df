/** The times of calls between processes, whatever broker carries them. */
import { type Duration, SECOND } from '../../domain/time.ts';

/** The longest wait for an answer. */
export const REQUEST_TIMEOUT: Duration = 15 * SECOND;

/** The part of a call's time in which it may begin. The rest is for the work and the way back of its answer. */
const BEGIN_SHARE = 2 / 3;

/** How long a call may take until it begins; less than its caller waits. `timeout` 0 means none. */
export const beginWithin = (timeout: Duration): Duration =>
	(timeout > 0 ? Math.min(timeout, REQUEST_TIMEOUT) : REQUEST_TIMEOUT) * BEGIN_SHARE;

/** In seconds, as Moleculer expects it. A killed node is noticed within seven. */
export const HEARTBEAT = { heartbeatInterval: 2, heartbeatTimeout: 6 };

/** How much longer a caller waits than its call may take to begin. */
export const ANSWER_WITHIN: Duration = REQUEST_TIMEOUT - beginWithin(REQUEST_TIMEOUT);

/** A broker that is too busy, or that has lost a topic meanwhile, may leave a subscription without an answer for good. */
export const LONGEST_CONNECT: Duration = 30 * SECOND;
