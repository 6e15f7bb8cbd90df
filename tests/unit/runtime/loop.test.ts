import { afterEach, describe, expect, it, jest } from '@jest/globals';
import { Loop } from '../../../mixins/runtime/loop.ts';
import { memoryLog } from '../../support/database.ts';

afterEach(() => {
	jest.useRealTimers();
});

/** A loop with its own clock, and how often it has stepped. */
function running(pause: number, rest?: number) {
	jest.useFakeTimers();
	const self = { steps: 0, pass: (time: number) => jest.advanceTimersByTimeAsync(time) };
	const loop = new Loop(
		'test',
		memoryLog(),
		async () => {
			self.steps += 1;
			return pause;
		},
		rest,
	);
	loop.start();
	return Object.assign(self, { loop });
}

/** After so many milliseconds it takes its second step, and after so many more its third; then it ends. */
async function twoMoreSteps(on: ReturnType<typeof running>, ...times: readonly [number, number]): Promise<void> {
	for (const [index, time] of times.entries()) {
		await on.pass(time - 1);
		expect(on.steps).toBe(index + 1);
		await on.pass(1);
		expect(on.steps).toBe(index + 2);
	}
	await on.loop.stop();
}

it('a mistake in the program is told at once with its stack, once for each place; what may pass is told without', async () => {
	jest.useFakeTimers();
	const log = memoryLog();
	const failures: (() => void)[] = [];
	const loop = new Loop('test', log, async () => {
		failures.shift()?.();
		return 100; // without a pause the clock would never move
	});
	const mistake = (): void => void (undefined as unknown as { readonly x: { readonly y: number } }).x.y;
	const other = (): void => void new Array(-1);
	const away = (): void => {
		throw new Error('the database is away');
	};
	failures.push(mistake, mistake, other, away, mistake);
	loop.start();
	await jest.advanceTimersByTimeAsync(5_000);
	await loop.stop();
	const [first, second] = log.lines.filter((line) => line.startsWith('error'));
	expect(first).toMatch(/^error test has failed: Cannot read properties of undefined/);
	expect(second).toMatch(/^error test has failed: Invalid array length/);
	expect(log.errors.map((error) => (error as Error).stack?.includes('loop.test.ts'))).toEqual([true, true]);
	expect(log.lines.filter((line) => line.startsWith('debug'))).toHaveLength(3);
});

describe('a loop', () => {
	it('waits as long as its step says, or until it is woken', async () => {
		const on = running(100);
		await on.pass(99);
		expect(on.steps).toBe(1);
		await on.pass(1);
		expect(on.steps).toBe(2);
		on.loop.wake();
		await on.pass(0);
		expect(on.steps).toBe(3);
		await on.loop.stop();
	});

	it('rests after each step, whoever wakes it; what woke it has its step after the rest', async () => {
		const on = running(100, 5);
		for (const time of [1, 1, 2]) {
			on.loop.wake();
			await on.pass(time);
		}
		expect(on.steps).toBe(1);
		await twoMoreSteps(on, 1, 100);
	});

	it('rests also where its step asks for the next one at once', async () => {
		const on = running(0, 5);
		await on.pass(20);
		expect(on.steps).toBe(5);
		await on.loop.stop();
	});

	it.each([
		[0, 100],
		[5, 90],
		[25, 50],
	])(
		'rests the shorter the more a step has found, after %i for %i % of it, and in full after the next one',
		async (found, rest) => {
			const on = running(0, 100);
			on.loop.found(found);
			expect(on.steps).toBe(1);
			await on.pass(rest - 1);
			expect(on.steps).toBe(1);
			await twoMoreSteps(on, 1, 100);
		},
	);

	it.each([
		['has found enough', (loop: Loop) => loop.found(1_000)],
		['asks for that', (loop: Loop) => loop.skipRest()],
	])('does not rest after a step that %s', async (_, tell) => {
		const on = running(0, 100);
		tell(on.loop);
		await on.pass(99);
		expect(on.steps).toBe(2);
		await on.loop.stop();
	});

	it('stops in the middle of a rest', async () => {
		const on = running(0, 1_000_000);
		await on.pass(1);
		await on.loop.stop();
		expect(on.steps).toBe(1);
	});
});
