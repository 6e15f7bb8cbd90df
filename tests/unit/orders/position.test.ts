/** Positions against sets of entries: random histories of transactions that end in any order, read in pages of any size. */
import { describe, expect, it } from '@jest/globals';
import { type Place, Position, type Snapshot } from '../../../services/orders/changes/position.ts';
import { between, seeded } from '../../support/random.ts';

const DATABASE = 'abcdefghijk';

/** Transactions from 10 on; each has up to three entries and ends at some moment, or never. */
function historyOf(next: (below: number) => number) {
	const all = Array.from({ length: 30 }, (_, index) => ({
		xact: 10 + index,
		entries: next(4),
		begins: index,
		ends: next(8) === 0 ? Number.POSITIVE_INFINITY : index + 1 + next(12),
	}));
	const seenAt = (moment: number): Snapshot => ({
		next: 10 + all.filter(({ begins }) => begins < moment).length,
		open: all.filter(({ begins, ends }) => begins < moment && ends > moment).map(({ xact }) => xact),
	});
	const visibleAt = (moment: number): Place[] =>
		all
			.filter(({ ends }) => ends <= moment)
			.flatMap(({ xact, entries }) => Array.from({ length: entries }, (_, index) => ({ xact, index })));
	return { seenAt, visibleAt };
}

const nameOf = ({ xact, index }: Place): string => `${xact}/${index}`;

/** Reads on from a position at some moment, as the server does; answers each step. */
function read(from: Position, seen: Snapshot, visible: readonly Place[], most: number) {
	const untold = visible.filter((place) => !from.hasTold(place)).slice(0, most);
	const steps = untold.map((place) => ({ place, position: from.upTo(place, seen) }));
	const end = untold.length === most ? steps.at(-1)?.position : Position.at(DATABASE, seen);
	return { steps, end: end ?? Position.at(DATABASE, seen) };
}

describe.each(Array.from({ length: 200 }, (_, seed) => seed))('with seed %i', (seed) => {
	const random = seeded(seed);
	const below = (end: number): number => between(random, 0, end);
	const history = historyOf(below);

	it('each entry is told once, whichever event a client goes on from', () => {
		const told: string[] = [];
		let position = Position.at(DATABASE, history.seenAt(0));
		for (let moment = 1; moment <= 60; ) {
			const { steps, end } = read(position, history.seenAt(moment), history.visibleAt(moment), 1 + below(4));
			const stop = below(4) === 0 ? below(steps.length + 1) : steps.length;
			told.push(...steps.slice(0, stop).map(({ place }) => nameOf(place)));
			const reached = stop < steps.length ? (steps[stop - 1]?.position ?? position) : end;
			position = Position.parse(reached.toString()) ?? position;
			if (stop === steps.length && below(2) === 0) moment += 1 + below(3);
			else if (steps.length === 0) moment += 1;
		}
		const last = read(position, history.seenAt(90), history.visibleAt(90), 1_000);
		told.push(...last.steps.map(({ place }) => nameOf(place)));
		expect(told.sort()).toEqual(history.visibleAt(90).map(nameOf).sort());
	});

	it('two positions together, what both know, and which knows all of the other, are as of sets', () => {
		const some = (): Position => {
			const [early, late] = [below(20), 20 + below(30)];
			const from = Position.at(DATABASE, history.seenAt(early));
			const { steps, end } = read(from, history.seenAt(late), history.visibleAt(late), 1_000);
			return below(3) === 0 ? end : (steps[below(Math.max(1, steps.length))]?.position ?? from);
		};
		const [one, other] = [some(), some()];
		// Only entries that there are: a position says nothing of transactions that have none.
		const entries = history.visibleAt(100);
		const toldBy = (position: Position): string[] => entries.filter((place) => position.hasTold(place)).map(nameOf);
		const [first, second] = [toldBy(one), toldBy(other)];
		const both = entries.map(nameOf);
		expect(toldBy(one.with(other))).toEqual(both.filter((name) => first.includes(name) || second.includes(name)));
		expect(toldBy(one.common(other))).toEqual(both.filter((name) => first.includes(name) && second.includes(name)));
		if (one.covers(other)) expect(second.filter((name) => !first.includes(name))).toEqual([]);
		expect(one.with(other).covers(one)).toBe(true);
		expect(one.covers(one.common(other))).toBe(true);
		expect(Position.parse(one.toString())?.toString()).toBe(one.toString());
	});
});
