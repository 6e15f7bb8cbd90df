import { describe, expect, it } from '@jest/globals';
import fc from 'fast-check';
import { OffsetWindow } from '../../../../mixins/brokers/kafka/offset-window.ts';

interface Item {
	readonly offset: number;
	readonly identity: string;
	done: boolean;
}

const item = (offset: number, identity = `a${offset}`): Item => ({ offset, identity, done: false });

function windowOf(...offsets: number[]): { window: OffsetWindow<Item>; items: Item[] } {
	const window = new OffsetWindow<Item>();
	const items = offsets.map((offset) => item(offset));
	for (const one of items) window.add(one);
	return { window, items };
}

const finish = (items: readonly Item[], ...places: number[]): void => {
	for (const place of places) {
		const one = items[place];
		if (one !== undefined) one.done = true;
	}
};

describe('the window of offsets', () => {
	it('commits nothing ahead of what is not done, and one behind what is', () => {
		const { window, items } = windowOf(7, 8, 9, 10);
		expect(window.committable()).toBeUndefined();
		finish(items, 1, 2);
		expect(window.committable()).toBeUndefined();
		finish(items, 0);
		expect(window.committable()).toBe(10);
		window.committed(10);
		expect(window.committable()).toBeUndefined();
		expect(window.size).toBe(1);
		finish(items, 3);
		expect(window.committable()).toBe(11);
	});

	it('knows what it has, by offset and identity, until that is committed', () => {
		const { window, items } = windowOf(3, 5, 6); // 4 was compacted away, or a control record
		expect(window.look(5, 'a5')).toBe('known');
		expect(window.look(7, 'a7')).toBe('next');
		expect(window.look(5, 'b5')).toBe('other');
		expect(window.look(4, 'a4')).toBe('other');
		finish(items, 0, 1);
		window.committed(6);
		expect(window.look(6, 'a6')).toBe('known');
		expect(window.look(3, 'a3')).toBe('other'); // the group was set back: it is to be taken again
	});

	it("drops what somebody else's commit covers, done or not", () => {
		const { window, items } = windowOf(1, 2, 3, 4);
		finish(items, 0);
		expect(window.committed(4)).toEqual(items.slice(0, 3));
		finish(items, 3);
		expect(window.committable()).toBe(5);
	});

	it('forgets all when the topic was made anew', () => {
		const { window, items } = windowOf(1, 2);
		expect(window.clear()).toEqual(items);
		expect(window.look(0, 'new')).toBe('next');
		expect(window.size).toBe(0);
	});

	it('stays right while thousands come and go', () => {
		const window = new OffsetWindow<Item>();
		for (let offset = 0; offset < 5_000; offset += 1) {
			const one = item(offset);
			window.add(one);
			one.done = true;
			if (offset % 3 !== 0 || offset < 2_500) continue; // one large commit, then many small ones
			expect(window.committable()).toBe(offset + 1);
			window.committed(offset + 1);
			expect(window.size).toBe(0);
			expect(window.look(offset + 1, 'next')).toBe('next');
		}
		expect(window.committable()).toBe(5_000);
	});

	it('keeps the promise in any order of taking, finishing and committing', () => {
		const step = fc.oneof(
			fc.record({ what: fc.constant('take' as const), gap: fc.nat(2) }),
			fc.record({ what: fc.constant('finish' as const), which: fc.nat() }),
			fc.record({ what: fc.constant('commit' as const) }),
		);
		fc.assert(
			fc.property(fc.array(step, { maxLength: 300, size: 'max' }), (steps) => {
				const window = new OffsetWindow<Item>();
				const all: Item[] = [];
				let next = 0;
				let committed = 0;
				for (const one of steps) {
					if (one.what === 'take') {
						const taken = item(next + one.gap);
						next = taken.offset + 1;
						all.push(taken);
						window.add(taken);
					} else if (one.what === 'finish') finish(all, one.which % (all.length + 1));
					else {
						const offset = window.committable();
						const firstOpen = all.find(({ done }) => !done)?.offset ?? next;
						if (offset === undefined)
							expect(all.filter((i) => i.offset < firstOpen && i.offset >= committed)).toEqual([]);
						else {
							expect(offset).toBeLessThanOrEqual(firstOpen);
							expect(all.filter((i) => i.offset >= offset && i.offset < firstOpen)).toEqual([]);
							expect(offset).toBeGreaterThan(committed);
							window.committed(offset);
							committed = offset;
						}
						expect(window.size).toBe(all.filter((i) => i.offset >= committed).length);
					}
				}
			}),
			{ numRuns: 100 },
		);
	});
});
