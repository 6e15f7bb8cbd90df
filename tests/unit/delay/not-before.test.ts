import { setTimeout as pause } from 'node:timers/promises';
import { describe, expect, it } from '@jest/globals';
import type { Delivery } from '../../../mixins/brokers/carrier.ts';
import { type Clock, DatabaseClock } from '../../../mixins/database/clock.ts';
import { notBefore } from '../../../mixins/delay/not-before.ts';
import { memoryLog } from '../../support/database.ts';

/** A database whose clock is hours away from this machine's. */
const SHIFT = 5 * 3_600_000;
const databaseNow = (): number => Math.floor(Date.now() + SHIFT);
const CLOCK: Clock = { isRead: true, now: databaseNow };

const delivery = (id: string, deliverAt: number | null): Delivery => ({
	...{ id, type: 'OrderDue', key: id, body: '{}', deliverAt, attempt: 1 },
});

interface Seen {
	readonly id: string;
	/** how long after its moment it was handled */
	readonly late: number;
}

/** Handles deliveries that come so many ms before their moments; answers in which groups the handler saw them. */
async function handled(early: number, before: readonly number[], failing: readonly string[] = []): Promise<Seen[][]> {
	const groups: Seen[][] = [];
	const handle = notBefore(early, CLOCK, async (deliveries) => {
		const now = Date.now() + SHIFT;
		groups.push(deliveries.map(({ id, deliverAt }) => ({ id, late: now - (deliverAt ?? now) })));
		return deliveries.flatMap(({ id }) => (failing.includes(id) ? [{ id, error: 'refused' }] : []));
	});
	const start = databaseNow();
	const failures = await handle(before.map((ms, index) => delivery(String(index), start + ms)));
	expect(failures.map(({ id }) => id).sort()).toEqual([...failing].sort());
	return groups;
}

const ids = (groups: readonly Seen[][]): string[] => groups.flat().map(({ id }) => id);

describe('a wake-up that comes before its moment', () => {
	it('waits for it, by the clock of the database', async () => {
		const groups = await handled(1_000, [80]);
		expect(ids(groups)).toEqual(['0']);
		expect(groups[0]?.[0]?.late).toBeGreaterThanOrEqual(0);
	});

	it('holds up none that is due', async () => {
		const groups = await handled(1_000, [400, -10, 0, 60]);
		expect(groups[0]?.map(({ id }) => id)).toEqual(['1', '2']);
		expect(ids(groups)).toEqual(['1', '2', '3', '0']);
		for (const { late } of groups.flat()) expect(late).toBeGreaterThanOrEqual(0);
	});

	it('shares a batch with those of the same moment', async () => {
		const groups = await handled(1_000, [100, 100, 100, 100]);
		expect(groups.map((group) => group.length)).toEqual([4]);
	});

	it('goes on at once if it comes earlier than the carrier may be', async () => {
		const groups = await handled(200, [60_000, 50]);
		expect(ids(groups)).toEqual(['0', '1']);
		expect(groups[0]?.[0]?.late).toBeLessThan(-50_000);
	});

	it('is handed on as it comes where the carrier is never early', async () => {
		const groups = await handled(0, [60_000]);
		expect(groups[0]?.[0]?.late).toBeLessThan(-50_000);
	});

	it('tells of every failure, whenever it was', async () => {
		expect(ids(await handled(1_000, [-1, 50, 100], ['0', '2']))).toEqual(['0', '1', '2']);
	});

	it('has the whole batch come again if the handler throws', async () => {
		const handle = notBefore(1_000, CLOCK, () => Promise.reject(new Error('the database is away')));
		await expect(handle([delivery('a', databaseNow() + 20)])).rejects.toThrow('the database is away');
	});

	it('without a moment is due', async () => {
		const seen: string[] = [];
		const handle = notBefore(1_000, CLOCK, async (deliveries) => {
			seen.push(...deliveries.map(({ id }) => id));
			return [];
		});
		await handle([delivery('a', null)]);
		expect(seen).toEqual(['a']);
	});

	it.each([
		['back', -3_600_000],
		['forward', 3_600_000],
	])('goes on within the time that the carrier may be early when the clock is set %s meanwhile', async (_, jump) => {
		let shift = 0;
		const clock = { isRead: true, now: () => databaseNow() + shift };
		const handled = notBefore(500, clock, async () => [])([delivery('a', clock.now() + 100)]);
		shift = jump;
		const limit = pause(500, 'waits for longer'); // timers end in their order, however late
		expect(await Promise.race([handled, limit])).toEqual([]);
	});

	it('comes again as long as the clock was not read', async () => {
		const clock = new DatabaseClock({ query: () => Promise.reject(new Error('away')) }, memoryLog());
		const handled = notBefore(500, clock, async () => [])([delivery('a', databaseNow())]);
		await expect(handled).rejects.toThrow('not read yet');
	});
});
