import { afterEach, beforeEach, expect, it, jest } from '@jest/globals';
import { remembered } from '../../../mixins/runtime/remembered.ts';

beforeEach(() => void jest.useFakeTimers());
afterEach(() => void jest.useRealTimers());

it('looks once for all who ask, and again after five seconds', async () => {
	let looks = 0;
	const figure = remembered(async () => (looks += 1));
	expect(await Promise.all([figure(), figure()])).toEqual([1, 1]);
	jest.advanceTimersByTime(4_999);
	expect(await figure()).toBe(1);
	jest.advanceTimersByTime(2);
	expect(await figure()).toBe(2);
});

it('after a look that took long it rests fifty times as long, and meanwhile the old answer is given', async () => {
	let looks = 0;
	const figure = remembered(async () => {
		looks += 1;
		const look = looks;
		await new Promise((resolve) => setTimeout(resolve, 1_000));
		return look;
	});
	const first = figure();
	await jest.advanceTimersByTimeAsync(1_000);
	expect(await first).toBe(1);
	jest.advanceTimersByTime(49_999);
	expect([await figure(), looks]).toEqual([1, 1]);
	jest.advanceTimersByTime(2);
	const later = figure();
	await jest.advanceTimersByTimeAsync(500);
	expect([await later, looks]).toEqual([1, 2]);
	await jest.advanceTimersByTimeAsync(500);
	expect([await figure(), looks]).toEqual([2, 2]);
});

it('remembers no failure, and gives no old answer for it', async () => {
	let look = async (): Promise<number> => 1;
	const figure = remembered(() => look());
	await figure();
	jest.advanceTimersByTime(5_001);
	look = () => Promise.reject(new Error('away'));
	await expect(figure()).rejects.toThrow('away');
	look = async () => 3;
	expect(await figure()).toBe(3);
});
