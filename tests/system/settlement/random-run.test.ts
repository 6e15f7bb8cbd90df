/** Orders paid by Stripe, on the stand-in, while every fault comes at random and the process is killed: in the end the books agree. */
import { expect, it } from '@jest/globals';
import { runChaos } from '../../support/chaos-run.ts';
import { StripeBank } from '../../support/stripe/run.ts';

const ORDERS = 80;
const KILLS = 4;

it(`agrees with Stripe to the cent after ${ORDERS} orders, ${KILLS} kills and every fault at random`, async () => {
	const seed = Number(process.env.CHAOS_SEED ?? Date.now() % 1_000_000);
	const said: string[] = [`CHAOS_SEED=${seed}`];
	const begin = performance.now();
	const bank = await StripeBank.open({ seed, share: 0.12 });
	try {
		const say = (line: string): void => void said.push(line);
		const report = await runChaos({ kills: KILLS, seed, perSecond: 8, orders: ORDERS, bank, say });
		const seconds = Math.round((performance.now() - begin) / 1_000);
		const { faults, requestsPerOrder, most, lines, webhooks } = bank.figures;
		console.log(`seed ${seed}: ${report.orders} orders, ${seconds} s`, report.ends, report.faults, faults, webhooks);
		console.log(`${requestsPerOrder.toFixed(1)} requests an order, at most ${most}; ${lines} lines have no secret`);
		// With what led there, so that a failure can be read.
		expect(report.violations.length === 0 ? [] : [...said, ...report.violations]).toEqual([]);
		expect(report.orders).toBe(ORDERS);
		expect(Object.values(faults).reduce((sum, count) => sum + count, 0)).toBeGreaterThan(5);
	} finally {
		await bank.close();
	}
}, 900_000);
