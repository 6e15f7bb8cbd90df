import { setTimeout as pause } from 'node:timers/promises';
import { expect, it } from '@jest/globals';
import { throttle } from '../../mixins/throttle.ts';
import { unlessAborted } from '../../mixins/unless-aborted.ts';
import { Waiting } from '../../mixins/waiting.ts';
import { memoryLog } from '../support/database.ts';
import { until } from '../support/until.ts';

it('what is over soon is not worth a line', () => {
	const log = memoryLog();
	const waiting = new Waiting(log);
	waiting.for('the broker');
	waiting.over('it is there');
	expect(log.lines).toEqual([]);
});

it('what lasts is said once, again after a while, and when it is over', async () => {
	const log = memoryLog();
	const waiting = new Waiting(log, { every: 300, quiet: 0 });
	for (let look = 0; look < 5; look += 1) waiting.for('the broker');
	expect(log.lines).toEqual(['warn waiting: the broker']);
	await until(() => {
		waiting.for('the broker still');
		return log.lines.length > 1;
	});
	waiting.over('it is there');
	waiting.over('it is there');
	expect(log.lines).toEqual(['warn waiting: the broker', 'warn waiting: the broker still', 'info it is there']);
	waiting.for('the broker again');
	expect(log.lines.at(-1)).toBe('warn waiting: the broker again');
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

it('work is left alone when it is given up', async () => {
	const giveUp = new AbortController();
	const work = Promise.withResolvers<number>();
	const waiting = unlessAborted(work.promise, giveUp.signal);
	giveUp.abort(new Error('no more'));
	await expect(waiting).rejects.toThrow('no more');
	await expect(unlessAborted(work.promise, giveUp.signal)).rejects.toThrow('no more');
	work.resolve(1);
	expect(await unlessAborted(work.promise, undefined)).toBe(1);
	expect(await unlessAborted(work.promise, new AbortController().signal)).toBe(1);
});
