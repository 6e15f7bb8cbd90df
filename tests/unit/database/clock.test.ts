import { describe, expect, it } from '@jest/globals';
import fc from 'fast-check';
import { HOUR, MINUTE, SECOND } from '../../../domain/time.ts';
import { DatabaseClock } from '../../../mixins/database/clock.ts';
import { DatabaseUnavailable } from '../../../mixins/database/trouble.ts';
import { memoryLog } from '../../support/database.ts';
import { until } from '../../support/until.ts';

const START = 1_900_000_000_000;

/** A database and a process of which each has a clock of its own. */
function world({ rate = 1 } = {}) {
	const state = { timer: 5_000, database: START, there: 1, back: 1, away: false, asked: 0 };
	const pass = (time: number): void => {
		state.timer += time;
		state.database += time * rate;
	};
	const query = async () => {
		state.asked += 1;
		if (state.away) throw new DatabaseUnavailable('nobody answers');
		pass(state.there);
		const now = Math.floor(state.database);
		pass(state.back);
		return [{ now }];
	};
	const log = memoryLog();
	const clock = new DatabaseClock({ query } as never, log, () => state.timer);
	/** how far the clock is behind the database's; less than 0 if it is ahead */
	const behind = (): number => state.database - clock.now();
	return { state, pass, clock, behind, log };
}

describe('the clock of the database in a process', () => {
	it('is not known before it was read, and says so', async () => {
		const { clock, behind } = world();
		expect(clock.isRead).toBe(false);
		expect(() => clock.now()).toThrow('not read yet');
		expect(await clock.refresh()).toBe(2);
		expect(clock.isRead).toBe(true);
		expect(behind()).toBeLessThanOrEqual(2);
	});

	it('is never ahead, and behind by no more than the answer took and its own caution', () => {
		const steps = fc.array(
			fc.record({ wait: fc.nat(60_000), there: fc.nat(400), back: fc.nat(400), away: fc.boolean() }),
			{ minLength: 1, maxLength: 50 },
		);
		const rates = fc.double({ min: 1 - 9e-5, max: 1 + 9e-5, noNaN: true });
		return fc.assert(
			fc.asyncProperty(rates, steps, async (rate, readings) => {
				const { state, pass, clock, behind } = world({ rate });
				await clock.refresh();
				for (const { wait, ...way } of readings) {
					pass(wait);
					expect(behind()).toBeGreaterThanOrEqual(0);
					Object.assign(state, way);
					const isRead = await clock.refresh().then(
						() => true,
						() => false,
					);
					expect(behind()).toBeGreaterThanOrEqual(-1e-3); // what floating point leaves of numbers so large
					if (isRead) expect(behind()).toBeLessThanOrEqual(way.back + 2);
				}
			}),
		);
	});

	it('keeps what a quick answer told when the next one is slow', async () => {
		const { state, pass, clock, behind } = world();
		await clock.refresh();
		pass(10 * SECOND);
		state.back = 500;
		expect(await clock.refresh()).toBe(501);
		expect(behind()).toBeLessThan(4);
	});

	it('goes on for an hour without the database, a third of a second behind at most', async () => {
		const { state, pass, clock, behind } = world();
		await clock.refresh();
		state.away = true;
		await expect(clock.refresh()).rejects.toThrow('nobody answers');
		pass(HOUR);
		expect(clock.isRead).toBe(true);
		expect(behind()).toBeLessThan(400);
		expect(behind()).toBeGreaterThanOrEqual(0);
	});

	it.each([
		['set forward', MINUTE],
		['set back', -MINUTE],
		['set back by a little', -50],
	])('follows a clock that was %s with the next reading', async (_, jump) => {
		const { state, pass, clock, behind } = world();
		await clock.refresh();
		state.database += jump;
		pass(10 * SECOND);
		await clock.refresh();
		expect(behind()).toBeGreaterThanOrEqual(0);
		expect(behind()).toBeLessThan(4);
	});

	it('follows after a time in which the machine was suspended, and its timer stood still', async () => {
		const { state, clock, behind } = world();
		await clock.refresh();
		state.database += HOUR;
		expect(behind()).toBeGreaterThanOrEqual(HOUR);
		await clock.refresh();
		expect(behind()).toBeLessThan(4);
	});

	it('is read by itself, as soon as the database answers, and without a word above debug', async () => {
		const { state, clock, log } = world();
		state.away = true;
		clock.start();
		try {
			await until(() => state.asked >= 3);
			expect(clock.isRead).toBe(false);
			state.away = false;
			await until(() => clock.isRead);
			const { asked } = state;
			await until(() => state.asked === asked);
			expect(log.lines.filter((line) => !line.startsWith('debug'))).toEqual([]);
		} finally {
			await clock.stop();
		}
	});
});
