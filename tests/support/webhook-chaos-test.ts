import { expect, it } from '@jest/globals';
import type { BrokerKind } from '../../bin/brokers/local-broker.ts';
import { runWebhookChaos } from './webhook-chaos.ts';

const KILLS = 3;
const ORDERS = 60;

/** The run of `npm test` on one carrier. */
export function webhookChaosTest(kind: BrokerKind | undefined): void {
	it(`every event of ${ORDERS} orders is heard, in spite of ${KILLS} kills`, async () => {
		const seed = Number(process.env.CHAOS_SEED ?? Date.now() % 1_000_000);
		const report = await runWebhookChaos(kind, { orders: ORDERS, kills: KILLS, seed });
		console.log(`webhooks on ${kind?.scheme ?? 'PostgreSQL'}, seed ${seed}`, report);
		expect(report.lost).toBe(0);
		expect(report.events).toBeGreaterThan(ORDERS * 4);
		expect(report.delivered).toBe(report.events);
		expect(report.refused).toBeGreaterThan(ORDERS / 2);
	}, 600_000);
}
