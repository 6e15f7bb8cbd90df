import { describe, expect, it } from '@jest/globals';
import { LOAD_LIMITS, LoadLimiter } from '../../../services/gateway/admission/load-limiter.ts';
import { until } from '../../support/until.ts';

/** A machine that does one piece of work after the other, as many a second as `able` says, and is offered `offered`. */
function simulate(
	limiter: LoadLimiter,
	clock: { now: number },
	offered: number,
	able: (second: number) => number,
	seconds: number,
) {
	const queue: { readonly leave: () => void; readonly begin: number }[] = [];
	const answered: { readonly at: number; readonly took: number }[] = [];
	let refused = 0;
	let credit = 0;
	let due = 0;
	for (let millisecond = 0; millisecond < seconds * 1_000; millisecond += 1) {
		clock.now += 1;
		for (due += offered / 1_000; due >= 1; due -= 1) {
			if (limiter.isFull()) refused += 1;
			else queue.push({ leave: limiter.enter(), begin: clock.now });
		}
		for (credit = Math.min(credit, 1) + able(millisecond / 1_000) / 1_000; credit >= 1; credit -= 1) {
			const done = queue.shift();
			if (done === undefined) break;
			done.leave();
			answered.push({ at: clock.now, took: clock.now - done.begin });
		}
	}
	return { answered, refused };
}

function percentile(values: readonly number[], part: number): number {
	return values.toSorted((a, b) => a - b)[Math.floor((values.length - 1) * part)] ?? Number.NaN;
}

describe('at four times the load', () => {
	it.each([400, 1_000, 4_000])('a machine that can do %i a second does them, in time', (able) => {
		const clock = { now: 0 };
		const limiter = new LoadLimiter(LOAD_LIMITS, () => clock.now);
		const { answered, refused } = simulate(limiter, clock, able * 4, () => able, 60);
		const settled = answered.filter(({ at }) => at > 10_000);
		expect(settled.length / 50).toBeGreaterThan(able * 0.98);
		expect(
			percentile(
				settled.map(({ took }) => took),
				0.99,
			),
		).toBeLessThan(LOAD_LIMITS.target * 1.3);
		expect(refused / 60).toBeGreaterThan(able * 2.5);
	});

	it('nothing is refused of what it can do', () => {
		const clock = { now: 0 };
		const limiter = new LoadLimiter(LOAD_LIMITS, () => clock.now);
		expect(simulate(limiter, clock, 900, () => 1_000, 30).refused).toBe(0);
	});

	it('a machine that slows down takes in less, and more again when it has recovered', () => {
		const clock = { now: 0 };
		const limiter = new LoadLimiter(LOAD_LIMITS, () => clock.now);
		const slow = (second: number): number => (second >= 20 && second < 40 ? 150 : 1_500);
		const { answered } = simulate(limiter, clock, 6_000, slow, 80);
		const between = (from: number, to: number) => answered.filter(({ at }) => at > from * 1_000 && at <= to * 1_000);
		expect(
			percentile(
				between(30, 40).map(({ took }) => took),
				0.99,
			),
		).toBeLessThan(LOAD_LIMITS.target * 1.3);
		expect(between(30, 40).length / 10).toBeGreaterThan(140);
		expect(between(70, 80).length / 10).toBeGreaterThan(1_400);
	});
});

describe('places', () => {
	it('are never fewer than the least, nor more than the most', () => {
		const clock = { now: 0 };
		const limiter = new LoadLimiter({ most: 300, least: 20, target: 100 }, () => clock.now);
		for (let late = 0; late < 1_000; late += 1) {
			const leave = limiter.enter();
			clock.now += 101;
			leave();
		}
		expect(limiter.limit).toBe(20);
		for (let round = 0; round < 20_000; round += 1) {
			const leaves = Array.from({ length: limiter.limit }, () => limiter.enter());
			clock.now += 1;
			for (const leave of leaves) leave();
			if (limiter.limit === 300) break;
		}
		expect(limiter.limit).toBe(300);
	});

	it('are given back once', () => {
		const limiter = new LoadLimiter();
		const [one, two] = [limiter.enter(), limiter.enter()];
		one();
		one();
		expect(limiter.atWork).toBe(1);
		two();
		expect(limiter.atWork).toBe(0);
	});

	it('work that was late together is late once', () => {
		const clock = { now: 0 };
		const limiter = new LoadLimiter({ most: 1_000, least: 10, target: 100 }, () => clock.now);
		const before = limiter.limit;
		const leaves = Array.from({ length: 200 }, () => limiter.enter());
		clock.now += 500;
		for (const leave of leaves) leave();
		expect(limiter.limit).toBe(before * 0.5);
	});

	it('one that is late now and then is nothing', () => {
		const clock = { now: 0 };
		const limiter = new LoadLimiter({ most: 1_000, least: 10, target: 100 }, () => clock.now);
		const before = limiter.limit;
		for (let count = 0; count < 1_000; count += 1) {
			const leave = limiter.enter();
			clock.now += count % 20 === 0 ? 5_000 : 10;
			leave();
		}
		expect(limiter.limit).toBe(before);
	});

	it('are taken by short work too, which tells something only when it is late', async () => {
		const clock = { now: 0 };
		const limiter = new LoadLimiter({ most: 1_000, least: 10, target: 100 }, () => clock.now);
		const before = limiter.limit;
		const leaves = Array.from({ length: before - 1 }, () => limiter.enter());
		await limiter.while(async () => expect(limiter.atWork).toBe(before));
		expect([limiter.atWork, limiter.limit]).toEqual([before - 1, before]);
		await expect(limiter.while(() => Promise.reject(new Error('refused')))).rejects.toThrow('refused');
		expect(limiter.atWork).toBe(before - 1);
		for (let count = 0; count < 3; count += 1) {
			await limiter.while(async () => {
				clock.now += 200;
			});
		}
		expect(limiter.limit).toBe(before / 2);
		expect(leaves).toHaveLength(before - 1);
	});

	it('some of them can be kept free for other work', () => {
		const limiter = new LoadLimiter({ most: 20, least: 20, target: 100 });
		for (let count = 0; count < 18; count += 1) limiter.enter();
		expect([limiter.isFull(0.9), limiter.isFull()]).toEqual([true, false]);
	});
});

it('an event loop that comes round too late takes in less', async () => {
	const limiter = new LoadLimiter();
	const before = limiter.limit;
	limiter.start();
	try {
		await until(() => {
			for (const end = performance.now() + 400; performance.now() < end; );
			return limiter.limit < before;
		}, 'it takes in less');
	} finally {
		limiter.stop();
	}
});
