import { type Context, Errors, type ServiceSchema } from 'moleculer';
import { EVENT_TYPES, type EventType } from '../domain/events.ts';
import { type Duration, MINUTE, SECOND } from '../domain/time.ts';
import { OutboxRelay, outboxBacklog, outboxStats, purge, replayEvents } from '../mixins/outbox/index.ts';
import type { Platform } from '../mixins/platform.ts';
import { Loop, lookingBack } from '../mixins/runtime/index.ts';
import { LINGER } from './topology.ts';

const LONGEST_PURGE_PAUSE: Duration = MINUTE;
const INBOX_CONSUMERS =
	'SELECT consumer, count(*)::int AS handled, max(handled_at) AS last FROM inbox_messages GROUP BY consumer';

interface ReplayParams {
	since: string;
	until?: string;
	types?: EventType[];
}

/** Sends the outbox, purges what was kept long enough, and lets operators look and repeat. */
export function outboxRelayService(platform: Platform): ServiceSchema {
	const { carrier, database, deadLetters, health, metrics, settings, signals } = platform;
	const log = platform.log('outbox-relay');
	const relay = new OutboxRelay(database, carrier, log);
	const relaying = new Loop('outbox relay', log, () => relay.step(), LINGER);
	const purging = new Loop('purge', log, async () => {
		const { more } = await purge(database, settings.retention);
		return more ? 0 : Math.max(SECOND, Math.min(settings.retention / 10, LONGEST_PURGE_PAUSE));
	});
	const wake = (): void => relaying.wake();
	const looksBack = lookingBack('outbox relay', log, () => relay.lookBack(), wake);
	const loops = [relaying, looksBack, purging];
	metrics.read(
		{
			outbox_unsent_messages: 'Messages that wait in the outbox to be sent, 50000 at most.',
			outbox_failing_messages: 'Of them, those that could not be sent at least once.',
			outbox_oldest_message_age_seconds: 'How long ago the oldest of them was raised.',
		},
		async () => {
			const { unsent, failing, age } = await outboxBacklog(database);
			return {
				outbox_unsent_messages: unsent,
				outbox_failing_messages: failing,
				outbox_oldest_message_age_seconds: age,
			};
		},
	);

	return {
		name: 'outbox-relay',
		// The operators' actions are named after what they are about.
		settings: { $noServiceNamePrefix: true },
		actions: {
			'outbox.stats': { handler: () => outboxStats(database) },
			'outbox.replay': {
				params: {
					$$strict: true,
					since: { type: 'string' },
					until: { type: 'string', optional: true },
					types: { type: 'array', optional: true, min: 1, items: { type: 'enum', values: [...EVENT_TYPES] } },
				},
				async handler(ctx: Context<ReplayParams>) {
					const { since, until, types } = ctx.params;
					const replayed = await replayEvents(database, {
						since: momentOf('since', since),
						until: until === undefined ? undefined : momentOf('until', until),
						types,
					});
					wake();
					return { replayed };
				},
			},
			'inbox.stats': {
				async handler() {
					const rows = await database.query<{ consumer: string; handled: number; last: number }>({
						name: 'inbox-stats',
						isSlow: true,
						text: INBOX_CONSUMERS,
						values: [],
					});
					return { consumers: rows.map((row) => ({ ...row, last: new Date(row.last).toISOString() })) };
				},
			},
			'deadletters.list': {
				params: {
					$$strict: true,
					limit: { type: 'number', integer: true, min: 1, max: 1000, convert: true, default: 100 },
				},
				handler: async (ctx: Context<{ limit: number }>) => ({ data: await deadLetters.list(ctx.params.limit) }),
			},
			'deadletters.replay': {
				params: { $$strict: true, ids: { type: 'array', optional: true, min: 1, items: 'uuid' } },
				async handler(ctx: Context<{ ids?: string[] }>) {
					const replayed = await deadLetters.replay(ctx.params.ids);
					wake();
					return { replayed };
				},
			},
		},
		// Said by processes without a relay of their own.
		events: { 'outbox.stored': wake },
		async started() {
			signals.on('outbox.stored', wake);
			for (const loop of loops) loop.start();
			health.watch('outbox relay', relaying, 'broker');
		},
		async stopped() {
			signals.off('outbox.stored', wake);
			await Promise.all(loops.map((loop) => loop.stop()));
		},
	};
}

/** A moment in RFC 3339; throws a validation error. */
function momentOf(field: string, text: string): number {
	const moment = Date.parse(text);
	if (Number.isNaN(moment)) {
		throw new Errors.ValidationError('Parameters validation error!', 'VALIDATION_ERROR', [
			{ field, type: 'date', message: `The '${field}' field must be a time such as 2026-01-31T12:00:00Z.` },
		]);
	}
	return moment;
}
