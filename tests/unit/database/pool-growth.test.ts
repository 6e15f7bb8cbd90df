import { EventEmitter } from 'node:events';
import { expect, it } from '@jest/globals';
import type pg from 'pg';
import { PoolGrowth } from '../../../mixins/database/pool-growth.ts';

/** What of a pool counts here. */
class Counts extends EventEmitter {
	idleCount = 0;
	waitingCount = 0;
	readonly options = { max: 20 };
	totalCount: number;

	constructor(totalCount: number) {
		super();
		this.totalCount = totalCount;
	}

	async connect(): Promise<void> {}
}

const growthOf = (pool: Counts) => new PoolGrowth(pool as unknown as pg.Pool);
/** Whether it has resolved before the present turn of the event loop has ended. */
const isAtOnce = (turn: Promise<unknown>): Promise<boolean> =>
	Promise.race([turn.then(() => true), new Promise<boolean>((resolve) => setImmediate(() => resolve(false)))]);

it.each([
	['few connections are open', { totalCount: 7 }, true],
	['one is free', { idleCount: 1 }, true],
	['all are at work', {}, false],
	['the free ones are promised to others', { idleCount: 2, waitingCount: 2 }, false],
	['new ones are promised to others', { totalCount: 1, idleCount: 1, waitingCount: 8 }, false],
	['few are promised', { totalCount: 1, idleCount: 1, waitingCount: 2 }, true],
	['the pool is full, so that it waits itself', { totalCount: 20 }, true],
])('lets one go at once or not, where %s', async (_, counts, expected) => {
	const pool = Object.assign(new Counts(8), counts);
	expect(await isAtOnce(growthOf(pool).connect())).toBe(expected);
});

it('lets the first that waits go when a connection comes back, and the next when another does', async () => {
	const pool = new Counts(8);
	const growth = growthOf(pool);
	const gone: string[] = [];
	const [first, second] = ['first', 'second'].map((name) => growth.connect().then(() => gone.push(name)));
	pool.idleCount = 1;
	pool.emit('release');
	await first;
	expect(gone).toEqual(['first']);
	pool.emit('release');
	await second;
	expect(gone).toEqual(['first', 'second']);
});

it('lets those that wait in vain go one after the other', async () => {
	const growth = growthOf(new Counts(8));
	const [first, second] = [growth.connect(), growth.connect()];
	await first;
	expect(await isAtOnce(second)).toBe(false);
	await second;
});
