import { afterEach, beforeEach, expect, it, jest } from '@jest/globals';
import { MINUTE, SECOND } from '../../../domain/time.ts';
import { Refusals } from '../../../mixins/brokers/refusals.ts';
import { memoryLog } from '../../support/database.ts';

const FULL = "the broker takes no messages: OOM command not allowed when used memory > 'maxmemory'.";
const AGAIN = 'info the broker does all that it is asked for again';
const oom = (): Promise<never> => Promise.reject(new Error("OOM command not allowed when used memory > 'maxmemory'."));
const good = async (): Promise<string> => 'taken';

beforeEach(() => {
	jest.useFakeTimers();
});
afterEach(() => {
	jest.useRealTimers();
});

it('what a broker refuses is known from the first time until it does it, and told once', async () => {
	const log = memoryLog();
	const refusals = new Refusals(log);
	for (let times = 0; times < 10; times += 1) {
		await expect(refusals.watch('publish', oom)).rejects.toThrow('OOM');
		await expect(refusals.watch('set back', oom)).rejects.toThrow('OOM');
		expect(refusals.reason).toBe(FULL);
		jest.advanceTimersByTime(50 * SECOND);
	}
	expect(log.lines).toEqual([`warn ${FULL}`]);
	expect(await refusals.watch('publish', good)).toBe('taken');
	expect(refusals.reason).toBe(FULL); // the other is refused still
	await refusals.watch('set back', good);
	expect(refusals.reason).toBeUndefined();
	expect(log.lines).toEqual([`warn ${FULL}`, AGAIN]);
});

it('one that comes and goes is not told each time, nor one that nobody asks for any more kept', async () => {
	const log = memoryLog();
	const refusals = new Refusals(log);
	for (let times = 0; times < 20; times += 1) {
		await refusals.watch('publish', oom).catch(() => {});
		await refusals.watch('publish', good);
		jest.advanceTimersByTime(SECOND);
	}
	expect(log.lines).toEqual([`warn ${FULL}`, AGAIN]);
	await refusals.watch('claim', oom).catch(() => {});
	jest.advanceTimersByTime(MINUTE + 1);
	expect(refusals.reason).toBeUndefined();
});

it('an error that says nothing of what the broker would do changes nothing', async () => {
	const refusals = new Refusals(memoryLog());
	const away = (): Promise<never> => Promise.reject(Object.assign(new Error('gone'), { code: 'ECONNRESET' }));
	await refusals.watch('publish', away).catch(() => {});
	expect(refusals.reason).toBeUndefined();
	await refusals.watch('publish', oom).catch(() => {});
	await refusals.watch('publish', away).catch(() => {});
	expect(refusals.reason).toBe(FULL);
});
