import { afterEach, describe, expect, it } from '@jest/globals';
import fc from 'fast-check';
import { Cell, RateLimiter } from '../../../services/gateway/admission/rate-limiter.ts';
import { memoryLog } from '../../support/database.ts';

describe('a cell', () => {
	it('gives all at once, then one after the other', () => {
		const cell = new Cell({ requests: 3, per: 300 });
		expect([cell.take(0), cell.take(0), cell.take(0)]).toEqual([0, 0, 0]);
		expect(cell.take(0)).toBe(100);
		expect(cell.take(99)).toBe(1);
		expect(cell.take(100)).toBe(0);
		expect(cell.take(100)).toBe(100);
		expect(cell.isFree(399)).toBe(false);
		expect(cell.isFree(400)).toBe(true);
	});

	it('lets no more pass in any time than the limit and what is forgiven meanwhile', () => {
		const steps = fc.array(fc.double({ min: 0, max: 200, noNaN: true }), { minLength: 1, maxLength: 200 });
		fc.assert(
			fc.property(
				fc.integer({ min: 1, max: 50 }),
				fc.integer({ min: 1, max: 1_000 }),
				steps,
				(requests, per, pauses) => {
					const cell = new Cell({ requests, per });
					const passed: number[] = [];
					let now = 0;
					for (const pause of pauses) {
						now += pause;
						const wait = cell.take(now);
						if (wait === 0) passed.push(now);
						else expect(cell.take(now + wait - 1e-3)).toBeGreaterThan(0);
					}
					passed.forEach((from, first) => {
						passed.slice(first).forEach((to, more) => {
							expect(more + 1).toBeLessThanOrEqual(requests * (1 + (to - from) / per) + 1e-3);
						});
					});
				},
			),
		);
	});
});

describe('while the database is away', () => {
	const opened: RateLimiter[] = [];
	afterEach(async () => {
		for (const limiter of opened.splice(0)) await limiter.stop();
	});

	it.each<[string, () => Promise<never>]>([
		['refuses', () => Promise.reject(new Error('away'))],
		['hangs', () => new Promise(() => {})],
	])('and %s, the limit holds all the same, and is asked for now and then only', async (_name, answer) => {
		let asked = 0;
		const log = memoryLog();
		const query = (): Promise<never> => {
			asked += 1;
			return answer();
		};
		const limiter = new RateLimiter({ requests: 10, per: 60_000 }, { query }, log);
		opened.push(limiter);
		const begin = performance.now();
		const waits: number[] = [];
		for (let count = 0; count < 30; count += 1) waits.push(await limiter.admit('alice'));
		const allowed = 10 * (1 + (performance.now() - begin) / 60_000);
		expect(waits.slice(0, 10)).toEqual(Array.from({ length: 10 }, () => 0));
		expect(waits.filter((wait) => wait === 0).length).toBeLessThanOrEqual(allowed);
		expect(await limiter.admit('bob')).toBe(0);
		expect(asked).toBeLessThanOrEqual(1 + (performance.now() - begin) / 2_000);
		expect(log.lines).toHaveLength(1);
		expect(log.lines[0]).toMatch(/^warn rate limits hold for this gateway alone/);
	});
});
