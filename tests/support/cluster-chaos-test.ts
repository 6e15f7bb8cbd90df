import { expect, it } from '@jest/globals';
import type { BrokerKind } from '../../bin/brokers/local-broker.ts';
import { describeBroker } from './brokers.ts';
import { runClusterChaos } from './cluster-chaos.ts';

const KILLS = 12;
const LONGEST = 600_000;

/** The chaos run of `npm test` on one broker; a file for each, so that they run side by side. */
export function clusterChaosTest(kind: BrokerKind): Promise<void> {
	return describeBroker(kind, `seven processes on ${kind.scheme}`, () => {
		it(
			`lose nothing and do nothing twice when they and the broker are killed ${KILLS} times, once with all its data`,
			async () => {
				const seed = Number(process.env.CHAOS_SEED ?? Date.now() % 1_000_000);
				const said: string[] = [`CHAOS_SEED=${seed}`];
				const begin = performance.now();
				const say = (line: string): void => void said.push(line);
				const report = await runClusterChaos({ kind, kills: KILLS, seed, perSecond: 10, wipe: true, say });
				const seconds = Math.round((performance.now() - begin) / 1_000);
				console.log(`seed ${seed}: ${report.orders} orders, ${seconds} s`, report.ends, report.faults, report.woken);
				// With what led there, so that a failure can be read.
				expect(report.violations.length === 0 ? [] : [...said, ...report.violations]).toEqual([]);
				expect(report.faults.service + report.faults.broker + report.faults.wipe).toBe(KILLS);
				expect(report.faults.wipe).toBe(1);
				expect(Object.keys(report.ends).sort()).toEqual(['Cancelled', 'PaymentFailed', 'Shipped']);
				expect(report.orders).toBeGreaterThan(50);
			},
			LONGEST,
		);
	});
}
