import { describe, expect, it } from '@jest/globals';
import fc from 'fast-check';
import { assign, type Member, type Partitions } from '../../../../mixins/brokers/kafka/sticky-assignment.ts';

const TOPICS: Partitions = { a: [0, 1, 2, 3, 4, 5], b: [0, 1, 2, 3, 4, 5], c: [0, 1, 2], d: [0] };

const member = (id: string, held: Partitions = {}, busy: Partitions = {}): Member => ({
	id,
	topics: Object.keys(TOPICS),
	held,
	busy,
});

const total = (share: Partitions | undefined): number => Object.values(share ?? {}).flat().length;

/** Members as they are in the next generation, with what they have now. */
const next = (shares: ReadonlyMap<string, Partitions>, ids: readonly string[]): Member[] =>
	ids.map((id) => member(id, shares.get(id) ?? {}));

describe('the sticky assignment', () => {
	const ids = fc.uniqueArray(fc.string({ minLength: 1, maxLength: 4 }), { minLength: 1, maxLength: 9 });

	it('gives every partition to exactly one, and of each topic as much to one as to another, or one more', () => {
		fc.assert(
			fc.property(ids, ids, (first, second) => {
				const before = assign(next(new Map(), first), TOPICS);
				for (const shares of [before, assign(next(before, second), TOPICS)]) {
					for (const [topic, partitions] of Object.entries(TOPICS)) {
						const given = [...shares.values()].map((share) => share[topic] ?? []);
						expect(given.flat().toSorted()).toEqual([...partitions]);
						const counts = given.map(({ length }) => length);
						expect(Math.max(...counts) - Math.min(...counts)).toBeLessThanOrEqual(1);
					}
				}
				const totals = [...before.values()].map(total);
				expect(Math.max(...totals) - Math.min(...totals)).toBeLessThanOrEqual(2);
			}),
		);
	});

	it('changes nothing where nobody came or went', () => {
		fc.assert(
			fc.property(ids, (members) => {
				const before = assign(next(new Map(), members), TOPICS);
				expect(assign(next(before, members), TOPICS)).toEqual(before);
			}),
		);
	});

	it('leaves with everybody what they work on, as long as it is no more than their share', () => {
		const one = member('one', TOPICS, { a: [5], b: [2, 4] });
		const shares = assign([member('two'), one], TOPICS);
		expect(shares.get('one')?.a).toContain(5);
		expect(shares.get('one')?.b).toEqual(expect.arrayContaining([2, 4]));
		expect(shares.get('two')?.a).toHaveLength(3);
	});

	it('takes nothing from those who stay when one goes', () => {
		fc.assert(
			fc.property(ids, (members) => {
				const before = assign(next(new Map(), members), TOPICS);
				const [, ...rest] = members;
				if (rest.length === 0) return;
				const after = assign(next(before, rest), TOPICS);
				for (const id of rest) {
					for (const [topic, kept] of Object.entries(before.get(id) ?? {}))
						expect(after.get(id)?.[topic]).toEqual(expect.arrayContaining([...kept]));
				}
			}),
		);
	});

	it('believes nobody where two say that they have the same', () => {
		const shares = assign([member('one', { d: [0] }, { d: [0] }), member('two', { d: [0] })], { d: [0] });
		expect([...shares.values()].flatMap((share) => share.d ?? [])).toEqual([0]);
	});

	it('gives a topic only to those who asked for it', () => {
		const shares = assign([member('one'), { ...member('two'), topics: ['a'] }], TOPICS);
		expect(shares.get('two')).toEqual({ a: expect.any(Array) });
		expect(shares.get('one')?.b).toHaveLength(6);
	});
});
