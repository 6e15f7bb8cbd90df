/** Operators' actions for the outbox. */
import { type Context, Errors } from 'moleculer';
import { EVENT_TYPES, type EventType } from '../../domain/events.ts';
import type { Instant } from '../../domain/time.ts';
import { defineMixin, type Mixin } from '../service.ts';
import { type OutboxStats, outboxStats, replayEvents } from './operations.ts';
import type { WithRelay } from './relaying.ts';

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
