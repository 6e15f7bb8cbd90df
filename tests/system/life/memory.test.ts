/** What a burst took is given back once it is over. */
import { readFileSync } from 'node:fs';
import { afterAll, beforeAll, expect, it } from '@jest/globals';
import { type Running, System } from '../../support/process.ts';
import { until } from '../../support/until.ts';

let system: System;
beforeAll(async () => {
	// As npm start has it.
	system = await System.create({ NODE_OPTIONS: '--expose-gc', RATE_LIMIT: 'off' });
});
afterAll(() => system.dispose());

/** Resident memory in MB. */
const memoryOf = ({ pid }: Running): number =>
	Number(/VmRSS:\s+(\d+)/.exec(readFileSync(`/proc/${pid}/status`, 'utf8'))?.[1]) / 1024;

it('gives memory back to the machine, and goes on as before', async () => {
	const running = system.start();
	const url = await running.listening;
	const place = async (): Promise<number> => {
		const body = JSON.stringify({ productName: 'Tea', amount: 1, cancellationWindow: '10m' });
		const headers = { 'Content-Type': 'application/json' };
		return (await fetch(`${url}/orders`, { method: 'POST', headers, body })).status;
	};
	let peak = 0;
	for (let round = 0; round < 60; round += 1) {
		await Promise.all(Array.from({ length: 50 }, place));
		peak = Math.max(peak, memoryOf(running));
	}
	await until(
		() => memoryOf(running) < 0.85 * peak,
		() => `${memoryOf(running)} MB are well below ${peak} MB`,
	);
	expect(await place()).toBe(201);
	expect(await running.stop()).toEqual({ code: 0, signal: null });
}, 120_000);
