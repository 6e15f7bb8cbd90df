/** Operators' actions for the inbox and its dead letters. */
import { type Context, Errors } from 'moleculer';
import type { Statement } from '../database/index.ts';
import type { WithRelay } from '../outbox/index.ts';
import { isoText } from '../runtime/index.ts';
import { defineMixin, type Mixin } from '../service.ts';
import { type DeadLetter, deadLettersOf } from './dead-letters.ts';
import { pauseGroup, resumeGroup } from './pauses.ts';

const INBOX_CONSUMERS: Statement = {
	name: 'inbox-stats',
	isSlow: true,
	text: 'SELECT consumer, count(*)::int AS handled, max(handled_at) AS last FROM inbox_messages GROUP BY consumer',
	values: [],
};

interface Consumer {
	readonly consumer: string;
	/** how many messages it has handled, of those that are remembered */
	readonly handled: number;
	readonly last: string;
}

const GROUP = { $$strict: true, group: { type: 'string' } };

interface Meta {
	readonly caller?: { readonly subject: string };
}

interface Pause {
	readonly group: string;
	readonly pausedAt: string;
	readonly pausedBy: string;
}

interface WithKnownGroups {
	/** throws a validation error */
	knownGroup: (group: string) => string;
}

/** The actions `inbox.stats`, `deadletters.list`, `deadletters.replay`, `consumers.pause` and `consumers.resume`. */
export const inboxOperations = (): Mixin<WithKnownGroups> =>
	defineMixin<WithKnownGroups, object, WithRelay>({
		created() {
			this.knownGroup = (group) => {
				const known = Object.keys(this.platform.groups.topology.consumers);
				if (known.includes(group)) return group;
				throw new Errors.ValidationError('Parameters validation error!', 'VALIDATION_ERROR', [
					{ field: 'group', type: 'enum', message: `The 'group' field must be one of ${known.join(', ')}.` },
				]);
			};
		},
		actions: {
			async 'inbox.stats'(): Promise<{ consumers: Consumer[] }> {
				const rows = await this.platform.database.query<Omit<Consumer, 'last'> & { last: number }>(INBOX_CONSUMERS);
				return { consumers: rows.map((row) => ({ ...row, last: new Date(row.last).toISOString() })) };
			},
			'deadletters.list': {
				params: {
					$$strict: true,
					limit: { type: 'number', integer: true, min: 1, max: 1000, convert: true, default: 100 },
				},
				async handler({ params }: Context<{ limit: number }>): Promise<{ data: readonly DeadLetter[] }> {
					return { data: await deadLettersOf(this.platform).list(params.limit) };
				},
			},
			'deadletters.replay': {
				params: { $$strict: true, ids: { type: 'array', optional: true, min: 1, items: 'uuid' } },
				async handler({ params }: Context<{ ids?: string[] }>): Promise<{ replayed: number }> {
					const replayed = await deadLettersOf(this.platform).replay(params.ids);
					this.wakeRelay();
					return { replayed };
				},
			},
			'consumers.pause': {
				params: GROUP,
				async handler({ params, meta }: Context<{ group: string }, Meta>): Promise<Pause> {
					const group = this.knownGroup(params.group);
					const by = meta.caller?.subject ?? 'a service';
					const [paused] = await pauseGroup(this.platform.database, group, by);
					if (paused === undefined) throw new Error('the pause was not stored');
					return { group, pausedAt: isoText(paused.since), pausedBy: paused.by };
				},
			},
			'consumers.resume': {
				params: GROUP,
				async handler({ params }: Context<{ group: string }>): Promise<{ group: string; wasPaused: boolean }> {
					const group = this.knownGroup(params.group);
					const { length } = await resumeGroup(this.platform.database, group);
					return { group, wasPaused: length > 0 };
				},
			},
		},
	});
