/** From events to deliveries. */
import { type Duration, HOUR, type Instant, MINUTE, SECOND } from '../../domain/time.ts';
import type { BatchHandler, Delivery, Failure } from '../../mixins/brokers/index.ts';
import { type Database, instant, isTransient, NOW, type Statement } from '../../mixins/database/index.ts';
import type { Outbox } from '../../mixins/outbox/index.ts';
import { bisect, errorMessage, isUuid } from '../../mixins/runtime/index.ts';
import { armed } from './arming.ts';
import {
	insertDeliveries,
	insertLostDeliveries,
	type LockedEndpoint,
	lockEndpoints,
	nextAttempts,
	storeEndpoints,
	WANTED_TYPES,
} from './deliveries-store.ts';

/** The endpoints that have something due. */
type Wake = (endpointIds: Iterable<string>) => void;

/** Finished deliveries are kept at least so long, whatever `RETENTION` is: a carrier may bring an event twice. */
const KEPT_AT_LEAST: Duration = HOUR;
export const keptFor = (retention: Duration): Duration => Math.max(retention, KEPT_AT_LEAST);

/**
 * Handles the messages of the group: events become deliveries, wake-ups have an endpoint looked at. There is no inbox: a
 * delivery is there once for an event and an endpoint, and a wake-up only says "look now".
 */
export const takingIn =
	(outbox: Outbox, database: Database, kept: Duration, wake: Wake): BatchHandler =>
	async (deliveries) => {
		const failures: Failure[] = [];
		const known = deliveries.filter(({ id, key }) => {
			const isOurs = isUuid(id) && isUuid(key);
			if (!isOurs) failures.push({ id, error: 'not understood: the key is not an id' });
			return isOurs;
		});
		const { wakeUps = [], events = [] } = Object.groupBy(known, ({ type }) =>
			type === 'WebhookDue' ? 'wakeUps' : 'events',
		);
		if (wakeUps.length > 0) {
			const endpoints = [...new Set(wakeUps.map(({ key }) => key))];
			await rearm(outbox, endpoints);
			wake(endpoints);
		}
		const wanted = events.length > 0 ? await wantedOf(database, events) : [];
		await bisect(
			wanted,
			async (group) => wake(await store(outbox, group, kept)),
			({ id }, error) => failures.push({ id, error: errorMessage(error) }),
			isTransient,
		);
		return failures;
	};

/** Those that an endpoint asks for by their type: the one look that a batch costs where there are no endpoints. */
async function wantedOf(database: Database, events: readonly Delivery[]): Promise<readonly Delivery[]> {
	const rows = await database.query<{ types: readonly string[] | null }>(WANTED_TYPES);
	if (rows.some(({ types }) => types === null)) return events;
	const types = new Set(rows.flatMap((row) => row.types ?? []));
	return events.filter(({ type }) => types.has(type));
}

/** Returns the endpoints that have new deliveries. */
async function store(outbox: Outbox, events: readonly Delivery[], kept: Duration): Promise<readonly string[]> {
	return outbox.transaction('webhooks.handle', async (_work, tx) => {
		// If this commit is lost with the server, so are later looks for lost events, which then find them.
		tx.commitLazily();
		const rows = await tx.query<{ endpoint_id: string }>(insertDeliveries(events, kept));
		return rows.map(({ endpoint_id }) => endpoint_id);
	});
}

/** The wake-up of these endpoints has come; raises the next where there will be something to do. */
async function rearm(outbox: Outbox, ids: readonly string[]): Promise<void> {
	await outbox.transaction('webhooks.handle', async (work, tx) => {
		const [endpoints, next] = await Promise.all([
			tx.query<LockedEndpoint>(lockEndpoints(ids)),
			tx.query<{ id: string; next: Instant }>(nextAttempts(ids)),
			work.readClock(),
		]);
		const moments = new Map(next.map((row) => [row.id, row.next]));
		const changed = endpoints.flatMap((before): LockedEndpoint[] => {
			if (before.status !== 'enabled') return [];
			const after = armed(work, before, moments.get(before.id));
			return after === before ? [] : [after];
		});
		if (changed.length > 0) tx.write(storeEndpoints(changed));
		work.save();
	});
}

/** Events that are younger are left to the carrier. */
const LEFT_TO_CARRIER: Duration = 10 * SECOND;
/** So far back each look begins: no transaction that raises an event stays open for longer. */
const OVERLAP: Duration = MINUTE;
/** The longest time that one look goes through. */
const MOST: Duration = MINUTE;
export const LOOK_EVERY: Duration = 10 * SECOND;

const LAST_LOOK: Statement = {
	name: 'last-look',
	text: `SELECT ${instant('through')}, ${NOW} AS now FROM webhook_looks FOR UPDATE SKIP LOCKED`,
	values: [],
};
const FIRST_LOOK: Statement = {
	name: 'first-look',
	text: 'INSERT INTO webhook_looks (through) VALUES (clock_timestamp()) ON CONFLICT DO NOTHING',
	values: [],
};
const lookedThrough = (until: Instant): Statement => ({
	name: 'looked-through',
	text: 'UPDATE webhook_looks SET through = to_timestamp($1::float8)',
	values: [until / 1_000],
});

/**
 * Looks through the latest events for those that the carrier has lost, with one look at a time in all processes. Returns
 * how long the next may wait.
 */
export async function lookForLost(outbox: Outbox, wake: Wake): Promise<Duration> {
	const look = await outbox.transaction('webhooks.look', async (_work, tx) => {
		const [last] = await tx.query<{ through: Instant; now: Instant }>(LAST_LOOK);
		if (last === undefined) {
			await tx.query(FIRST_LOOK);
			return { endpoints: [], rest: LOOK_EVERY };
		}
		const { now } = last;
		// Where the clock was set back, what was raised since then is looked through again.
		const from = Math.min(last.through, now - LEFT_TO_CARRIER);
		const until = Math.min(now - LEFT_TO_CARRIER, from + MOST);
		if (until - from < LEFT_TO_CARRIER / 2 && last.through <= now) return { endpoints: [], rest: LOOK_EVERY };
		const wanted = await tx.query(WANTED_TYPES);
		// Nobody asks for anything: what was raised until now need not be looked through later either.
		const lost =
			wanted.length === 0 ? [] : await tx.query<{ endpoint_id: string }>(insertLostDeliveries(from - OVERLAP, until));
		const reached = wanted.length === 0 ? now - LEFT_TO_CARRIER : until;
		await tx.query(lookedThrough(reached));
		return {
			endpoints: lost.map(({ endpoint_id }) => endpoint_id),
			rest: reached < now - LEFT_TO_CARRIER ? 0 : LOOK_EVERY,
		};
	});
	wake(look.endpoints);
	return look.rest;
}
