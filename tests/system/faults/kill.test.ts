import { expect, it } from '@jest/globals';
import { runChaos } from '../../support/chaos-run.ts';

const KILLS = 20;

it('loses nothing and does nothing twice when it is killed 20 times under load', async () => {
	const seed = Number(process.env.CHAOS_SEED ?? Date.now() % 1_000_000);
	const said: string[] = [`CHAOS_SEED=${seed}`];
	const begin = performance.now();
	const report = await runChaos({ kills: KILLS, seed, perSecond: 25, say: (line) => said.push(line) });
	const seconds = Math.round((performance.now() - begin) / 1_000);
	console.log(`seed ${seed}: ${report.orders} orders ${JSON.stringify(report.ends)}, ${seconds} s`, report.faults);
	// With what led there, so that a failure can be read.
	expect(report.violations.length === 0 ? [] : [...said, ...report.violations]).toEqual([]);
	expect(report.faults.process + report.faults.tree).toBe(KILLS);
	expect(Object.keys(report.ends).sort()).toEqual(['Cancelled', 'PaymentFailed', 'Shipped']);
	expect(report.orders).toBeGreaterThan(200);
}, 600_000);
