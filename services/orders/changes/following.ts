/** `orders.changes`: the history of all orders in the order of commits, for those that follow it. */
import { type Context, Errors } from 'moleculer';
import { READ_POLICY } from '../../../mixins/cluster/index.ts';
import {
	countEntries,
	type EntryView,
	type NewEntries,
	readNewEntries,
} from '../../../mixins/database/reading/index.ts';
import { defineMixin, type Mixin } from '../../../mixins/service.ts';
import { type Caller, callerOf, type Meta, maySee } from '../caller.ts';
import { invalid } from '../errors.ts';
import { viewToDto } from '../order-dto.ts';
import { CHANGES_PARAMS, type ChangesParams } from '../params.ts';
import { type Changes, type EntryDto, FARTHEST, GATEWAY } from './entry.ts';
import { Position } from './position.ts';

const tooOld = (detail: string): Error => new Errors.MoleculerClientError(detail, 410, 'Stream.TooOld');

export const following = (): Mixin =>
	defineMixin({
		actions: {
			changes: {
				params: CHANGES_PARAMS,
				retryPolicy: READ_POLICY,
				async handler({ params, meta }: Context<ChangesParams, Meta>): Promise<Changes> {
					const caller = callerOf(meta);
					const { database } = this.platform;
					const after = params.after === undefined ? undefined : Position.parse(params.after);
					if (params.after !== undefined && after === undefined) throw invalid({ after: 'This is no position.' });
					// Those of a transaction that is told in part are read again.
					const most = Array.from(after?.begun.values() ?? []).reduce((sum, told) => sum + told, params.limit);
					const found = await readNewEntries(database, after, most);
					const from = after ?? Position.at(found.database, found.seen);
					if (from.database !== found.database || from.next > found.seen.next)
						throw tooOld('It is of another database.');
					if (params.bounded && found.entries.length === most) {
						if ((await countEntries(database, from.next, FARTHEST + 1)) > FARTHEST) {
							throw tooOld(`More than ${FARTHEST} entries came after it.`);
						}
					}
					return changesOf(found, { from, caller, more: found.entries.length === most });
				},
			},
		},
	});

interface Reading {
	readonly from: Position;
	readonly caller: Caller;
	readonly more: boolean;
}

function changesOf(found: NewEntries, { from, caller, more }: Reading): Changes {
	const data: EntryDto[] = [];
	let position = from;
	let place = { xact: -1, index: -1 };
	for (const entry of found.entries) {
		place = { xact: entry.xact, index: entry.xact === place.xact ? place.index + 1 : 0 };
		if (from.hasTold(place)) continue;
		position = from.upTo(place, found.seen);
		const dto = dtoOf(entry, caller);
		if (dto !== undefined) data.push({ ...dto, id: position.toString() });
	}
	const reached = more ? position : Position.at(found.database, found.seen);
	return { data, cursor: reached.toString(), next: found.seen.next, more, now: found.now };
}

function dtoOf(entry: EntryView, caller: Caller): Omit<EntryDto, 'id'> | undefined {
	const { owner } = entry;
	if (!maySee(caller, owner)) return undefined;
	const viewer = caller.subject === GATEWAY.subject ? { ...caller, subject: owner } : caller;
	return { owner, order: viewToDto(entry, viewer) };
}
