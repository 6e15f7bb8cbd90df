import { setTimeout as pause } from 'node:timers/promises';
import { expect, it } from '@jest/globals';
import { Turns } from '../../../services/orders/turns.ts';

const turns = (most = 10, patience = 10_000) => new Turns({ most, patience, refusal: () => new Error('busy') });

it('work on one key goes one after the other, in its order, also after a failure; other keys wait for nothing', async () => {
	const one = turns();
	const begun: number[] = [];
	const ended: number[] = [];
	const hot = Array.from({ length: 5 }, (_, place) =>
		one.take('hot', async () => {
			begun.push(place);
			await pause(2);
			ended.push(place);
			if (place === 1) throw new Error('failed');
			return place;
		}),
	);
	const settled = Promise.allSettled(hot);
	expect(await one.take('stranger', async () => begun.length)).toBe(1);
	expect((await settled).map(({ status }) => status)).toEqual([
		'fulfilled',
		'rejected',
		'fulfilled',
		'fulfilled',
		'fulfilled',
	]);
	expect(begun).toEqual([0, 1, 2, 3, 4]);
	expect(ended).toEqual(begun);
});

it('those that are too many are refused at once, those that waited too long then, and neither is begun later', async () => {
	const one = turns(1, 50);
	const gate = Promise.withResolvers<void>();
	let late = 0;
	const first = one.take('hot', () => gate.promise);
	const second = one.take('hot', async () => {
		late += 1;
	});
	await expect(one.take('hot', async () => {})).rejects.toThrow('busy');
	await expect(second).rejects.toThrow('busy');
	gate.resolve();
	await first;
	expect(await one.take('hot', async () => late)).toBe(0);
});
