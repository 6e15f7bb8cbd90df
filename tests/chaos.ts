/**
 * `npm run chaos -- --kills 200 --seed 7 [--broker kafka]`: so many kills under load; exits with 1 if an invariant broke.
 * With `--stripe` the stand-in for Stripe moves the money, and meets every fault at random: `--orders 2000 --share 0.15`.
 */
import { parseArgs } from 'node:util';
import { BROKER_KINDS } from './support/broker-kinds.ts';
import { runChaos } from './support/chaos-run.ts';
import { runClusterChaos } from './support/cluster-chaos.ts';
import { StripeBank } from './support/stripe/run.ts';

const { values } = parseArgs({
	options: {
		kills: { type: 'string' },
		seed: { type: 'string' },
		rate: { type: 'string' },
		broker: { type: 'string' },
		stripe: { type: 'boolean', default: false },
		orders: { type: 'string' },
		share: { type: 'string' },
	},
});
const kills = Number(values.kills ?? 50);
const seed = Number(values.seed ?? Date.now() % 1_000_000);
const perSecond = Number(values.rate ?? (values.broker === undefined ? 40 : 10));
const orders = Number(values.orders ?? 0);
const share = Number(values.share ?? 0.15);
const kind = BROKER_KINDS.find(({ scheme }) => scheme === values.broker);
const schemes = BROKER_KINDS.map(({ scheme }) => scheme);
if (
	![kills, seed, perSecond, orders].every((value) => Number.isSafeInteger(value) && value >= 0) ||
	!(share >= 0 && share < 1) ||
	(values.broker !== undefined && kind === undefined)
) {
	console.error(
		`usage: npm run chaos -- [--kills 50] [--seed n] [--rate orders-a-second] [--orders n] [--broker ${schemes.join(' | ')}] [--stripe [--share 0.15]]`,
	);
	process.exit(2);
}

const bank = values.stripe ? await StripeBank.open({ seed: seed + 2, share }) : undefined;
console.log(`${kills} kills, seed ${seed}, ${perSecond} orders/s${kind === undefined ? '' : ` on ${kind.scheme}`}`);
const say = (line: string): void => console.log(line);
const options = { kills, seed, perSecond, orders, say, ...(bank === undefined ? {} : { bank }) };
const report = kind === undefined ? await runChaos(options) : await runClusterChaos({ ...options, kind, wipe: true });
for (const violation of report.violations) console.log(violation);
console.log(`${report.orders} orders: ${JSON.stringify(report.ends)}; faults: ${JSON.stringify(report.faults)}`);
if (bank !== undefined) console.log(`Stripe: ${JSON.stringify(bank.figures)}`);
await bank?.close();
console.log(report.violations.length === 0 ? 'I1 to I9 hold' : `${report.violations.length} orders break an invariant`);
process.exitCode = report.violations.length === 0 ? 0 : 1;
