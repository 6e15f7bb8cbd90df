/** Operators' actions for the inbox and its dead letters. */
import type { Context } from 'moleculer';
import type { Statement } from '../database/index.ts';
import type { WithRelay } from '../outbox/index.ts';
import { defineMixin, type Mixin } from '../service.ts';
import { type DeadLetter, deadLettersOf } from './dead-letters.ts';

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

/** The actions `inbox.stats`, `deadletters.list` and `deadletters.replay`. */
export const inboxOperations = (): Mixin =>
	defineMixin<object, object, WithRelay>({
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
		},
	});
