/** Wake-ups of endpoints: one is under way to each that has something to do later, for the earliest moment. */
import { type Duration, type Instant, SECOND } from '../../domain/time.ts';
import type { UnitOfWork } from '../../mixins/outbox/index.ts';
import type { LockedEndpoint } from './deliveries-store.ts';

/** Attempts that are due within so short a time share a wake-up. */
const TOGETHER: Duration = SECOND / 5;

/** The endpoint, with a wake-up at `next` if none comes before that. */
export function armed<E extends LockedEndpoint>(work: UnitOfWork, endpoint: E, next: Instant | undefined): E {
	const { now, newId } = work.moment;
	const { id, armed_for: armedFor } = endpoint;
	const isUnderWay = armedFor !== null && armedFor > now;
	if (next === undefined) return isUnderWay || armedFor === null ? endpoint : { ...endpoint, armed_for: null };
	const at = Math.max(next, now + TOGETHER);
	if (isUnderWay && armedFor <= at) return endpoint;
	work.raise({ kind: 'wake-up', id: newId(now), type: 'WebhookDue', orderId: id, at });
	return { ...endpoint, armed_for: at };
}
