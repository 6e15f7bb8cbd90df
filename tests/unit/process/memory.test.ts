import { expect, it } from '@jest/globals';
import { MemoryRelease } from '../../../mixins/process/memory.ts';

/** At which looks memory is given back, if the process is at work for these shares of the time. */
function releasesAt(shares: readonly number[]): number[] {
	const releases: number[] = [];
	let at = 0;
	const memory = new MemoryRelease({
		utilization: () => shares[at] ?? 0,
		release: () => releases.push(at),
	});
	for (; at < shares.length; at += 1) memory.look();
	return releases;
}

const quiet = (looks: number): number[] => Array.from({ length: looks }, () => 0.01);

it.each<[what: string, shares: readonly number[], expected: readonly number[]]>([
	['once after the start', [0.5, ...quiet(10)], [3]],
	['once after each time that it was busy', [...quiet(5), 0.9, ...quiet(5), 0.3, ...quiet(3)], [2, 8, 14]],
	['not while it is busy', [0.9, 0.5, 0.9, 0.3, 0.9, 0.4], []],
	['not for a few moments without work', [0.9, ...quiet(2), 0.9, ...quiet(2), 0.9], []],
	['not while little is to do, which is not quiet', [0.15, 0.15, 0.15, 0.15, 0.15], []],
	['not again after little was done', [...quiet(3), 0.15, ...quiet(8)], [2]],
])('gives memory back %s', (_, shares, expected) => {
	expect(releasesAt(shares)).toEqual(expected);
});
