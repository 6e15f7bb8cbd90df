/** Operators' actions for the outbox. */
import { type Context, Errors } from 'moleculer';
import { EVENT_TYPES, type EventType } from '../../domain/events.ts';
import type { Duration, Instant } from '../../domain/time.ts';
import { type Database, plainArray } from '../database/index.ts';
import { defineMixin, type Mixin } from '../service.ts';
import type { WithRelay } from './relaying.ts';

export interface OutboxStats {
	/** rows that wait to be sent */
	readonly unsent: number;
	/** of those, the ones that failed at least once, and some of their errors */
	readonly failing: number;
	readonly errors: readonly {
		readonly id: string;
		readonly type: string;
		readonly attempts: number;
		readonly error: string;
	}[];
	/** how long the oldest unsent row has waited, in milliseconds */
	readonly oldest: Duration;
}

/** What waits in the outbox. */
export async function outboxStats(database: Database): Promise<OutboxStats> {
	const [totals] = await database.query<{ unsent: number; failing: number; oldest: number }>({
		name: 'outbox-totals',
		isSlow: true,
		text: `SELECT count(*)::int AS unsent, (count(*) FILTER (WHERE m.attempts > 0))::int AS failing,
				coalesce(max(extract(epoch FROM clock_timestamp() - coalesce(e.occurred_at, m.available_at))) * 1000, 0)::float8 AS oldest
			FROM outbox_messages m LEFT JOIN order_events e ON e.order_id = m.order_id AND e.sequence = m.sequence
			WHERE m.sent_at IS NULL`,
		values: [],
	});
	const errors = await database.query<{ id: string; type: string; attempts: number; error: string }>({
		name: 'outbox-errors',
		isSlow: true,
		text: `SELECT message_id AS id, type, attempts, last_error AS error FROM outbox_messages
			WHERE sent_at IS NULL AND attempts > 0 ORDER BY attempts DESC LIMIT 20`,
		values: [],
	});
	return {
		unsent: totals?.unsent ?? 0,
		failing: totals?.failing ?? 0,
		oldest: Math.max(0, totals?.oldest ?? 0),
		errors,
	};
}

/** Puts stored events into the outbox again, under the ids that they have; returns how many. */
async function replayEvents(
	database: Database,
	range: {
		readonly since: Instant;
		readonly until?: Instant | undefined;
		readonly types?: readonly EventType[] | undefined;
	},
): Promise<number> {
	const rows = await database.query<{ position: bigint }>({
		name: 'replay-events',
		isSlow: true,
		text: `INSERT INTO outbox_messages (message_id, type, order_id, sequence)
			SELECT id, type, order_id, sequence FROM order_events
			WHERE occurred_at >= to_timestamp($1::float8) AND occurred_at <= to_timestamp($2::float8)
				AND ($3::text[] IS NULL OR type = ANY($3::text[]))
			ORDER BY order_id, sequence RETURNING position`,
		values: [
			range.since / 1_000,
			(range.until ?? 32_503_680_000_000) / 1_000,
			range.types === undefined ? null : plainArray(range.types),
		],
	});
	return rows.length;
}

interface ReplayParams {
	readonly since: string;
	readonly until?: string;
	readonly types?: EventType[];
}

/** The actions `outbox.stats` and `outbox.replay`. */
export const outboxOperations = (): Mixin =>
	defineMixin<object, object, WithRelay>({
		actions: {
			'outbox.stats'(): Promise<OutboxStats> {
				return outboxStats(this.platform.database);
			},
			'outbox.replay': {
				params: {
					$$strict: true,
					since: { type: 'string' },
					until: { type: 'string', optional: true },
					types: { type: 'array', optional: true, min: 1, items: { type: 'enum', values: [...EVENT_TYPES] } },
				},
				async handler({ params }: Context<ReplayParams>): Promise<{ replayed: number }> {
					const { since, until, types } = params;
					const replayed = await replayEvents(this.platform.database, {
						since: momentOf('since', since),
						until: until === undefined ? undefined : momentOf('until', until),
						types,
					});
					this.wakeRelay();
					return { replayed };
				},
			},
		},
	});

/** A moment in RFC 3339; throws a validation error. */
function momentOf(field: string, text: string): Instant {
	const moment = Date.parse(text);
	if (Number.isNaN(moment)) {
		throw new Errors.ValidationError('Parameters validation error!', 'VALIDATION_ERROR', [
			{ field, type: 'date', message: `The '${field}' field must be a time such as 2026-01-31T12:00:00Z.` },
		]);
	}
	return moment;
}
