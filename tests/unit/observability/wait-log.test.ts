import { setTimeout as pause } from 'node:timers/promises';
import { afterEach, describe, expect, it, jest } from '@jest/globals';
import { abortable, endedWithin, withDeadline, withFallback } from '../../../mixins/runtime/deadline.ts';
import { throttle } from '../../../mixins/runtime/throttle.ts';
import { WaitLog } from '../../../mixins/runtime/wait-log.ts';
import { memoryLog } from '../../support/database.ts';
import { until } from '../../support/until.ts';

afterEach(() => {
	jest.useRealTimers();
});

describe('the log of what lasts', () => {
	it('is not told of what is over soon', () => {
		jest.useFakeTimers();
		const log = memoryLog();
		const waiting = new WaitLog(log, { quiet: 2_000 });
		waiting.warn('the broker');
		jest.advanceTimersByTime(1_999);
		waiting.warn('the broker');
		waiting.over('it is there');
		jest.advanceTimersByTime(1);
		waiting.warn('the broker');
		expect(log.lines).toEqual([]);
	});

	it('is told once, again after a minute, and when it is over', () => {
		jest.useFakeTimers();
		const log = memoryLog();
		const waiting = new WaitLog(log);
		for (let second = 0; second < 60; second += 1) {
			waiting.warn(`for ${second} s`, 'the broker');
			jest.advanceTimersByTime(1_000);
		}
		expect(log.lines.splice(0)).toEqual(['warn for 0 s']);
		waiting.warn('for 60 s', 'the broker');
		waiting.warn('the database');
		waiting.over('it is there');
		waiting.over('it is there');
		waiting.warn('for 0 s', 'the broker');
		expect(log.lines).toEqual(['warn for 60 s', 'warn the database', 'info it is there', 'warn for 0 s']);
	});

	it('is not told each time of what comes and goes', () => {
		const log = memoryLog();
		const waiting = new WaitLog(log);
		for (let time = 0; time < 10; time += 1) {
			waiting.warn('the broker');
			waiting.over();
		}
		expect(log.lines).toEqual(['warn the broker']);
	});
});

it('a throttle acts at once, and once more for all that came meanwhile', async () => {
	let acts = 0;
	const call = throttle(50, () => {
		acts += 1;
	});
	for (let count = 0; count < 1_000; count += 1) call();
	expect(acts).toBe(1);
	await until(() => acts === 2);
	await pause(150); // nothing more was asked for
	expect(acts).toBe(2);
	call();
	expect(acts).toBe(3);
});

describe('a wait that has an end', () => {
	const never = new Promise<string>(() => {});
	const late = (): Error => new Error('too late');

	it('resolves and rejects as the work does', async () => {
		expect(await withDeadline(Promise.resolve('done'), 1_000, late)).toBe('done');
		expect(await withFallback(Promise.resolve('done'), 1_000, 'late')).toBe('done');
		expect(await endedWithin(Promise.resolve('done'), 1_000)).toBe(true);
		const failing = (): Promise<never> => Promise.reject(new Error('failed'));
		await expect(withDeadline(failing(), 1_000, late)).rejects.toThrow('failed');
		await expect(withFallback(failing(), 1_000, 'late')).rejects.toThrow('failed');
		expect(await endedWithin(failing(), 1_000)).toBe(true);
	});

	it.each([0, 5])('ends after %d ms without the work, which may still fail', async (timeout) => {
		const work = Promise.withResolvers<string>();
		await expect(withDeadline(work.promise, timeout, late)).rejects.toThrow('too late');
		expect(await withFallback(never, timeout, 'late')).toBe('late');
		expect(await endedWithin(never, timeout)).toBe(false);
		work.reject(new Error('failed after all'));
	});

	it('ends with the signal, and the work is left alone', async () => {
		const giveUp = new AbortController();
		const work = Promise.withResolvers<number>();
		const waiting = abortable(work.promise, giveUp.signal);
		giveUp.abort(new Error('no more'));
		await expect(waiting).rejects.toThrow('no more');
		await expect(abortable(work.promise, giveUp.signal)).rejects.toThrow('no more');
		work.resolve(1);
		expect(await abortable(work.promise, undefined)).toBe(1);
		expect(await abortable(work.promise, new AbortController().signal)).toBe(1);
	});
});
