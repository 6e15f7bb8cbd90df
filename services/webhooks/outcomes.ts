/** What becomes of deliveries and endpoints after attempts: one transaction for those that ended together. */
import { isGivenUp, nextAttempt, saysGone, type Tried } from '../../domain/webhook.ts';
import type { Change } from '../../mixins/outbox/index.ts';
import { armed } from './arming.ts';
import {
	type Claimed,
	type DeliveryKey,
	endSubscriptions,
	type LockedDelivery,
	type LockedEndpoint,
	lockDeliveries,
	lockEndpoints,
	releaseDeliveries,
	type Settled,
	storeEndpoints,
	storeOutcomes,
} from './deliveries-store.ts';

/** An attempt that has ended. */
export interface Ended {
	readonly claimed: Pick<Claimed, 'endpoint_id' | 'id' | 'claims'>;
	readonly tried: Tried;
}

/** Why an endpoint was disabled by itself. */
export type Disabled = 'gone' | 'failing';

export interface Outcomes {
	/** of each delivery that the attempt has moved on */
	readonly counted: readonly ('delivered' | 'retry' | 'failed')[];
	readonly disabled: readonly { readonly id: string; readonly why: Disabled }[];
}

/** The newest of each: within a group a delivery may have ended twice, if a stand-still lasted longer than its lease. */
const keyOf = (endpointId: string, eventId: string): string => `${endpointId} ${eventId}`;

/**
 * Stores outcomes. A success counts whoever reports it; a failure only while nobody else has taken the delivery over. What
 * was cut off is given back, and does not count as an attempt. `random` as in `nextAttempt`.
 */
export const settling =
	(ended: readonly Ended[], random: () => number): Change<Outcomes> =>
	async (work, tx) => {
		// What is lost with the server is sent again.
		tx.commitLazily();
		const byKey = new Map(ended.map((one) => [keyOf(one.claimed.endpoint_id, one.claimed.id), one]));
		const all = [...byKey.values()];
		const keys = all.map(({ claimed }): DeliveryKey => ({ endpointId: claimed.endpoint_id, eventId: claimed.id }));
		const [endpoints, deliveries, { now }] = await Promise.all([
			tx.query<LockedEndpoint>(lockEndpoints([...new Set(keys.map(({ endpointId }) => endpointId))])),
			tx.query<LockedDelivery>(lockDeliveries(keys)),
			work.readClock(),
		]);
		const settled: Settled[] = [];
		const released: DeliveryKey[] = [];
		const triedOf = new Map<string, Tried[]>();
		for (const delivery of deliveries) {
			const one = byKey.get(keyOf(delivery.endpoint_id, delivery.event_id));
			if (one === undefined || delivery.status !== 'pending') continue;
			const isOurs = delivery.claims === one.claimed.claims;
			const key: DeliveryKey = { endpointId: delivery.endpoint_id, eventId: delivery.event_id };
			if (one.tried.kind === 'cut off') {
				if (isOurs) released.push(key);
			} else if (isOurs || one.tried.kind === 'delivered') {
				settled.push(settledBy(key, delivery.attempts + 1, one.tried, now, random()));
				triedOf.set(key.endpointId, [...(triedOf.get(key.endpointId) ?? []), one.tried]);
			}
		}
		const disabled: { id: string; why: Disabled }[] = [];
		const changed = endpoints.flatMap((before): LockedEndpoint[] => {
			const { id } = before;
			const judged = judge(before, triedOf.get(id) ?? [], now);
			if (judged.why !== undefined) disabled.push({ id, why: judged.why });
			const next = settled.flatMap((one) => (one.endpointId === id ? (one.nextAttemptAt ?? []) : []));
			const after =
				judged.after.status === 'enabled' && next.length > 0
					? armed(work, judged.after, Math.min(...next))
					: judged.after;
			return after === before ? [] : [after];
		});
		if (settled.length > 0) tx.write(storeOutcomes(settled));
		if (released.length > 0) tx.write(releaseDeliveries(released));
		if (changed.length > 0) tx.write(storeEndpoints(changed));
		if (disabled.length > 0)
			tx.write(
				endSubscriptions(
					disabled.map(({ id }) => id),
					now,
				),
			);
		work.save();
		return { counted: settled.map(countedAs), disabled };
	};

const countedAs = ({ status }: Settled): Outcomes['counted'][number] => (status === 'pending' ? 'retry' : status);

function settledBy(key: DeliveryKey, attempts: number, tried: Tried, now: number, random: number): Settled {
	const { responseStatus, error } = tried;
	const after = { ...key, attempts, responseStatus, error };
	if (tried.kind === 'delivered') return { ...after, status: 'delivered', nextAttemptAt: null, finishedAt: now };
	const next = nextAttempt(attempts, now, random);
	return next === null
		? { ...after, status: 'failed', nextAttemptAt: null, finishedAt: now }
		: { ...after, status: 'pending', nextAttemptAt: next, finishedAt: null };
}

/** An endpoint after these attempts. */
function judge(
	before: LockedEndpoint,
	tried: readonly Tried[],
	now: number,
): { readonly after: LockedEndpoint; readonly why?: Disabled } {
	if (tried.length === 0) return { after: before };
	const isGone = tried.some(saysGone);
	const hasHeard = tried.some(({ kind }) => kind === 'delivered');
	const failingSince = hasHeard ? null : (before.failing_since ?? now);
	const after = failingSince === before.failing_since ? before : { ...before, failing_since: failingSince };
	if (before.status !== 'enabled') return { after };
	if (isGone) return { after: { ...after, status: 'disabled' }, why: 'gone' };
	if (failingSince !== null && isGivenUp(failingSince, now))
		return { after: { ...after, status: 'disabled' }, why: 'failing' };
	return { after };
}
