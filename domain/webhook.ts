/** How an endpoint of a shop is told of events: when a delivery is tried again, and when it, or the endpoint, is given up. */
import { DAY, type Duration, HOUR, type Instant, MINUTE, SECOND } from './time.ts';

/** How long after each failed attempt the next one comes. The first attempt is made at once. */
export const RETRY_DELAYS: readonly Duration[] = [
	5 * SECOND,
	5 * MINUTE,
	30 * MINUTE,
	2 * HOUR,
	5 * HOUR,
	10 * HOUR,
	14 * HOUR,
	20 * HOUR,
	24 * HOUR,
];

/** Each delay is longer or shorter by up to this share, so that what failed together does not come together again. */
const JITTER = 0.1;

/** An endpoint without one success for so long, although attempts were made, is disabled. */
export const LONGEST_FAILURE: Duration = 5 * DAY;

/** How long an endpoint may take to answer. */
export const ANSWER_TIME: Duration = 10 * SECOND;

/** For so long after its rotation an old secret signs beside the new one. */
export const SECRET_OVERLAP: Duration = DAY;

export type DeliveryStatus = 'pending' | 'delivered' | 'failed';
export const DELIVERY_STATUSES = ['pending', 'delivered', 'failed'] as const satisfies readonly DeliveryStatus[];

/** `deleted`: nobody sees it any more, and its deliveries are being removed. */
export type EndpointStatus = 'enabled' | 'disabled' | 'deleted';

/** What became of one attempt. */
export interface Tried {
	readonly kind: 'delivered' | 'refused' | 'unreachable' | 'cut off';
	/** the HTTP status of the answer; null without one */
	readonly responseStatus: number | null;
	/** why it failed, in words that a shop may read; null if it was delivered */
	readonly error: string | null;
}

/** The receiver says that it is gone for good (RFC 9110, section 15.5.11). */
export const saysGone = ({ responseStatus }: Tried): boolean => responseStatus === 410;

/**
 * When the next attempt is to be made after `attempts` have failed; null if that was the last one. `random`: a number
 * from 0 to 1.
 */
export function nextAttempt(attempts: number, now: Instant, random: number): Instant | null {
	const delay = RETRY_DELAYS[attempts - 1];
	if (delay === undefined) return null;
	return now + Math.round(delay * (1 + JITTER * (2 * random - 1)));
}

/** Whether an endpoint that has failed since then is to be disabled. */
export const isGivenUp = (failingSince: Instant, now: Instant): boolean => now - failingSince >= LONGEST_FAILURE;
