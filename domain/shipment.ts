import { backOff, type Duration, type Instant, MINUTE, SECOND, spread } from './time.ts';

/** The hand-over of one parcel that was intended and whose outcome is not known yet; immutable. */
export interface Shipment {
	/** the call is not repeated before this moment */
	readonly attemptUntil: Instant;
	/** 1 for the first call */
	readonly attempts: number;
}

/** What became of one call to the parcel service; it has no final refusal. */
export type HandOverOutcome =
	| { readonly kind: 'succeeded'; readonly parcel: string }
	| { readonly kind: 'unknown'; readonly reason: string };

const FIRST_RETRY: Duration = SECOND;
const LONGEST_RETRY: Duration = MINUTE;

/** The intent for the first or the next attempt, or undefined while a call is under way. */
export function nextAttempt(shipment: Shipment | null, now: Instant, timeout: Duration): Shipment | undefined {
	if (shipment === null) return { attemptUntil: now + timeout, attempts: 1 };
	if (now < shipment.attemptUntil) return undefined;
	return { attemptUntil: now + timeout, attempts: shipment.attempts + 1 };
}

/** After a failed attempt: when the next may begin. If a later attempt is in progress, its moment stays. `chance`: see `spread`. */
export function failedAttempt(shipment: Shipment, attempt: number, now: Instant, chance: number): Shipment {
	if (attempt < shipment.attempts) return shipment;
	return { ...shipment, attemptUntil: now + spread(backOff(shipment.attempts, FIRST_RETRY, LONGEST_RETRY), chance) };
}
