import { expect, it } from '@jest/globals';
import { Batcher } from '../../../mixins/runtime/batcher.ts';
import { until } from '../../support/until.ts';

const forever = Promise.withResolvers<readonly string[]>();

/** Handles what it is given, but for items that hang. */
const hanging = (options: { readonly inFlight: number; readonly worthwhile?: number }) =>
	new Batcher<string, string>({ size: 10, ...options }, async (items) => {
		if (items.includes('hangs')) return forever.promise;
		return items;
	});

it.each([
	['where there is one place', { inFlight: 1 }],
	['where a small group waits for company', { inFlight: 4, worthwhile: 8 }],
])('a group that hangs holds up no other, %s', async (_, options) => {
	const batcher = hanging(options);
	const hung = batcher.add('hangs');
	hung.catch(() => {});
	await until(() => batcher.size === 1);
	await new Promise(setImmediate); // the group is at work now
	for (const item of ['a', 'b', 'c']) expect(await batcher.add(item)).toBe(item);
	expect(await Promise.race([batcher.drained(), 'one is at work still'])).toBe('one is at work still');
});

it('as many as hang at once stand aside; beyond that a place is kept', async () => {
	const batcher = hanging({ inFlight: 1 });
	for (let hung = 1; hung <= 4; hung += 1) {
		batcher.add('hangs').catch(() => {});
		await new Promise(setImmediate);
		expect(await batcher.add(`after ${hung}`)).toBe(`after ${hung}`);
	}
});
