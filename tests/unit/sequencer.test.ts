import { dirname, join } from 'node:path';
import { expect, it } from '@jest/globals';
import { ranking } from '../sequencer.ts';

const TESTS = dirname(import.meta.dirname);

it('the slow tests come first, in the order that is written down', () => {
	const rank = ranking(['unit/sequencer', 'system/faults/kill'], TESTS);
	const paths = ['unit/none', 'system/faults/kill', 'unit/sequencer'].map((name) => join(TESTS, `${name}.test.ts`));
	expect(paths.map(rank)).toEqual([2, 1, 0]);
});

it('a test file that was renamed stops the run, and does not silently lose its place', () => {
	expect(() => ranking(['unit/sequencer', 'system/renamed'], TESTS)).toThrow(
		/names what is no file: \S+system\/renamed\.test\.ts$/,
	);
});
